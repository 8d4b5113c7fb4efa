"""Find the folders for results, and write files so that each is complete or does not exist.

A file that is being written is a *partial* file: it has a temporary name, ``.NAME.TOKEN.partial``,
that no other process uses, and its writer holds a lock on it. So two processes never write to the
same file. A partial file without a lock was left by a process that was killed. The next process
that writes a file of this name removes it.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from halfbyte.base.errors import UserError

__all__ = [
    "build_dir",
    "partial_file",
    "partial_folder",
    "publish",
    "user_folder",
    "write_atomically",
]

_PARTIAL = ".partial"


def build_dir() -> Path:
    """The folder for results: ``$HALFBYTE_BUILD``, else ``build`` in the working directory."""
    return Path(os.environ.get("HALFBYTE_BUILD") or "build")


def _default_mode(bits: int) -> int:
    """The permission ``bits`` without those that the user's umask forbids."""
    umask = os.umask(0)
    os.umask(umask)
    return bits & ~umask


def user_folder(kind: str) -> Path | None:
    """The user's own folder for a kind of files, such as ``technologies``.

    It is ``$HALFBYTE_HOME/KIND``. If that variable is not set, it is
    ``$XDG_CONFIG_HOME/halfbyte/KIND``, and without both variables ``~/.config/halfbyte/KIND``.
    Returns None if the user has no home folder.
    """
    own, config = os.environ.get("HALFBYTE_HOME"), os.environ.get("XDG_CONFIG_HOME")
    if own:
        return Path(own) / kind
    try:
        return Path(config or Path.home() / ".config") / "halfbyte" / kind
    except RuntimeError:
        return None


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write ``data`` to ``path``. Readers see the old file or the new one, never a part of it.

    The folder is created if it does not exist. Text is written as UTF-8. Raises OSError if the file
    cannot be written.
    """
    raw = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        error.filename = str(path)  # the user knows this name, but not the temporary one
        raise
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
        temporary.chmod(_default_mode(0o666))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _partial_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}{_PARTIAL}")


def _locked(descriptor: int) -> bool:
    """Try to lock a file or folder, without waiting. Returns whether it is locked now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(path: Path) -> None:
    """Remove partial files of ``path`` that nobody has locked: their writers were killed."""
    pattern = f".{path.name}."
    for each in path.parent.iterdir():
        if not (each.name.startswith(pattern) and each.name.endswith(_PARTIAL)):
            continue
        with suppress(OSError):  # another process removes it, or it belongs to another user
            descriptor = os.open(each, os.O_RDONLY)
            try:
                if _locked(descriptor):
                    _remove(each)
            finally:
                os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _create(path: Path, *, folder: bool) -> tuple[Path, int]:
    """Create a partial file or folder; returns it and a descriptor that holds its lock."""
    _remove_abandoned(path)
    while True:
        partial = _partial_name(path)
        if folder:
            partial.mkdir()
            descriptor = os.open(partial, os.O_RDONLY)
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            descriptor = os.open(partial, flags, _default_mode(0o666))
        # Between the creation and the lock, another process may have removed it as abandoned.
        if _locked(descriptor) and partial.exists():
            return partial, descriptor
        os.close(descriptor)


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A context that gives a new, empty file in the folder of ``path``, under a temporary name.

    The caller writes it and gives it to :func:`publish`. Otherwise it is removed at the end of the
    context. Raises OSError if it cannot be created.
    """
    partial, descriptor = _create(path, folder=False)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Like :func:`partial_file`, for a folder. The folder above ``path`` is created if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, descriptor = _create(path, folder=True)
    try:
        yield partial
    finally:
        _remove(partial)
        os.close(descriptor)


def publish(partial: Path, path: Path, *, replace: bool = False) -> None:
    """Give the finished file or folder ``partial`` its final name, ``path``.

    Raises UserError if a file, or a folder that is not empty, has this name: another process may
    have written it in the meantime. With ``replace``, a file replaces an existing file.
    """
    try:
        if replace or partial.is_dir():
            partial.replace(path)  # a folder can replace an empty folder only
            return
        _link(partial, path)
    except (FileExistsError, NotADirectoryError):
        pass
    except OSError as error:
        if not (partial.is_dir() and path.is_dir() and any(path.iterdir())):
            raise error
    else:
        return
    raise UserError(f"{path} exists already; give another name, or remove it")


def _link(partial: Path, path: Path) -> None:
    """Give a file the name ``path``. Raises FileExistsError if ``path`` exists."""
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        if path.exists():
            raise FileExistsError(path) from None
        partial.replace(path)
