"""Shared libraries from sources of the project, compiled once per content."""

import ctypes
import tempfile
from collections.abc import Mapping
from pathlib import Path

from halfbyte.base.compilers import Compiler
from halfbyte.base.errors import ToolError
from halfbyte.base.fingerprint import content_key

__all__ = ["compiled_library", "loaded"]


def compiled_library(compiler: Compiler, main: str, files: Mapping[str, str], folder: Path) -> Path:
    """``main`` among ``files`` (name: text), compiled to a library in ``folder``.

    Nothing is compiled if the folder has the library of the same sources, compiler and machine.
    """
    key = content_key([compiler.version, compiler.flags, compiler.target, main, files])
    target = folder / f"{Path(main).stem}-{key[:24]}.so"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Compiled aside and moved, so that other processes see a whole library or none.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        place = Path(temporary)
        for name, text in files.items():
            (place / name).write_text(text)
        compiler.compile([main], place / target.name, place)
        (place / target.name).replace(target)
    return target


def loaded(path: Path) -> ctypes.CDLL:
    """A compiled library in this process; raises ToolError if it cannot be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"{path} cannot be loaded ({error}); delete it to build it anew") from None
