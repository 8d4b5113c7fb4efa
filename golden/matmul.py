"""Multiply block-scaled matrices bit-exactly, by one matrix multiplication per block.

All values of a format are integers times one number, its *quantum*. In units of the quanta, the dot
product of a block is an integer. A float matrix multiplication computes it exactly if the
significand holds every partial sum, in whatever order the products are added. This is so if
``max|w| * max|a| * block``, for the integers w and a, is at most ``2^24`` for float32, or ``2^53``
for float64. Then blocking, vectors, fused multiply-add and threads cannot change a bit of the
result. float32 is used only if the integers also fit in bfloat16 (:data:`MAX_BFLOAT16_INTEGER`).
If float64 does not suffice either, int64 is used.

The scales are applied in FP32 with separate multiplications and additions. ``addcmul`` and
``addmm`` are avoided because they may fuse a multiplication with an addition.
"""

import enum
from collections.abc import Iterator

import torch
from torch import Tensor

from halfbyte.formats import Format
from halfbyte.golden.checks import check_subnormals
from halfbyte.golden.codec import integer_table
from halfbyte.golden.quantizer import Quantized

__all__ = ["Arithmetic", "exact_arithmetic", "gemm"]

# Size of a tile of the result. Its float32 buffers of 4 MiB each stay in the cache between blocks.
# Smaller tiles are a little faster on an idle machine, but much slower on a busy machine, since
# threads wait for each other at the end of every operation.
TILE_ROWS, TILE_COLUMNS = 1024, 1024
# float32 products of integers up to 256 stay exact even if PyTorch is set to multiply in bfloat16
# (``torch.set_float32_matmul_precision("medium")``), which has 8 significant bits.
MAX_BFLOAT16_INTEGER = 256


class Arithmetic(enum.Enum):
    """The type in which the dot products of blocks are computed, always exactly."""

    FLOAT32 = torch.float32
    FLOAT64 = torch.float64
    INT64 = torch.int64


def exact_arithmetic(activation: Format, weight: Format, block: int) -> Arithmetic:
    """The cheapest type that holds every partial sum of ``block`` products exactly.

    float32 also needs integers of at most :data:`MAX_BFLOAT16_INTEGER`.
    """
    largest = [max(abs(integer) for integer in fmt.integers) for fmt in (activation, weight)]
    bound = largest[0] * largest[1] * block
    if bound <= 2**24 and max(largest) <= MAX_BFLOAT16_INTEGER:
        return Arithmetic.FLOAT32
    return Arithmetic.FLOAT64 if bound <= 2**53 else Arithmetic.INT64


def gemm(a: Quantized, w: Quantized, *, arithmetic: Arithmetic | None = None) -> Tensor:
    """``A W^T`` of two block-quantized matrices; (M, N) float32.

    a: (M, K). w: (N, K), with the same block size.

    Each result starts at +0. For each block b, in ascending order, it becomes
    ``y = fl(y + fl(fl(P_b) * fl(step_a * step_w)))``. P_b is the exact integer dot product of the
    block, a step is a scale times its format's quantum, and ``fl`` rounds to the nearest FP32
    number, ties to even.

    ``arithmetic`` is for tests. By default, :func:`exact_arithmetic` chooses.

    Raises TypeError for operands that are not :class:`Quantized`. Raises ValueError if an
    operand is not a matrix, if K or the block size is not the same in both, or if a result exceeds
    the range of FP32. A block size above K counts as K. Raises UserError if PyTorch flushes
    subnormal numbers to zero.
    """
    _check_operands(a, w)
    check_subnormals(a.codes.device)
    if arithmetic is None:
        arithmetic = exact_arithmetic(a.format, w.format, min(a.block, max(1, a.shape[-1])))
    result = torch.empty(a.shape[0], w.shape[0], dtype=torch.float32, device=a.codes.device)
    a_integers = _integers(a, arithmetic)
    a_steps, w_steps = a.steps.T.contiguous(), w.steps.T.contiguous()  # (blocks, M), (blocks, N)
    for columns in _slices(w.shape[0], TILE_COLUMNS):
        w_integers = _integers(w, arithmetic, columns)
        for rows in _slices(a.shape[0], TILE_ROWS):
            result[rows, columns] = _tile(
                a_integers[rows], w_integers, a_steps[:, rows], w_steps[:, columns], a.block
            )
    # An overflow on the way leaves an infinity or a NaN here.
    if not bool(result.isfinite().all()):
        raise ValueError("The result exceeds the range of FP32; scale the operands down")
    return result


def _check_operands(a: Quantized, w: Quantized) -> None:
    """Raise TypeError or ValueError unless :func:`gemm` can multiply the operands."""
    for operand in (a, w):
        if not isinstance(operand, Quantized):
            raise TypeError(f"gemm needs Quantized operands, not {type(operand).__name__}")
    if len(a.shape) != 2 or len(w.shape) != 2 or a.shape[1] != w.shape[1]:
        raise ValueError(
            f"gemm needs shapes (M, K) and (N, K), not {tuple(a.shape)} and {tuple(w.shape)}"
        )
    # A block size above the row's length means one block per row.
    if min(a.block, a.shape[1]) != min(w.block, w.shape[1]):
        raise ValueError(f"gemm needs equal block sizes, not {a.block} and {w.block}")


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + size, length)) for begin in range(0, length, size))


def _integers(operand: Quantized, arithmetic: Arithmetic, rows: slice = slice(None)) -> Tensor:
    """Values of ``rows`` in units of the quantum; (rows, K) of the arithmetic's type."""
    table = integer_table(operand.format).to(operand.codes.device, arithmetic.value)
    return table[operand.codes[rows].to(torch.int32)]


def _tile(a: Tensor, w: Tensor, a_steps: Tensor, w_steps: Tensor, block: int) -> Tensor:
    """One tile of the result.

    a: (m, K). w: (n, K). a_steps: (blocks, m). w_steps: (blocks, n). Returns (m, n) float32.
    """
    exact = a.new_empty(a.shape[0], w.shape[0])
    total = torch.zeros_like(exact, dtype=torch.float32)
    scale = torch.empty_like(total)
    rounded = exact if exact.dtype == torch.float32 else torch.empty_like(total)
    for b, terms in enumerate(_slices(a.shape[1], block)):
        torch.mm(a[:, terms], w[:, terms].T, out=exact)
        if rounded is not exact:
            rounded.copy_(exact)
        torch.mul(a_steps[b, :, None], w_steps[b, None, :], out=scale)
        total.add_(rounded.mul_(scale))
    return total
