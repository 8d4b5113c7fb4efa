"""Compiles the sources in ``cuda/`` to shared libraries; unchanged sources are not compiled again.

The CUDA build of the kernels runs on GPUs, the host build on CPUs.
"""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from halfbyte.base import build_dir
from halfbyte.base.compilers import Compiler, host_compiler
from halfbyte.base.libraries import compiled_library, loaded
from halfbyte.formats import Format, bundled
from halfbyte.gpu_ref.compilers import cuda_compiler
from halfbyte.gpu_ref.structures import FormatTable
from halfbyte.gpu_ref.tables import SYMBOL, format_header, header_name, tables_source

__all__ = [
    "SOURCES",
    "build_cuda",
    "build_fuzz",
    "build_host",
    "build_tiles",
    "format_table",
]

SOURCES = Path(__file__).parent / "cuda"
FUZZ = "dfloat11_fuzz.cpp"


def _sources() -> dict[str, str]:
    """The text of every source, by file name, without the driver that :func:`build_fuzz` adds."""
    names = sorted([*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp"), *SOURCES.glob("*.cu")])
    return {path.name: path.read_text() for path in names if path.name != FUZZ}


def _library(compiler: Compiler, main: str, files: Mapping[str, str]) -> Path:
    """Compile ``main``, one of ``files`` (text by name); return the path of the library."""
    return compiled_library(compiler, main, files, build_dir().resolve() / "gpu_ref")


def _files(main: str) -> dict[str, str]:
    """The text of all headers and of the source ``main``, by file name."""
    return {name: text for name, text in _sources().items() if name.endswith(".h") or name == main}


def build_host(*, sanitize: bool = False) -> Path:
    """Compile the host build for this machine's processor; return the path of its library."""
    return _library(host_compiler(sanitize=sanitize), "host.cpp", _files("host.cpp"))


def build_cuda() -> Path:
    """Compile the CUDA build; return the path of its library.

    The library runs on the GPUs of this machine. If the machine has none, or has one that nvcc does
    not know, the library runs on all supported GPUs.
    """
    return _library(cuda_compiler(), "device.cu", _files("device.cu"))


def build_tiles(kind: str) -> Path:
    """Compile the tensor-core kernels with other tile sizes; return the path of the library.

    These kernels run only if their name is given. ``gpu-bench --sweep`` times them. ``kind`` is the
    build, ``cuda`` or ``host``.
    """
    if kind == "cuda":
        return _library(cuda_compiler(), "device_tiles.cu", _files("device_tiles.cu"))
    return _library(host_compiler(), "host_tiles.cpp", _files("host_tiles.cpp"))


def build_fuzz() -> Path:
    """Compile the driver that feeds damaged data to the DFloat11 decoders, with the sanitizers.

    Returns the path of its library.
    """
    files = {name: text for name, text in _sources().items() if name.endswith(".h")}
    files[FUZZ] = (SOURCES / FUZZ).read_text()
    return _library(host_compiler(sanitize=True), FUZZ, files)


@cache
def _tables(formats: tuple[Format, ...]) -> dict[Format, FormatTable]:
    """Compile the tables of ``formats`` to one library, and load them."""
    files = {header_name(fmt): format_header(fmt) for fmt in formats}
    files["arithmetic.h"] = (SOURCES / "arithmetic.h").read_text()
    files["formats.cpp"] = tables_source(formats)
    function = getattr(loaded(_library(host_compiler(), "formats.cpp", files)), SYMBOL)
    function.restype = ctypes.POINTER(FormatTable)
    tables: Callable[[], ctypes.Array[FormatTable]] = function
    return {fmt: tables()[index] for index, fmt in enumerate(formats)}


@cache
def format_table(fmt: Format) -> FormatTable:
    """The compiled table of ``fmt``; the shipped formats share a library, any other has its own."""
    shipped = bundled()
    return _tables(shipped if fmt in shipped else (fmt,))[fmt]
