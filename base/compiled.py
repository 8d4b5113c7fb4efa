"""Compile Python loops with numba, where NumPy would be many times slower."""

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
    from numba.extending import register_jitable
except ModuleNotFoundError:  # a machine with a GPU may have only PyTorch and its dependencies
    numba = None  # type: ignore[assignment]

__all__ = ["borrowing_jit", "inner_jit", "jit"]

# numba has no type annotations.
_config: Any = numba.config if numba else None
_njit: Any = numba.njit if numba else None
_part_of_callers: Any = register_jitable if numba else None
_Function = TypeVar("_Function", bound=Callable[..., Any])
# Held while the folder for numba's machine code is set, since that setting is process-wide.
_SETTING = threading.Lock()


@cache
def _cache_folder(module: str) -> Path | None:
    """The folder for the machine code of a module's functions.

    The folder's name contains a digest of the code of the module and of all modules that it
    imports. (numba itself compares only the time and size of the function's own file.) Folders for
    earlier versions of the code are not deleted. Returns None if no folder is writable, or if the
    module has no source file.
    """
    try:
        source = source_of(module)
        name = f"{module.rpartition('.')[2]}-{code_fingerprint(module)[:16]}"
    except ValueError:  # the function comes from no file, but from a prompt, for example
        return None
    return next(filter(_is_writable, (parent / name for parent in _parents(source))), None)


def _parents(source: Path) -> Iterator[Path]:
    """The folders that may contain the cache folder, in the order in which they are tried.

    If ``$NUMBA_CACHE_DIR`` is set, it names the only one. Otherwise, they are ``__pycache__``
    beside the source, and ``halfbyte`` in the user's cache.
    """
    if _config.CACHE_DIR:
        yield Path(_config.CACHE_DIR)
        return
    yield source.parent / "__pycache__"
    try:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "halfbyte"
    except RuntimeError:  # no home
        return


def _is_writable(folder: Path) -> bool:
    """Whether files can be written to the folder, which is created if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Within this context, numba keeps the machine code of decorated functions in ``folder``."""
    with _SETTING:
        before = _config.CACHE_DIR
        _config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            _config.CACHE_DIR = before


class _Alone:
    """A lock on a cache folder: processes that call functions of one module compile in turn.

    A process that had to wait for the compilation of its function then loads the machine code.
    """

    held = False  # whether this process holds a lock on any folder

    @classmethod
    @contextmanager
    def in_folder(cls, folder: Path) -> Iterator[None]:
        """Within this context, the process holds the lock of ``folder``, or one that it had before.

        Compiling a function also compiles the functions that it calls. They are compiled under the
        caller's lock, even if their own cache folder is another one.
        """
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
    """Change numba's object for a function so that it compiles under the lock of ``folder``."""
    compile_or_load = dispatcher.compile

    def compile_alone(signature: Any) -> Any:
        with _Alone.in_folder(folder):
            return compile_or_load(signature)

    dispatcher.compile = compile_alone
    return dispatcher


def _compiled(function: _Function, **options: bool) -> _Function:
    """Compile a function with numba, and keep its machine code as :func:`jit` says."""
    if numba is None:
        warnings.warn(
            "numba is missing (pip install numba): loops run hundreds of times slower",
            RuntimeWarning,
            stacklevel=3,
        )
        return function
    folder = _cache_folder(function.__module__)
    if folder is None:
        return cast(_Function, _njit(nogil=True, **options)(function))
    with _kept_in(folder):
        dispatcher = _njit(nogil=True, cache=True, **options)(function)
    return cast(_Function, _compiled_once(dispatcher, folder))


def jit(function: _Function) -> _Function:
    """Compile ``function`` for each new combination of argument types, when it is called with them.

    The compiled function runs without the interpreter's lock.

    The machine code is kept in ``$NUMBA_CACHE_DIR``. If that is not set, it is kept in
    ``__pycache__`` beside the source, or in the user's cache folder if nothing can be written
    there. The machine code is used again until the code of the function's module changes, or the
    code of a module that this module imports, directly or not. If several processes call the same
    function at once, one compiles it and the others wait. If no folder is writable, every process
    compiles the function for itself.

    Without numba, the function runs uncompiled, hundreds of times slower, and a warning says so.
    """
    return _compiled(function)


def borrowing_jit(function: _Function) -> _Function:
    """Like :func:`jit`, for a function that creates no array and only uses its caller's arrays.

    The compiled function does not count references to arrays. Counting takes more than half of the
    time of short functions that pass tuples of arrays to each other. numba refuses to compile a
    function in this way if it creates an array. A copy of a whole row creates one, too.
    """
    # nrt is numba's runtime for memory. numba itself uses this option for its functions on strings.
    return _compiled(function, _nrt=False)


def inner_jit(function: _Function) -> _Function:
    """Let ``function`` be compiled as a part of each compiled function that calls it.

    This takes half of the compile time of a function that can also be called from Python. Here,
    Python still runs ``function`` uncompiled. Like :func:`borrowing_jit`, the compiled code does
    not count references, so ``function`` must not create arrays.
    """
    return cast(_Function, _part_of_callers(_nrt=False)(function)) if numba else function
