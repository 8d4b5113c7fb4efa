"""The parts of a record, in the order of their value, and what each one measures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from halfbyte.base import JsonObject
from halfbyte.formats import bundled, load
from halfbyte.gpu_ref import cases
from halfbyte.gpu_ref.bench import Sizes, few_rows_records, memory_records, product_records
from halfbyte.gpu_ref.check import check_format
from halfbyte.gpu_ref.dfloat11.bench import benchmark_dfloat11, benchmark_product
from halfbyte.gpu_ref.dfloat11.check import check_dfloat11
from halfbyte.gpu_ref.machine import describe
from halfbyte.gpu_ref.sanitizers import find_compute_sanitizer, run_compute_sanitizer
from halfbyte.gpu_ref.streams import stream_records

__all__ = ["PARTS", "Part"]

Result = JsonObject
# The most important formats come first, so that an interrupted run has at least these.
_FIRST = ("e2m1", "int4", "e2m1_sp", "e2m1_sr", "apot4", "sf4")
_TIMED = "e2m1_sp"


@dataclass(frozen=True)
class Part:
    """One part of a record.

    Parameters
    ----------
    name : str
        A word for the command line and the record.
    title : str
        Title for readers.
    seconds : float
        Time limit; results from before it are kept.
    results : function
        Takes a device; yields JSON-like results one by one.
    """

    name: str
    title: str
    seconds: float
    results: Callable[[torch.device], Iterator[Result]]


def _machine(device: torch.device) -> Iterator[Result]:
    yield describe(device).as_json()


def _check(device: torch.device) -> Iterator[Result]:
    """Every kernel for every shipped format and three random ones, bit for bit."""
    others = [fmt for fmt in bundled() if fmt.name not in _FIRST]
    for fmt in [*map(load, _FIRST), *cases.random_formats(), *others]:
        for comparison in check_format(fmt, device):
            yield comparison.record().as_json()


def _check_dfloat11(device: torch.device) -> Iterator[Result]:
    for comparison in check_dfloat11(device):
        yield comparison.record().as_json()


def _sanitize(device: torch.device) -> Iterator[Result]:
    """compute-sanitizer's tools on small shapes of every kernel."""
    path = find_compute_sanitizer() if device.type == "cuda" else None
    if path is None:
        yield {"tool": "compute-sanitizer", "found": None, "why": "there is no GPU, or no tool"}
        return
    for tool in ("memcheck", "racecheck"):
        run_compute_sanitizer(path, (tool,))
        yield {"tool": tool, "found": 0, "why": None}


def _memory(device: torch.device) -> Iterator[Result]:
    for run in memory_records(load(_TIMED), Sizes.of(device), device):
        yield run.as_json()


def _products(device: torch.device) -> Iterator[Result]:
    """Speed with blocks of 128, 32 (MXFP4) and 16 (NVFP4)."""
    for block in (128, 32, 16):
        for run in product_records(load(_TIMED), Sizes.of(device, block=block), device):
            yield run.as_json()


def _few_rows(device: torch.device) -> Iterator[Result]:
    for block in (128, 32, 16):
        yield from few_rows_records(load(_TIMED), Sizes.of(device, block=block), device)


def _streams(device: torch.device) -> Iterator[Result]:
    yield from stream_records(load(_TIMED), device)


def _dfloat11(device: torch.device) -> Iterator[Result]:
    for timing in (*benchmark_dfloat11(device), *benchmark_product(device)):
        yield timing.as_json()


PARTS = (
    Part("machine", "Build for the device at hand", 180, _machine),
    Part("check", "Every kernel against the golden model", 150, _check),
    Part("check_dfloat11", "DFloat11 decoders against the golden codec", 40, _check_dfloat11),
    Part("products", "Block-scaled products beside torch.matmul", 80, _products),
    Part("few_rows", "Products of few rows from packed weights", 60, _few_rows),
    Part("memory", "Quantizing and dequantizing beside a copy", 30, _memory),
    Part("dfloat11", "DFloat11 decoding beside a copy and the package's kernel", 60, _dfloat11),
    Part("streams", "MAC streams", 20, _streams),
    Part("sanitize", "compute-sanitizer on small shapes", 180, _sanitize),
)
"""In this order; correctness takes about four minutes on an H100's machine, and speed takes as
long."""
