"""Compile C++ sources of this project to shared libraries, once for each version of them."""

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
    """Compile the source ``main`` to a library in ``folder``; returns its path.

    ``files`` maps the names of all needed files, headers and ``main`` included, to their texts. A
    library that was made from the same sources, by the same compiler, for the same instruction set
    is used again. If several threads or processes need the same library at once, one compiles it
    and the others wait. Raises ToolError if the compiler fails.
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
    """Compile in a temporary folder, so that no other process sees an incomplete library."""
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
