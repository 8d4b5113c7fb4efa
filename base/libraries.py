"""Shared libraries from C++ sources of this project, compiled once for each version of them."""

import ctypes
import fcntl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from halfbyte.base.compilers import Compiler
from halfbyte.base.errors import ToolError
from halfbyte.base.fingerprint import content_key

__all__ = ["compiled_library", "loaded"]


def compiled_library(compiler: Compiler, main: str, files: Mapping[str, str], folder: Path) -> Path:
    """Compile ``main``, one of ``files`` (name: text), to a library in ``folder``.

    If the folder has a library of the same sources, compiler and machine, that one is returned. If
    several threads or processes want one at once, one compiles and the others wait.
    """
    key = content_key([compiler.version, compiler.flags, compiler.target, main, files])
    target = folder / f"{Path(main).stem}-{key[:24]}.so"
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{Path(main).stem}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _compile(compiler, main, files, target)
    return target


def _compile(compiler: Compiler, main: str, files: Mapping[str, str], target: Path) -> None:
    """Compile elsewhere, then move: other processes see the whole library or nothing."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        place = Path(temporary)
        for name, text in files.items():
            (place / name).write_text(text)
        compiler.compile([main], place / target.name, place)
        (place / target.name).replace(target)


def loaded(path: Path) -> ctypes.CDLL:
    """Load a compiled library. Raises ToolError if it cannot be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"{path} cannot be loaded ({error}); delete it to build it anew") from None
