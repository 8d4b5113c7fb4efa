"""Compiled loops, for work without a vectorized form that is nearly as fast."""

import fcntl
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from halfbyte.base.fingerprint import code_fingerprint
from halfbyte.base.imports import source_of

try:
    import numba
    from numba.core.compiler_lock import global_compiler_lock
except ModuleNotFoundError:  # on a machine with a GPU that has PyTorch and little else
    numba = None  # type: ignore[assignment]

__all__ = ["jit"]

# Untyped, like all of numba.
_config: Any = numba.config if numba else None
_Function = TypeVar("_Function", bound=Callable[..., Any])
# Held while numba is told where to keep machine code, which is a setting of the whole process.
_SETTING = threading.Lock()


@cache
def _cache_folder(module: str) -> Path | None:
    """Where the machine code of a module's functions is kept; None if it cannot be kept.

    The name holds a digest of the module and of all that it imports, since numba itself looks only
    at the file of the function. Folders of earlier sources stay until they are deleted.
    """
    try:
        source = source_of(module)
        name = f"{module.rpartition('.')[2]}-{code_fingerprint(module)[:16]}"
    except ValueError:  # not from a file, such as the prompt
        return None
    return next(filter(_is_writable, (parent / name for parent in _parents(source))), None)


def _parents(source: Path) -> Iterator[Path]:
    """The folder that numba was given; else beside the source, then the user's."""
    if _config.CACHE_DIR:
        yield Path(_config.CACHE_DIR)
        return
    yield source.parent / "__pycache__"
    try:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "halfbyte"
    except RuntimeError:  # no home
        return


def _is_writable(folder: Path) -> bool:
    """Whether files can be written to the folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Have numba keep the machine code of what is decorated meanwhile in ``folder``."""
    with _SETTING:
        before = _config.CACHE_DIR
        _config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            _config.CACHE_DIR = before


class _Alone:
    """Compiles for a folder while no other process does. The others then load what was kept."""

    held = False

    @classmethod
    @contextmanager
    def in_folder(cls, folder: Path) -> Iterator[None]:
        """Wait for the folder's turn. Functions that are called compile under the caller's lock."""
        with global_compiler_lock:  # one thread at a time
            if cls.held:
                yield
                return
            with (folder / "lock").open("wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                cls.held = True
                try:
                    yield
                finally:
                    cls.held = False


def _compiled_once(dispatcher: Any, folder: Path) -> Any:
    """Have processes that call a function for the first time compile it one after the other."""
    compile_or_load = dispatcher.compile

    def compile_alone(signature: Any) -> Any:
        with _Alone.in_folder(folder):
            return compile_or_load(signature)

    dispatcher.compile = compile_alone
    return dispatcher


def jit(function: _Function) -> _Function:
    """Compile ``function`` on its first call, to run without the interpreter's lock.

    The machine code is kept in ``$NUMBA_CACHE_DIR``, else beside the source, or in the user's cache
    folder where that is read-only. If several processes need it at once, one compiles
    and the others wait. It is used again until the function's module changes, or one
    that it imports, directly or not: functions may call each other across files. Where no folder
    can be written, every process compiles for itself. Without numba the function runs as it is,
    hundreds of times slower, and a warning says so.
    """
    if numba is None:
        warnings.warn(
            "numba is missing (pip install numba): loops run hundreds of times slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return function
    folder = _cache_folder(function.__module__)
    if folder is None:
        return cast(_Function, numba.njit(nogil=True)(function))
    with _kept_in(folder):
        dispatcher = numba.njit(nogil=True, cache=True)(function)
    return cast(_Function, _compiled_once(dispatcher, folder))
