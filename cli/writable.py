"""Check that a command can write its output, before it computes anything."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import typer

from halfbyte.base import UserError, build_dir

__all__ = ["check_output", "check_writable"]

# Commands whose --output is a file, with the suffixes that are allowed; () allows any suffix.
_FILES: Mapping[str, tuple[str, ...]] = {
    "report": (),
    "findings": (),
    "gates": (".v",),
    "operands": (".npz",),
    "derive": (".yaml", ".yml"),
    "assign": (".yaml", ".yml"),
    "distill": (".yaml", ".yml"),
}
# Commands whose --output is a file if the input is a file, otherwise a folder.
_EITHER = ("compress", "decompress")
# Commands that write nothing under build/.
_KEEP_NOTHING = (
    *("formats", "doctor", "recipes", "schema", "diff", "list", "distill", "operands"),
    *("compress", "decompress", "verify", "info"),
)


def check_writable(context: typer.Context, options: Mapping[str, object]) -> None:
    """Raise UserError if the output or the build folder cannot be written."""
    command = str(context.info_name)
    for name in ("output", "junit"):
        path = options.get(name)
        if isinstance(path, Path):
            # --junit names a file with any suffix, like the output of `report`.
            check_output(path, command if name == "output" else "report", name)
    if command not in _KEEP_NOTHING:
        _try(build_dir(), "set HALFBYTE_BUILD to another folder")


def check_output(path: Path, command: str, name: str = "output") -> None:
    """Raise UserError if ``path`` is of the wrong kind or cannot be written.

    ``name`` is the option of ``command`` that gives the path.
    """
    _check_kind(path, command)
    _try(path, f"give another --{name}")


def _check_kind(path: Path, command: str) -> None:
    """Raise UserError for a wrong suffix, a folder in place of a file, or the reverse."""
    if command in _EITHER:
        return
    endings = _FILES.get(command, ())
    if endings and path.suffix not in endings:
        raise UserError(f"The output must be a {endings[0]} file, not {str(path)[:200]!r}")
    if command in _FILES and path.is_dir():
        raise UserError(
            f"The output must be a file, but {path} is a folder: give the name of a file in it"
        )
    if command not in _FILES and path.exists() and not path.is_dir():
        raise UserError(f"The output must be a folder, but {path} is a file: give another name")


def _try(path: Path, remedy: str) -> None:
    """Raise UserError if no file can be made in the first existing folder at or above ``path``."""
    folder = path.absolute()
    if not folder.is_dir():
        folder = folder.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{folder} is not a folder" if not folder.is_dir() else str(error.strerror)
        raise UserError(f"{path} cannot be written ({reason}): {remedy}") from error
