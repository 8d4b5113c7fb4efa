"""Compute matrix products as dot-product units do: each result is the accumulator of a unit.

A *block* is a run of neighbouring elements of a row. In each cycle a unit multiplies a block from
a row of one matrix by a block from a row of the other, and adds the products. The blocks come in
ascending order; the last may be shorter. All values of a format are integers times one number, its
*quantum*. If both quanta are powers of two, the FP32 results equal the block-scaled GEMM of
:mod:`halfbyte.golden.matmul` wherever the scaled sum of every block is exact in FP32. Elsewhere
they may differ, since the unit rounds only once per block.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from halfbyte.formats import Format, Overflow, ScaleCode, check_acc_width
from halfbyte.golden.checks import check_codes, check_subnormals
from halfbyte.golden.codec import decode_integers
from halfbyte.golden.dot_unit import (
    add_rounded_once,
    block_values,
    check_block_bits,
    exact_terms,
)
from halfbyte.golden.mac import wrapped
from halfbyte.golden.matmul import exact_arithmetic

__all__ = ["block_sums", "check_products", "exact_gemm", "integer_gemm", "unit_gemm"]


def check_products(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor | None,
    w_scales: Tensor | None,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode | None,
    block: int,
) -> tuple[int, int, int]:
    """Check the operands of :func:`unit_gemm`; return M, N and the number of blocks along K.

    Raises ValueError for shapes that do not fit each other, for codes out of range, and for a block
    below 1. Raises TypeError if codes or scales are not uint8, or scales are missing or not
    expected.
    """
    for codes, fmt in ((a_codes, activation), (w_codes, weight)):
        if check_codes(codes, fmt).ndim != 2:
            raise ValueError(f"A product needs (M, K) and (N, K) codes, not {tuple(codes.shape)}")
    if block < 1:
        raise ValueError(f"A block must have at least 1 product, not {block}")
    (rows, length), (columns, other) = a_codes.shape, w_codes.shape
    blocks = -(-length // block)
    scales = [each for each in (a_scales, w_scales) if each is not None]
    if len(scales) != (2 if scale else 0):
        needed = "with a scale format needs 2" if scale else "without a scale format needs 0"
        raise TypeError(f"A product {needed} tensors of scale codes, not {len(scales)}")
    if any(each.dtype != torch.uint8 for each in scales):
        came = " and ".join(str(each.dtype) for each in scales)
        raise TypeError(f"Codes of scales must be uint8 tensors, not {came}")
    wanted = [(rows, blocks), (columns, blocks)] if scale else []
    seen = [tuple(each.shape) for each in scales]
    if length != other or seen != wanted:
        shapes = [tuple(a_codes.shape), tuple(w_codes.shape), *seen]
        raise ValueError(
            f"A product needs codes of shapes (M, K) and (N, K)"
            f"{f', with a scale for each block of {block} codes' if scale else ''}, "
            f"not {', '.join(map(str, shapes))}"
        )
    return rows, columns, blocks


def block_sums(
    a_codes: Tensor, w_codes: Tensor, *, activation: Format, weight: Format, block: int
) -> Iterator[Tensor]:
    """For each block along K, the exact sums of its products; (M, N) int64."""
    arithmetic = exact_arithmetic(activation, weight, block).value
    a = decode_integers(a_codes, activation).to(arithmetic)
    w = decode_integers(w_codes, weight).to(arithmetic)
    for begin in range(0, a.shape[1], block):
        part = slice(begin, begin + block)
        yield (a[:, part] @ w[:, part].T).to(torch.int64)


def _shared(a_scales: Tensor, w_scales: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """The scale codes of one block along K, for all results: of W, then of A; (M, N) each."""
    shape = (a_scales.shape[0], w_scales.shape[0])
    return w_scales[:, index].expand(shape), a_scales[:, index : index + 1].expand(shape)


def unit_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor | None = None,
    w_scales: Tensor | None = None,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode | None,
    block: int,
) -> Tensor:
    """``A W^T`` by units with FP32 accumulators, which round once per block; (M, N) float32.

    a_codes: (M, K) uint8. w_codes: (N, K) uint8. a_scales: (M, ceil(K / block)) uint8 and w_scales:
    (N, ceil(K / block)) uint8, codes of ``scale``. Like the hardware, the function multiplies by
    the power of two in the product of both quanta, but not by another factor, such as 1/127.

    Raises UserError if the value of a block may need more than 53 bits, or if PyTorch flushes
    subnormal numbers to zero, and the errors of :func:`check_products`.
    """
    formats: dict[str, Any] = {"activation": activation, "weight": weight}
    operands = (a_codes, w_codes, a_scales, w_scales)
    rows, columns, _ = check_products(*operands, **formats, scale=scale, block=block)
    check_subnormals(a_codes.device)
    check_block_bits(weight, activation, block, scale)
    y = torch.zeros(rows, columns)
    for index, sums in enumerate(block_sums(a_codes, w_codes, **formats, block=block)):
        shared: tuple[Tensor | None, Tensor | None] = (None, None)
        if a_scales is not None and w_scales is not None:
            shared = _shared(a_scales, w_scales, index)
        quantum = weight.quantum * activation.quantum
        y = add_rounded_once(y, block_values(sums, *shared, quantum=quantum, scale=scale))
    return y


def integer_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    *,
    activation: Format,
    weight: Format,
    acc_width: int,
    overflow: Overflow = Overflow.WRAP,
    block: int,
) -> Tensor:
    """``A W^T`` by integer accumulators that add ``block`` products a cycle; (M, N) int64.

    The operands are those of :func:`unit_gemm`, without scales. The result is in units of the
    product of the quanta. Raises the errors of :func:`check_products`.
    """
    check_acc_width(acc_width)
    formats: dict[str, Any] = {"activation": activation, "weight": weight}
    rows, columns, _ = check_products(
        a_codes, w_codes, None, None, **formats, scale=None, block=block
    )
    acc = torch.zeros(rows, columns, dtype=torch.int64)
    for sums in block_sums(a_codes, w_codes, **formats, block=block):
        acc = _added(acc, sums, acc_width, overflow)
    return acc


def _added(acc: Tensor, sums: Tensor, acc_width: int, overflow: Overflow) -> Tensor:
    """``acc + sums`` in ``acc_width`` bits."""
    total = acc + sums  # modulo 2^64
    if overflow is Overflow.WRAP:
        return wrapped(total, acc_width)
    high = 2 ** (acc_width - 1) - 1
    ends = torch.where(sums < 0, ~high, high)
    has_wrapped = (acc ^ total) & (sums ^ total) < 0
    return torch.where(has_wrapped, ends, total.clamp(~high, high))


def exact_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor,
    w_scales: Tensor,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode,
    acc_width: int,
    window: tuple[int, int] | None = None,
    block: int,
) -> tuple[Tensor, Tensor]:
    """``A W^T`` in fixed point, (M, N) int64, and whether each result is NaN, (M, N) bool.

    The operands are those of :func:`unit_gemm`.
    :func:`halfbyte.golden.dot_scalar.exact_step` defines the units, the window and NaN. Raises
    the errors of :func:`check_products`.
    """
    check_acc_width(acc_width)
    formats: dict[str, Any] = {"activation": activation, "weight": weight}
    operands = (a_codes, w_codes, a_scales, w_scales)
    rows, columns, _ = check_products(*operands, **formats, scale=scale, block=block)
    acc = torch.zeros(rows, columns, dtype=torch.int64)
    is_nan = torch.zeros(rows, columns, dtype=torch.bool)
    for index, sums in enumerate(block_sums(a_codes, w_codes, **formats, block=block)):
        shared = _shared(a_scales, w_scales, index)
        terms, outside = exact_terms(sums, *shared, scale=scale, window=window)
        acc, is_nan = acc + terms, is_nan | outside
    return wrapped(acc, acc_width), is_nan
