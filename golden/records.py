"""The records of the golden model's benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record

__all__ = ["CodecBenchRecord", "GemmBenchRecord"]


@dataclass(frozen=True, kw_only=True)
class GemmBenchRecord(Record):
    """Time of the exact block-scaled product beside that of torch.matmul."""

    benchmark: str
    """``golden_gemm``."""
    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    m: int
    """Rows of activations."""
    n: int
    """Rows of weights."""
    k: int
    """Length of the sums."""
    block: int
    """Elements that share a scale."""
    arithmetic: str
    """Type in which the dot products of blocks are computed: float32, float64 or int64."""
    seconds: float
    """Median time of the exact product, in s."""
    torch_matmul_seconds: float
    """Median time of torch.matmul in FP32, in s."""
    ratio: float
    """Time of the exact product divided by that of torch.matmul."""
    repeats: int
    """Runs of each side."""
    threads: int
    """Threads of PyTorch."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class CodecBenchRecord(Record):
    """Time of the DFloat11 codec in one direction and layout."""

    benchmark: str
    """``dfloat11``."""
    what: str
    """Layout and direction of the run."""
    elements: int
    """Weights."""
    seconds: float
    """Median time, in s."""
    core_seconds: float
    """Median time of all cores together, in s."""
    weights_per_second: float
    """Weights per second."""
    bits_per_weight: float
    """Bits of the compressed form per weight."""
    repeats: int
    """Runs."""
    cores: int
    """Cores of the machine."""
    engine: str
    """What runs the loops: ``native`` or ``numba``."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""
