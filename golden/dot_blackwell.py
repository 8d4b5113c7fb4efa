"""Matrix products as a published model of Blackwell's FP4 tensor core computes them.

The model is MMA-Sim (arXiv 2511.10909). We have not verified it.
:func:`halfbyte.golden.dot_scalar.blackwell` defines it for single numbers.
"""

from typing import Any

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format, ScaleCode, product_extremes
from halfbyte.golden.dot_scalar import (
    BLACKWELL_BITS,
    BLACKWELL_GROUP,
    BLACKWELL_NAN,
    FRACTION_BITS,
    INFINITY,
    LEAST_PLACE,
    MIN_EXPONENT,
    SIGN,
)
from halfbyte.golden.dot_unit import power_of_two, scale_parts
from halfbyte.golden.unit_gemm import block_sums, check_products

__all__ = ["blackwell_gemm", "check_blackwell"]

# The number of products of one instruction, and the number of groups of 16 products among them.
PRODUCTS = 64
GROUPS = PRODUCTS // BLACKWELL_GROUP
SUM_BITS = 3  # a sum of five terms can be this many bits longer than its largest term
NO_EXPONENT = -(2**30)  # stands for the exponent of a term that is 0
INT64_BITS = 64


def check_blackwell(weight: Format, activation: Format, scale: ScaleCode, block: int) -> None:
    """Raise UserError unless a block has whole groups of 16 products, and sums fit in 64 bits."""
    if block % BLACKWELL_GROUP:
        raise UserError(
            f"The Blackwell model needs a block size that is a multiple of {BLACKWELL_GROUP}, "
            f"not {block}"
        )
    largest = BLACKWELL_GROUP * max(map(abs, product_extremes(weight, activation)))
    bits = (largest * scale.largest_significand**2).bit_length()
    up = power_of_two(weight, activation) - 2 * scale.mantissa_bits + BLACKWELL_BITS
    if bits + max(up, 0) + SUM_BITS >= INT64_BITS:
        raise UserError(
            f"The Blackwell model needs narrower formats than {weight.name} and "
            f"{activation.name}: sums of {BLACKWELL_GROUP} of their products would not fit in 64 "
            "bits"
        )


def blackwell_gemm(
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
    """``A W^T`` by instructions of 64 products along K; (M, N) float32.

    Each instruction adds to the result of the one before. The last may have fewer products. The
    operands are those of :func:`halfbyte.golden.unit_gemm.unit_gemm`.

    Raises UserError if the block size is not a multiple of 16 or sums may not fit in 64 bits,
    ValueError for shapes that do not fit each other or codes out of range, and TypeError if codes
    or scales are not uint8.
    """
    formats: dict[str, Any] = {"activation": activation, "weight": weight}
    operands = (a_codes, w_codes, a_scales, w_scales)
    rows, columns, _ = check_products(*operands, **formats, scale=scale, block=block)
    check_blackwell(weight, activation, scale, block)
    sums = list(block_sums(a_codes, w_codes, **formats, block=BLACKWELL_GROUP))
    significands, places = scale_parts(scale)
    c = torch.zeros(rows, columns, dtype=torch.int64)
    for begin in range(0, len(sums), GROUPS):
        groups = range(begin, min(begin + GROUPS, len(sums)))
        blocks = [group * BLACKWELL_GROUP // block for group in groups]
        a = a_scales[:, None, blocks].expand(-1, columns, -1).long()  # (M, N, groups)
        w = w_scales[None, :, blocks].expand(rows, -1, -1).long()
        terms = torch.stack([sums[group] for group in groups], -1)
        terms = terms * significands[a] * significands[w]
        place = places[a] + places[w]
        total = _summed(
            c,
            terms,
            place + power_of_two(weight, activation),
            place + 2 * scale.mantissa_bits,
        )
        is_nan = ((a == scale.nan_code) | (w == scale.nan_code)).any(-1)
        c = torch.where(is_nan, BLACKWELL_NAN, total)
    return c.to(torch.int32).view(torch.float32)


def _summed(c: Tensor, terms: Tensor, places: Tensor, exponents: Tensor) -> Tensor:
    """Add ``terms * 2**places`` to ``c``, aligned and truncated as in the model.

    c: (M, N) int64, bits of FP32. terms, places, exponents: (M, N, groups) int64. The
    largest exponent, of ``c`` and of the terms that are not 0, decides at which bit all of them are
    truncated. Returns (M, N) int64, bits of FP32.
    """
    field, fraction = c >> FRACTION_BITS & 0xFF, c & (1 << FRACTION_BITS) - 1
    significand = fraction | (field > 0).long() << FRACTION_BITS
    base = torch.where(c & SIGN != 0, -significand, significand)
    base_exponent = field.clamp_min(1) - 1 + MIN_EXPONENT
    every = torch.cat((base[..., None], terms), -1)
    place = torch.cat((base_exponent[..., None] - FRACTION_BITS, places), -1)
    exponent = torch.cat((base_exponent[..., None], exponents), -1)
    largest = torch.where(every != 0, exponent, NO_EXPONENT).amax(-1)  # (M, N)
    unit = largest - BLACKWELL_BITS
    aligned = _toward_zero(every, place - unit[..., None]).sum(-1)
    total = torch.where(largest == NO_EXPONENT, 0, _truncated(aligned, unit))
    magnitude = c & ~SIGN
    kept = torch.where(magnitude > INFINITY, BLACKWELL_NAN, c)
    return torch.where(magnitude >= INFINITY, kept, total)


def _toward_zero(x: Tensor, up: Tensor) -> Tensor:
    """``x * 2**up``, truncated toward zero; its magnitude must fit in 63 bits."""
    most = INT64_BITS - 1
    down = x.abs() >> (-up).clamp(0, most)
    return torch.where(up >= 0, x << up.clamp(0, most), down * x.sign())


def _truncated(total: Tensor, place: Tensor) -> Tensor:
    """``total * 2**place`` as bits of FP32, truncated toward zero; infinity if it is too large."""
    magnitude = total.abs()
    # The conversion to FP64 may round up to the next power of two, which gives one bit too many.
    # The second line corrects that.
    length = torch.frexp(magnitude.double()).exponent.long()
    length = length - (magnitude >> (length - 1).clamp_min(0) == 0).long()
    last = (place + length - 1).clamp_min(MIN_EXPONENT) - FRACTION_BITS
    kept = _toward_zero(magnitude, place - last)
    bits = ((last - LEAST_PLACE << FRACTION_BITS) + kept).clamp_max(INFINITY)
    return torch.where(total == 0, 0, bits | torch.where(total < 0, SIGN, 0))
