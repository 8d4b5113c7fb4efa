"""Shared libraries from C++ sources of this project, compiled once for each version of them."""

import ctypes
import tempfile
from collections.abc import Mapping
from pathlib import Path

from halfbyte.base.compilers import Compiler
from halfbyte.base.errors import ToolError
from halfbyte.base.fingerprint import content_key

__all__ = ["compiled_library", "loaded"]


def compiled_library(compiler: Compiler, main: str, files: Mapping[str, str], folder: Path) -> Path:
    """Compile ``main``, one of ``files`` (name: text), to a library in ``folder``.

    If the folder has a library of the same sources, compiler and machine, that one is returned.
    """
    key = content_key([compiler.version, compiler.flags, compiler.target, main, files])
    target = folder / f"{Path(main).stem}-{key[:24]}.so"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # The library is compiled elsewhere and then moved: other processes see all of it or nothing.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        place = Path(temporary)
        for name, text in files.items():
            (place / name).write_text(text)
        compiler.compile([main], place / target.name, place)
        (place / target.name).replace(target)
    return target


def loaded(path: Path) -> ctypes.CDLL:
    """Load a compiled library. Raises ToolError if it cannot be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"{path} cannot be loaded ({error}); delete it to build it anew") from None
