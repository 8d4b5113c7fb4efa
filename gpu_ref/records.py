"""Defines the records of checks and benchmarks of the kernels, and of the machine.

The golden model, with which kernels are compared, is :mod:`halfbyte.golden`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record

__all__ = [
    "CheckRecord",
    "CodecTiming",
    "ComparisonRecord",
    "MachineRecord",
    "MemoryRun",
    "MemoryTiming",
    "ProductRun",
    "ProductTiming",
    "Timing",
    "TripleRecord",
]


@dataclass(frozen=True, kw_only=True)
class MachineRecord(Record):
    """The machine, and the build of the kernels that ran on it."""

    build: str
    """``cuda`` for the build that runs on a GPU, ``host`` for the one that runs on the CPU."""
    device: str
    """Name of the GPU, or of the processor."""
    compute_capability: str | None
    """Compute capability of the GPU; null for the host build."""
    driver: str | None
    """Version of the GPU's driver; null if unknown, or for the host build."""
    simd: str | None
    """Vector instructions of the host build; null for the CUDA build."""
    threads: int | None
    """Threads of the host build; null for the CUDA build."""
    compiler: str
    """The compiler and its version."""
    flags: tuple[str, ...]
    """The compiler's flags."""
    versions: Mapping[str, str | None]
    """Versions of the libraries; null for a library that is missing."""
    system: str
    """Name and version of the operating system."""
    date: str
    """Date and time, in UTC."""


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord(Record):
    """A kernel compared with the golden model."""

    kernel: str
    """Name of the kernel, with ``emulated`` if the CPU ran the GPU's threads one after another."""
    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    compared: int
    """Numbers that were compared."""
    different: int
    """Numbers whose bits differ."""
    first: str
    """The first difference; empty if there is none."""


@dataclass(frozen=True, kw_only=True)
class CheckRecord(MachineRecord):
    """All kernels compared with the golden model."""

    cuda_build: str
    """The compiler of the CUDA build, or why the build was not compiled."""
    sanitizers: str | None
    """The sanitizers that found nothing, or why none ran; null if they were not asked for."""
    formats: tuple[str, ...]
    """Formats that were compared."""
    compared: int
    """Numbers that were compared."""
    different: int
    """Numbers whose bits differ."""
    kernels: tuple[ComparisonRecord, ...]
    """Comparisons of each kernel, over all formats."""
    comparisons: tuple[ComparisonRecord, ...]
    """Comparisons of each kernel with each format."""


@dataclass(frozen=True, kw_only=True)
class _Run(Record):
    """The fields that every timing begins with."""

    kernel: str
    """Name of the kernel."""
    shape: tuple[int, ...]
    """Shape of the tensor, or m, n and k of a product (m, k) by (n, k)."""
    type: str
    """Type of the elements."""
    seconds: float
    """Median time of a run, in s."""


@dataclass(frozen=True, kw_only=True)
class MemoryRun(_Run):
    """Time of a kernel that quantizes, dequantizes or copies."""

    gigabytes_per_second: float
    """Bytes read and written per second, in 10^9."""
    share_of_copy: float
    """Speed relative to a copy."""
    format: str
    """Name of the format."""
    block: int
    """Elements that share a scale."""
    repeats: int
    """Number of runs; ``seconds`` is their median."""


@dataclass(frozen=True, kw_only=True)
class ProductRun(_Run):
    """Time of a matrix product."""

    tera_operations_per_second: float
    """Multiplications and additions per second, in 10^12."""
    share_of_torch: float
    """Speed relative to torch.matmul."""
    times_plain: float | None
    """Speed relative to the plain kernel; null if the plain kernel did not run."""
    format: str
    """Name of the format."""
    block: int
    """Elements that share a scale."""
    repeats: int
    """Number of runs; ``seconds`` is their median."""


@dataclass(frozen=True, kw_only=True)
class _Codec(_Run):
    """Time of a decoder of DFloat11, a lossless compression of weights, or of a product."""

    gigabytes_per_second: float
    """Bytes read and written per second, in 10^9; for a product, only the weights' bytes."""
    weights_gigabytes_per_second: float
    """Bytes of uncompressed BF16 weights per second, in 10^9."""
    share_of_copy: float
    """Bytes per second relative to a copy of the weights."""
    repeats: int
    """Number of runs; ``seconds`` is their median."""


@dataclass(frozen=True, kw_only=True)
class MemoryTiming(MachineRecord, MemoryRun):
    """Time of a kernel that quantizes, dequantizes or copies, on a machine."""


@dataclass(frozen=True, kw_only=True)
class ProductTiming(MachineRecord, ProductRun):
    """Time of a matrix product on a machine."""


@dataclass(frozen=True, kw_only=True)
class CodecTiming(MachineRecord, _Codec):
    """Time of a DFloat11 decoder or product on a machine."""


@dataclass(frozen=True, kw_only=True)
class _Triple(Record):
    """A MAC that was computed three times: by its RTL, by the golden model and by the kernels."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    architecture: str
    """Architecture of the multiplier."""
    terms: int
    """How many products the lossless accumulator can add without overflow."""
    acc_width: int
    """Width of the lossless accumulator, in bits."""
    seed: int
    """Seed of the random stimulus."""
    cycles: int
    """Clock cycles of all test scenarios together."""
    compared: int
    """Values of accumulators that were compared, one for each accumulator and cycle."""
    different: int
    """Values of accumulators that differ."""
    simulator: Mapping[str, str | None]
    """The simulator, and versions of the tools."""


@dataclass(frozen=True, kw_only=True)
class TripleRecord(MachineRecord, _Triple):
    """RTL, golden model and kernels of a MAC, compared on the same inputs."""


Timing = MemoryTiming | ProductTiming | CodecTiming
