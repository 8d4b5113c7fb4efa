"""Check the standard streams, and turn errors of the operating system into messages."""

import errno
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from halfbyte.base.errors import UserError
from halfbyte.base.files import build_dir

__all__ = [
    "check_standard_output",
    "explain",
    "full_disk",
    "open_standard_streams",
    "refuse_optimization",
]

_LEAST_SPACE = 1 << 20  # bytes; a disk with less free space counts as full
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


class _ClosedOutput(io.TextIOBase):
    """Stands for a closed standard output. Printing to it is an error: the text would be lost."""

    def write(self, text: str) -> int:
        raise UserError(
            "Standard output is closed, so the result would be lost: send it to a file, a "
            "pipe or /dev/null"
        )


def check_standard_output() -> None:
    """Raise UserError if standard output is closed, before anything is computed."""
    if isinstance(sys.stdout, _ClosedOutput):
        sys.stdout.write("")


def refuse_optimization() -> None:
    """End the process if Python leaves out assertions, by which halfbyte checks its own work."""
    if sys.flags.optimize:
        sys.exit(
            "error: Python leaves out halfbyte's checks of itself: unset PYTHONOPTIMIZE, or omit -O"
        )


def open_standard_streams() -> None:
    """Open standard input, output or error as an empty stream if the caller has closed it.

    Otherwise the next file that is opened, perhaps one with results, would become standard output,
    and tools would print into it. For halfbyte itself, printing to a closed output is an error.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            empty = os.open(os.devnull, os.O_RDWR)
            if empty != number:
                os.dup2(empty, number)
                os.close(empty)
        if name == "stdout" and sys.stdout is None:
            sys.stdout = _ClosedOutput()
        elif getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def explain(error: OSError) -> str:
    """The error in one line, which names the file and if possible the remedy."""
    if error.errno == errno.ENOSPC:
        return _full(error)
    if error.errno == errno.ENOENT and error.filename is None:
        return "The folder in which this runs does not exist any more: change to another one"
    if error.errno == errno.EFBIG:
        return "A file would be larger than this shell allows: raise the limit (ulimit -f)"
    if error.filename is None or error.strerror is None:
        return str(error)
    path = Path(os.fsdecode(error.filename))
    if error.errno in _UNWRITABLE and _is_below(path, build_dir()):
        return f"{path} cannot be written ({error.strerror}): set HALFBYTE_BUILD to another folder"
    return f"{path}: {error.strerror}"


def full_disk() -> str | None:
    """A line that names a full disk to which halfbyte writes; None if no such disk is full.

    Some tools fail without saying that a disk is full.
    """
    variables = {"TMPDIR": Path(tempfile.gettempdir()), "HALFBYTE_BUILD": build_dir()}
    for variable, folder in variables.items():
        if _free(folder) < _LEAST_SPACE:
            return f"No space is left in {folder}: free some, or set {variable} to a larger disk"
    return None


def _full(error: OSError) -> str:
    """The message for an error that says a disk is full."""
    known = full_disk()
    if known:
        return known
    where = f" for {os.fsdecode(error.filename)}" if error.filename else ""
    return f"No space is left{where} on the disk or device that is written to"


def _free(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _is_below(path: Path, folder: Path) -> bool:
    return path.absolute().is_relative_to(folder.absolute())
