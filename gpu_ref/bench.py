"""Measures the throughput of quantizers, GEMM kernels and PyTorch's kernels, on one device."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from halfbyte.base import JsonObject, ToolError, UserError
from halfbyte.formats import Format
from halfbyte.golden.quantizer import DEFAULT_BLOCK
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.machine import describe
from halfbyte.gpu_ref.multiply import (
    EMULATED,
    alternatives,
    applicable_kernels,
    expand,
    matmul,
    rows_call,
)
from halfbyte.gpu_ref.packed import Packed
from halfbyte.gpu_ref.quantizer import quantize
from halfbyte.gpu_ref.records import MemoryRun, MemoryTiming, ProductRun, ProductTiming, Timing

__all__ = [
    "BLOCKS",
    "Sizes",
    "benchmark",
    "few_rows_records",
    "in_turn",
    "memory_records",
    "product_records",
    "sweep",
    "sweep_records",
    "timed_kernels",
]

BLOCKS = (DEFAULT_BLOCK, 32, 16)
"""Block sizes to time; the last two are those of MXFP4 and NVFP4."""


@dataclass(frozen=True)
class Sizes:
    """The sizes to time: a GEMM of m x n x k, and a tensor of rows x length to quantize.

    Every kernel is timed ``repeats`` times, except ``plain``, which is slow and timed once.
    ``block`` elements share a scale.
    """

    m: int
    n: int
    k: int
    rows: int
    length: int
    repeats: int
    block: int = DEFAULT_BLOCK

    @classmethod
    def of(cls, device: torch.device, *, block: int = DEFAULT_BLOCK) -> "Sizes":
        """Sizes that are large enough to fill the device."""
        if device.type == "cuda":
            return cls(8192, 8192, 8192, rows=16384, length=16384, repeats=9, block=block)
        return cls(1024, 4096, 4096, rows=2048, length=8192, repeats=7, block=block)


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _seconds(function: Callable[[], object], device: torch.device) -> float:
    """The seconds that one call takes; on a GPU, the time between CUDA events around the call."""
    if device.type != "cuda":
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin
    start, end = (_event() for _ in range(2))
    start.record()
    function()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1000


def in_turn(
    functions: dict[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of each function.

    The functions take turns, so that a disturbance of the machine affects all of them.
    """
    for function in functions.values():
        function()  # fills caches, starts threads, loads kernels
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(_seconds(function, device))
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def _random(rows: int, length: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(rows, length, generator=generator, device=device).to(dtype)


def memory_records(fmt: Format, sizes: Sizes, device: torch.device) -> Iterator[MemoryRun]:
    """Time quantizing and copying (FP32 and BF16) and dequantizing (FP32); yield their records."""
    for dtype in (torch.float32, torch.bfloat16):
        x = _random(sizes.rows, sizes.length, device, dtype)
        target, packed = torch.empty_like(x), quantize(x, fmt, block=sizes.block)
        functions: dict[str, Callable[[], object]] = {
            "copy": partial(target.copy_, x),
            "quantize": partial(quantize, x, fmt, block=sizes.block),
        }
        small = packed.codes.nbytes + packed.scales.nbytes
        moved = {"copy": 2 * x.nbytes, "quantize": x.nbytes + small}
        if dtype == torch.float32:  # the type of dequantize's result
            functions["dequantize"] = packed.dequantize
            moved["dequantize"] = x.nbytes + small
        seconds = in_turn(functions, sizes.repeats, device)
        copied = moved["copy"] / seconds["copy"]
        for name, taken in seconds.items():
            yield MemoryRun(
                kernel=name,
                shape=(sizes.rows, sizes.length),
                type=str(dtype).removeprefix("torch."),
                seconds=taken,
                gigabytes_per_second=moved[name] / taken / 1e9,
                share_of_copy=moved[name] / taken / copied,
                format=fmt.name,
                block=sizes.block,
                repeats=sizes.repeats,
            )


def product_records(
    fmt: Format, sizes: Sizes, device: torch.device, kernels: Sequence[str] | None = None
) -> Iterator[ProductRun]:
    """Time the GEMM kernels of :func:`timed_kernels`, or only ``kernels``, and also torch.matmul.

    torch.matmul multiplies BF16 on a GPU and FP32 on a CPU. Raises ToolError if the result of a
    kernel differs from that of ``plain``. The first 300 rows of each operand are compared.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, w = (_random(rows, sizes.k, device, dtype) for rows in (sizes.m, sizes.n))
    operands = [quantize(x, fmt, block=sizes.block) for x in (a, w)]
    if kernels is None:
        kernels = timed_kernels(fmt, sizes, device)
    _check_agreement(operands, kernels)
    functions: dict[str, Callable[[], object]] = {"torch.matmul": partial(torch.matmul, a, w.T)}
    for kernel in kernels:
        functions[kernel] = partial(matmul, *operands, kernel=kernel)
    slow = {name: functions.pop(name) for name in ("plain",) if name in functions}
    seconds = in_turn(functions, sizes.repeats, device)
    seconds |= in_turn(slow, 1, device)
    for name, taken in seconds.items():
        yield ProductRun(
            kernel=name if name == "torch.matmul" else f"gemm {name}",
            shape=(sizes.m, sizes.n, sizes.k),
            type=str(dtype).removeprefix("torch.") if name == "torch.matmul" else fmt.name,
            seconds=taken,
            tera_operations_per_second=2 * sizes.m * sizes.n * sizes.k / taken / 1e12,
            share_of_torch=seconds["torch.matmul"] / taken,
            times_plain=seconds["plain"] / taken if "plain" in seconds else None,
            format=fmt.name,
            block=sizes.block,
            repeats=1 if name in slow else sizes.repeats,
        )


def few_rows_records(
    fmt: Format, sizes: Sizes, device: torch.device, *, calls: int = 20
) -> Iterator[JsonObject]:
    """Time the kernel ``rows`` and torch.matmul for 1, 4 and 16 rows of activations.

    Text generation needs such products. ``seconds`` is the time of one call. Each measurement is
    the mean over ``calls`` calls, and the result is the median of the measurements. Quantizing the
    activations is not timed. The bytes per second count only the weights, in the form in which the
    kernel reads them.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    w = _random(sizes.n, sizes.k, device, dtype)
    packed = quantize(w, fmt, block=sizes.block)
    for rows in (1, 4, 16):
        x = _random(rows, sizes.k, device, dtype)
        functions: dict[str, Callable[[], object]] = {
            "torch.matmul": partial(_repeat, partial(torch.matmul, x, w.T), calls),
            "gemm rows": partial(_repeat, _rows_kernel(x, packed), calls),
        }
        seconds = in_turn(functions, sizes.repeats, device)
        read = {"torch.matmul": w.nbytes, "gemm rows": packed.codes.nbytes + packed.scales.nbytes}
        for name, taken in seconds.items():
            yield {
                "kernel": name,
                "shape": [rows, sizes.n, sizes.k],
                "type": fmt.name if name == "gemm rows" else str(dtype).removeprefix("torch."),
                "seconds": taken / calls,
                "gigabytes_per_second": read[name] / (taken / calls) / 1e9,
                "share_of_torch": seconds["torch.matmul"] / taken,
                "block": sizes.block,
            }


def _repeat(function: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        function()


def _rows_kernel(x: Tensor, w: Packed) -> Callable[[], object]:
    """A function that calls the kernel ``rows``, on activations that are decoded beforehand.

    Raises ToolError if its result differs from that of the kernel ``plain``.
    """
    library, a = library_for(x.device), quantize(x, w.format, block=w.block)
    wide, (operand, keep) = expand(library, a, len(x)), w.operand()
    y = torch.empty(len(x), w.shape[0], device=x.device)
    overflows = torch.zeros(1, dtype=torch.int64, device=x.device)
    call, table = rows_call(wide, operand, w.shape[0], y, overflows), format_table(w.format)

    # The default argument keeps the tensors in memory for as long as the function exists.
    def run(kept: object = (wide, keep, y, overflows)) -> None:
        library.call("hb_gemm_rows", x.device, table, call)

    run()
    if not torch.equal(y, matmul(a, w, kernel="plain")):
        raise ToolError("Kernel rows differs from kernel plain, so it was not timed")
    return run


def timed_kernels(fmt: Format, sizes: Sizes, device: torch.device) -> list[str]:
    """The GEMM kernels to time.

    On a CPU, ``plain`` and the emulated kernels are left out: they would take minutes.
    """
    kind = library_for(device).kind
    skipped = () if kind == "cuda" else (*EMULATED, "plain")
    return [
        kernel
        for kernel in applicable_kernels(kind, fmt, fmt, min(sizes.block, sizes.k))
        if kernel not in skipped
    ]


def _check_agreement(operands: list[Packed], kernels: Sequence[str]) -> None:
    """Raise ToolError if a kernel differs from ``plain`` for the first 300 rows of each operand."""
    corner = [
        Packed(x.codes[:300], x.scales[:300], x.format, x.length, x.block, trusted=True)
        for x in operands
    ]
    expected = matmul(*corner, kernel="plain")
    for kernel in kernels:
        if not torch.equal(matmul(*corner, kernel=kernel), expected):
            raise ToolError(f"Kernel {kernel} differs from kernel plain, so no product was timed")


def benchmark(fmt: Format, device: torch.device, sizes: Sizes | None = None) -> list[Timing]:
    """Time quantizers, GEMM kernels and PyTorch's kernels on ``device``; return a record for each.

    Raises ToolError if a kernel's result differs from that of the kernel ``plain``.
    """
    chosen = sizes or Sizes.of(device)
    where = vars(describe(device))
    memory, products = memory_records(fmt, chosen, device), product_records(fmt, chosen, device)
    return [
        *(MemoryTiming(**vars(run), **where) for run in memory),
        *(ProductTiming(**vars(run), **where) for run in products),
    ]


def sweep_records(
    fmt: Format, device: torch.device, sizes: Sizes | None = None
) -> Iterator[ProductRun]:
    """Time torch.matmul and the tensor-core kernel, with each size of tile that ``device`` can run.

    This is done for every block size in :data:`BLOCKS`. A tile is the part of the result that one
    thread block computes. A CPU only emulates these kernels: there, ``sizes`` must be given, or
    UserError is raised. Raises ToolError if a kernel's result differs from that of the kernel
    ``plain``.
    """
    if device.type != "cuda" and sizes is None:
        raise UserError(
            "Tiles can only be timed on a GPU: the host build only emulates the kernels"
        )
    for block in BLOCKS:
        chosen = replace(sizes or Sizes.of(device), block=block)
        yield from product_records(fmt, chosen, device, ("mma", *alternatives(device)))


def sweep(fmt: Format, device: torch.device) -> list[Timing]:
    """The records of :func:`sweep_records`, each with a description of the machine."""
    where = vars(describe(device))
    return [ProductTiming(**vars(run), **where) for run in sweep_records(fmt, device)]
