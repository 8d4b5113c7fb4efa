"""The records of the golden model's benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record

__all__ = ["CodecBenchRecord", "GemmBenchRecord"]


@dataclass(frozen=True, kw_only=True)
class GemmBenchRecord(Record):
    """Times of the exact block-scaled matrix product and of torch.matmul."""

    benchmark: str
    """``golden_gemm``."""
    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    m: int
    """Number of rows of activations."""
    n: int
    """Number of rows of weights."""
    k: int
    """Number of products in each sum."""
    block: int
    """Number of elements that share a scale."""
    arithmetic: str
    """Type in which the dot products of blocks are computed: float32, float64 or int64."""
    seconds: float
    """Median time of the exact product, in s."""
    torch_matmul_seconds: float
    """Median time of torch.matmul in FP32, in s."""
    ratio: float
    """Time of the exact product divided by that of torch.matmul."""
    repeats: int
    """Number of timed runs of each product."""
    threads: int
    """Number of threads that PyTorch used."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class CodecBenchRecord(Record):
    """Time of one job of the DFloat11 benchmarks."""

    benchmark: str
    """``dfloat11``."""
    what: str
    """The job, such as ``copy``, or ``joint, encode``, which compresses to the layout ``joint``."""
    elements: int
    """Number of weights."""
    seconds: float
    """Median time, in s."""
    core_seconds: float
    """Median of the time that all cores together spent, in s."""
    weights_per_second: float
    """Weights per second."""
    bits_per_weight: float
    """Bits of the stored form per weight."""
    repeats: int
    """Number of timed runs."""
    cores: int
    """Number of cores that the process may use."""
    engine: str
    """What runs the inner loops: ``native`` (C++) or ``numba``."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""
