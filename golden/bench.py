"""Time the golden model's GEMM and an FP32 ``torch.matmul`` of the same size."""

import statistics
import time
from collections.abc import Callable

import torch

from halfbyte.base import versions_of
from halfbyte.formats import Format
from halfbyte.golden.matmul import exact_arithmetic, gemm
from halfbyte.golden.quantizer import DEFAULT_BLOCK, quantize
from halfbyte.golden.records import GemmBenchRecord

__all__ = ["benchmark_gemm"]


def _seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def benchmark_gemm(
    weight: Format,
    activation: Format,
    *,
    m: int = 1024,
    n: int = 4096,
    k: int = 4096,
    block: int = DEFAULT_BLOCK,
    repeats: int = 7,
    seed: int = 0,
) -> GemmBenchRecord:
    """Time :func:`gemm` and ``torch.matmul`` on the same random matrices, on the CPU.

    The matrices are (m, k) and (n, k). The two functions multiply them in turns, ``repeats`` times
    each, and the record has the median times. :func:`gemm` starts from codes and scales, so its
    time excludes quantization. On a busy machine, set ``OMP_WAIT_POLICY=passive``
    before Python starts. Otherwise waiting threads spin, which slows down the many short operations
    of the golden GEMM far more than the one long operation of ``torch.matmul``.
    """
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(m, k, generator=generator)
    w = torch.randn(n, k, generator=generator)
    a_quantized, w_quantized = (
        quantize(a, activation, block=block),
        quantize(w, weight, block=block),
    )

    def ours() -> object:
        return gemm(a_quantized, w_quantized)

    def plain() -> object:
        return torch.matmul(a, w.T)

    ours(), plain()  # the first calls fill caches and start threads
    pairs = [(_seconds(ours), _seconds(plain)) for _ in range(repeats)]
    seconds, matmul_seconds = (statistics.median(times) for times in zip(*pairs, strict=True))
    return GemmBenchRecord(
        benchmark="golden_gemm",
        format=weight.name,
        activation=activation.name,
        m=m,
        n=n,
        k=k,
        block=block,
        arithmetic=exact_arithmetic(activation, weight, block).name.lower(),
        seconds=seconds,
        torch_matmul_seconds=matmul_seconds,
        ratio=seconds / matmul_seconds,
        repeats=repeats,
        threads=torch.get_num_threads(),
        versions=versions_of("torch"),
    )
