"""Compiles the codec's loops in C++ for this machine on first use, and loads them.

:func:`library` returns the loops, or None if they cannot be compiled. Then loops in numba, such as
those of :mod:`halfbyte.golden.dfloat11.kernels`, do the same work, except that no matrix is
multiplied while it is decoded. ``HALFBYTE_CODEC=numba`` selects numba's loops.
``HALFBYTE_CODEC=sanitized`` adds the address and undefined-behaviour sanitizers, whose runtime must
be loaded before Python (``LD_PRELOAD``).
"""

import os
from ctypes import c_int, c_int64, c_uint32, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from halfbyte.base import ToolError
from halfbyte.base.compilers import host_compiler
from halfbyte.base.libraries import compiled_library, loaded

__all__ = ["VARIABLE", "address", "engine", "library"]

VARIABLE = "HALFBYTE_CODEC"
_MAIN = "codec.cpp"

_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "hb_crc32c": (c_void_p, c_int64),
    "hb_sha256_add": (c_void_p, c_void_p, c_void_p, c_int64),
    "hb_sha256_digest": (c_void_p, c_void_p),
    "hb_count": (c_void_p, c_int, c_int64, c_int64, c_void_p),
    "hb_count_and_digest": (c_void_p, c_int, c_int64, *[c_void_p] * 3),
    "hb_prefix_measure": (c_void_p, c_int, c_void_p, *[c_int64] * 3, c_void_p),
    "hb_prefix_encode": (c_void_p, c_int, c_void_p, *[c_int64] * 3, *[c_void_p] * 5),
    "hb_prefix_table": (c_void_p, c_int, c_void_p),
    "hb_prefix_decode": (
        *(c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_int),
        *(c_void_p, c_int64, c_void_p, c_void_p, c_int64, c_int64, c_int, c_int64),
        *(c_void_p, c_void_p),
    ),
    "hb_joint_count": (c_void_p, *[c_int] * 3, *[c_int64] * 3, c_void_p, c_void_p),
    "hb_joint_encode": (*[c_void_p] * 3, c_int64, c_int64, *[c_void_p] * 3),
    "hb_joint_raw": (c_void_p, c_void_p, c_int64, c_int64),
    "hb_joint_product": (c_void_p, c_int64, c_int64, c_void_p, *[c_int64] * 3, c_void_p),
    "hb_joint_decode": (c_void_p, c_int64, c_int64, c_int, c_void_p, c_void_p),
}


def address(array: NDArray[Any]) -> int:
    """The address of an array's memory, for a call; the array must outlive the call."""
    found: int = array.__array_interface__["data"][0]  # array.ctypes takes five times as long
    return found


def _cache_folder() -> Path:
    """``codec`` in ``$HALFBYTE_BUILD`` if that is set, else in the user's cache of halfbyte."""
    build = os.environ.get("HALFBYTE_BUILD")
    if build:
        return Path(build).resolve() / "codec"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "halfbyte" / "codec"


def build(*, sanitize: bool = False) -> Path:
    """Compile the loops unless that was done before, and return the library's file.

    Raises ToolError without a compiler that knows C++17.
    """
    folder = Path(__file__).parent
    files = {path.name: path.read_text() for path in sorted(folder.glob("*.[ch]*"))}
    return compiled_library(host_compiler(sanitize=sanitize), _MAIN, files, _cache_folder())


@cache
def _library(sanitize: bool = False) -> Any:
    try:
        handle = loaded(build(sanitize=sanitize))
    except (ToolError, OSError):  # without a compiler or a writable folder
        return None
    for name, types in _PROTOTYPES.items():
        getattr(handle, name).argtypes = types
    handle.hb_crc32c.restype = c_uint32
    return handle


def library() -> Any:
    """The compiled loops (:class:`ctypes.CDLL`), or None. Calls run without the interpreter's lock.

    None means that numba's loops were chosen, or that there is no compiler or no writable folder.
    Raises ValueError if the environment asks for loops that do not exist.
    """
    wanted = os.environ.get(VARIABLE, "native")
    if wanted not in ("native", "sanitized", "numba"):
        raise ValueError(f"{VARIABLE} must be native, sanitized or numba, not {wanted[:40]!r}")
    return _library(wanted == "sanitized") if wanted != "numba" else None


def engine() -> str:
    """Which loops run: ``native`` or ``numba``."""
    return "numba" if library() is None else "native"
