"""Defines parts of ``make gpu-record``: checks and timings of formats and dot-product units."""

import torch

from halfbyte.formats import Format, bundled, load
from halfbyte.gpu_ref import cases
from halfbyte.gpu_ref.bench import (
    BLOCKS,
    Sizes,
    few_rows_records,
    memory_records,
    product_records,
    sweep_records,
    timed_kernels,
)
from halfbyte.gpu_ref.check import check_format, check_tiles
from halfbyte.gpu_ref.library import tile_library
from halfbyte.gpu_ref.machine import describe
from halfbyte.gpu_ref.record.part import Part, Results, Value
from halfbyte.gpu_ref.sanitizers import find_compute_sanitizer, run_compute_sanitizer
from halfbyte.gpu_ref.streams import stream_records
from halfbyte.gpu_ref.unit_check import check_units

__all__ = ["PARTS"]

# The most important formats come first, so that an interrupted run has at least these.
_FIRST = ("e2m1", "int4", "e2m1_sp", "e2m1_sr", "apot4", "sf4")
_TIMED = "e2m1_sp"


def _formats() -> list[Format]:
    """Every shipped format and three random ones."""
    others = [fmt for fmt in bundled() if fmt.name not in _FIRST]
    return [*map(load, _FIRST), *cases.random_formats(), *others]


def _machine(device: torch.device) -> Results:
    yield describe(device).as_json()
    if device.type == "cuda":
        tile_library("cuda")  # compiled here, so that later parts find it


def _check(device: torch.device) -> Results:
    for fmt in _formats():
        for comparison in check_format(fmt, device):
            yield comparison.record().as_json()


def _check_units(device: torch.device) -> Results:
    for fmt in _formats():
        for comparison in check_units(fmt, device):
            yield comparison.record().as_json()


def _sanitize(device: torch.device) -> Results:
    """Run every kernel on small shapes under two tools of compute-sanitizer."""
    path = find_compute_sanitizer() if device.type == "cuda" else None
    if path is None:
        yield {"tool": "compute-sanitizer", "found": None, "why": "no GPU or no compute-sanitizer"}
        return
    for tool in ("memcheck", "racecheck"):
        run_compute_sanitizer(path, (tool,))
        yield {"tool": tool, "found": 0, "why": None}


def _memory(device: torch.device) -> Results:
    for run in memory_records(load(_TIMED), Sizes.of(device), device):
        yield run.as_json()


def _products(device: torch.device) -> Results:
    """Time the GEMM kernels except ``plain``, which would take most of the time."""
    fmt = load(_TIMED)
    for block in BLOCKS:
        sizes = Sizes.of(device, block=block)
        kernels = [name for name in timed_kernels(fmt, sizes, device) if name != "plain"]
        for run in product_records(fmt, sizes, device, kernels):
            yield run.as_json()


def _few_rows(device: torch.device) -> Results:
    for block in BLOCKS:
        yield from few_rows_records(load(_TIMED), Sizes.of(device, block=block), device)


def _streams(device: torch.device) -> Results:
    yield from stream_records(load(_TIMED), device)


def _check_tiles(device: torch.device) -> Results:
    """Check the tensor-core kernels with other tiles, on a GPU; pytest checks them on a CPU."""
    if device.type == "cuda":
        for fmt in _formats():
            for comparison in check_tiles(fmt, device):
                yield comparison.record().as_json()


def _sweep(device: torch.device) -> Results:
    """Time the tensor-core kernel with each size of tile; not on a CPU, which only emulates it."""
    if device.type == "cuda":
        for run in sweep_records(load(_TIMED), device):
            yield run.as_json()


PARTS = (
    Part("machine", "Compile the kernels for this machine", Value.MACHINE, 120, _machine),
    Part("check", "Compare the kernels with the golden model", Value.CORRECTNESS, 90, _check),
    Part(
        "check_units",
        "Compare the dot-product units with the golden model",
        Value.CORRECTNESS,
        30,
        _check_units,
    ),
    Part("sanitize", "Run small shapes under compute-sanitizer", Value.SAFETY, 80, _sanitize),
    Part("products", "Time block-scaled products and torch.matmul", Value.SPEED, 60, _products),
    Part("few_rows", "Time products of few rows with packed weights", Value.SPEED, 25, _few_rows),
    Part("memory", "Time quantizing, dequantizing and a copy", Value.SPEED, 20, _memory),
    Part("streams", "Time MAC units", Value.SPEED, 15, _streams),
    Part(
        "check_tiles",
        "Compare tensor-core kernels in other tiles with the golden model",
        Value.CHOICE,
        20,
        _check_tiles,
    ),
    Part("sweep", "Time tensor-core products in tiles of several sizes", Value.CHOICE, 30, _sweep),
)
