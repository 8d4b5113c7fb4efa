"""Shared libraries from the sources in ``cuda/``, compiled once per content."""

import ctypes
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from halfbyte.base import ToolError, build_dir, content_key
from halfbyte.formats import Format, bundled
from halfbyte.gpu_ref.abi import FormatTable
from halfbyte.gpu_ref.compilers import Compiler, cuda_compiler, host_compiler
from halfbyte.gpu_ref.tables import SYMBOL, format_header, header_name, tables_source

__all__ = ["SOURCES", "build_cuda", "build_fuzz", "build_host", "format_table"]

SOURCES = Path(__file__).parent / "cuda"
FUZZ = "dfloat11_fuzz.cpp"


def _sources() -> dict[str, str]:
    names = sorted([*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp"), *SOURCES.glob("*.cu")])
    return {path.name: path.read_text() for path in names if path.name != FUZZ}


def _library(compiler: Compiler, main: str, files: Mapping[str, str]) -> Path:
    """``main`` among ``files`` (name: text), compiled; from the cache if it is there."""
    key = content_key([compiler.version, compiler.flags, compiler.target, main, files])
    target = build_dir().resolve() / "gpu_ref" / f"{Path(main).stem}-{key[:24]}.so"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Compiled aside and moved, so that other processes see a whole library or none.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        folder = Path(temporary)
        for name, text in files.items():
            (folder / name).write_text(text)
        compiler.compile([main], folder / target.name, folder)
        (folder / target.name).replace(target)
    return target


def build_host(*, sanitize: bool = False) -> Path:
    """The library of the host build, compiled for this machine's processor."""
    files = {name: text for name, text in _sources().items() if not name.endswith(".cu")}
    return _library(host_compiler(sanitize=sanitize), "host.cpp", files)


def build_cuda() -> Path:
    """The library of the CUDA build: sm_80, sm_90, and PTX for what comes later."""
    files = {name: text for name, text in _sources().items() if name != "host.cpp"}
    return _library(cuda_compiler(), "device.cu", files)


def build_fuzz() -> Path:
    """The driver that feeds damaged data to the DFloat11 decoders, with the sanitizers."""
    files = {name: text for name, text in _sources().items() if name.endswith(".h")}
    files[FUZZ] = (SOURCES / FUZZ).read_text()
    return _library(host_compiler(sanitize=True), FUZZ, files)


def loaded(path: Path) -> ctypes.CDLL:
    """A compiled library in this process; raises ToolError if it cannot be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"{path} cannot be loaded ({error}); delete it to build it anew") from None


@cache
def _tables(formats: tuple[Format, ...]) -> dict[Format, FormatTable]:
    files = {header_name(fmt): format_header(fmt) for fmt in formats}
    files["arithmetic.h"] = (SOURCES / "arithmetic.h").read_text()
    files["formats.cpp"] = tables_source(formats)
    function = getattr(loaded(_library(host_compiler(), "formats.cpp", files)), SYMBOL)
    function.restype = ctypes.POINTER(FormatTable)
    tables: Callable[[], ctypes.Array[FormatTable]] = function
    return {fmt: tables()[index] for index, fmt in enumerate(formats)}


@cache
def format_table(fmt: Format) -> FormatTable:
    """The compiled table of ``fmt``; the shipped formats are compiled together, others alone."""
    shipped = bundled()
    return _tables(shipped if fmt in shipped else (fmt,))[fmt]
