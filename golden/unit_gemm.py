"""Matrix products as dot-product units compute them: each result is the accumulator of one unit.

The results equal the block-scaled GEMM of :mod:`halfbyte.golden.matmul`, unless FP32 scales or
products reach the ends of FP32's range. There the unit still rounds only once.
"""

import torch
from torch import Tensor

from halfbyte.formats import Format, ScaleCode
from halfbyte.golden.checks import check_codes
from halfbyte.golden.codec import decode_integers
from halfbyte.golden.dot_unit import add_rounded_once, block_values

__all__ = ["unit_gemm"]


def unit_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor,
    w_scales: Tensor,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode,
    block: int,
) -> Tensor:
    """``A W^T``: blocks in ascending order, each rounded once onto an FP32 sum; (M, N) float32.

    a_codes: (M, K) uint8, w_codes: (N, K) uint8, K a multiple of ``block``. a_scales:
    (M, K / block) and w_scales: (N, K / block) uint8, codes of ``scale``. The result includes only
    the power of two in the product of the quanta, like the unit.

    Raises ValueError on shapes that differ.
    """
    rows, length = check_codes(a_codes, activation).shape
    columns = check_codes(w_codes, weight).shape[0]
    blocks = length // block
    wanted = ((rows, blocks), (columns, blocks))
    if w_codes.shape[1] != length or length % block or (a_scales.shape, w_scales.shape) != wanted:
        raise ValueError(
            f"unit_gemm wants (M, K) and (N, K) codes with a scale for each {block} of K, not "
            f"{tuple(a_codes.shape)}, {tuple(w_codes.shape)}, {tuple(a_scales.shape)} and "
            f"{tuple(w_scales.shape)}"
        )
    # FP64 holds the sums of a block exactly: that is checked when the unit is specified.
    a = decode_integers(a_codes, activation).to(torch.float64).reshape(rows, blocks, block)
    w = decode_integers(w_codes, weight).to(torch.float64).reshape(columns, blocks, block)
    quantum = weight.quantum * activation.quantum
    y = torch.zeros(rows, columns)
    for index in range(blocks):
        sums = (a[:, index] @ w[:, index].T).to(torch.int64)  # (M, N)
        shared = w_scales[:, index].expand(rows, -1), a_scales[:, index : index + 1].expand_as(sums)
        y = add_rounded_once(y, block_values(sums, *shared, quantum=quantum, scale=scale))
    return y
