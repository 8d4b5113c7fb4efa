"""Find the folders for results and for the user's files, and write files under temporary names.

A file gets its final name when it is complete, so readers never see an incomplete file.
:func:`write_atomically` writes a file at once. For long writing, :func:`partial_file` and
:func:`partial_folder` create a *partial* file or folder with a temporary name,
``.NAME.TOKEN.partial``, and lock it. :func:`publish` gives it its final name. A partial file
without a lock was left by a process that was killed. The next call of :func:`partial_file` or
:func:`partial_folder` for the same NAME removes it.
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
    """The user's own folder for one kind of file, such as ``technologies``.

    It is ``$HALFBYTE_HOME/KIND``. If that variable is not set, it is
    ``$XDG_CONFIG_HOME/halfbyte/KIND``. If neither variable is set, it is
    ``~/.config/halfbyte/KIND``, or None if the user has no home folder.
    """
    own, config = os.environ.get("HALFBYTE_HOME"), os.environ.get("XDG_CONFIG_HOME")
    if own:
        return Path(own) / kind
    try:
        return Path(config or Path.home() / ".config") / "halfbyte" / kind
    except RuntimeError:
        return None


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write ``data`` to ``path``. Readers see the old file or the whole new one.

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
    """Try to lock a file or folder, without waiting. Returns whether this call got the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_abandoned(path: Path) -> None:
    """Remove the partial files and folders of ``path`` without a lock, left by killed processes."""
    pattern = f".{path.name}."
    for each in path.parent.iterdir():
        if not (each.name.startswith(pattern) and each.name.endswith(_PARTIAL)):
            continue
        with suppress(OSError):  # for example, another process has just removed it
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
    """Create a partial file or folder; returns its path and a descriptor that holds its lock."""
    _remove_abandoned(path)
    while True:
        partial = _partial_name(path)
        if folder:
            partial.mkdir()
            descriptor = os.open(partial, os.O_RDONLY)
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            descriptor = os.open(partial, flags, _default_mode(0o666))
        # Another process may have removed it between its creation and the lock.
        if _locked(descriptor) and partial.exists():
            return partial, descriptor
        os.close(descriptor)


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A context that gives a new, empty file in the folder of ``path``, under a temporary name.

    The caller writes the file and gives it to :func:`publish`. A file that was not published is
    removed at the end of the context. Raises OSError if the file cannot be created.
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

    Raises UserError if ``path`` exists; another process may have created it in the meantime. There
    are two exceptions: a folder replaces an empty folder, and with ``replace``, a file replaces a
    file.
    """
    try:
        if replace or partial.is_dir():
            partial.replace(path)  # a folder can replace an empty folder only
            return
        _link(partial, path)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
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
    except OSError:  # for example, the file system has no hard links
        if path.exists():
            raise FileExistsError(path) from None
        partial.replace(path)
