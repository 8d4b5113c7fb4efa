"""Encode numbers to codes and decode codes to values, on tensors of any shape.

All values of a format are integers times one number, its *quantum*.

The encoder compares a number with one threshold for each pair of neighbouring values. A threshold
is a float for which ``x > threshold`` chooses the nearer of the two values for every float ``x``,
even if their midpoint is not a float. So the encoder always finds the nearest value.
"""

from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format, Ties
from halfbyte.golden.checks import check_codes, check_float, check_format

__all__ = [
    "check_fp32_range",
    "decode",
    "decode_integers",
    "encode",
    "integer_table",
    "nearest_fp32",
]

# These bounds keep the quantum, and every value except 0, in the normal range of FP32. The quotient
# of an input and its block scale is finite, too. It can exceed the format's largest value if the
# scale is subnormal, since such a scale is rounded coarsely, but at most by a factor of 2.
MIN_QUANTUM = Fraction(2) ** -126
MAX_MAGNITUDE = Fraction(2) ** 126


def _largest_float_up_to(value: Fraction, kind: type[np.floating]) -> np.floating:
    """The largest float of type ``kind`` that does not exceed ``value``."""
    result = kind(float(value))
    while Fraction(float(result)) > value:
        result = np.nextafter(result, kind(-np.inf))
    while Fraction(float(above := np.nextafter(result, kind(np.inf)))) <= value:
        result = above
    return result


def nearest_fp32(value: Fraction) -> float:
    """The FP32 number nearest to ``value``, ties to even.

    Via Python's ``float(value)``, which has 53 bits, the number would be rounded twice.
    """
    below = np.float32(_largest_float_up_to(value, np.float32))
    above = np.nextafter(below, np.float32(np.inf))
    gap_below = value - Fraction(float(below))
    gap_above = Fraction(float(above)) - value
    if gap_below == gap_above:
        return float(above if int(below.view(np.int32)) & 1 else below)
    return float(below if gap_below < gap_above else above)


@cache
def check_fp32_range(fmt: Format) -> None:
    """Raise :class:`UserError` if the quantum or a value of a format is out of bounds for FP32."""
    largest = max(abs(value) for value in check_format(fmt).values)
    if fmt.quantum < MIN_QUANTUM or largest > MAX_MAGNITUDE:
        raise UserError(
            f"{fmt.name}: in FP32 the quantum must be at least 2^-126, and magnitudes at most "
            f"2^126, not {float(fmt.quantum):.3g} and {float(largest):.3g}; rescale the values"
        )


@cache
def integer_table(fmt: Format) -> Tensor:
    """A table of values in units of the quantum, by code: (2^bits,) int64. Do not write to it."""
    with torch.device("cpu"):  # the cached table must not depend on the caller's default device
        return torch.tensor(fmt.integers, dtype=torch.int64)


@cache
def _value_table(fmt: Format) -> Tensor:
    check_fp32_range(fmt)
    with torch.device("cpu"):
        return torch.tensor([nearest_fp32(value) for value in fmt.values], dtype=torch.float32)


def _threshold(midpoint: Fraction, tie_goes_up: bool, kind: type[np.floating]) -> float:
    """The float ``t`` for which ``x > t`` is true for exactly the floats nearer to the upper value.

    A float at the midpoint counts as nearer to the upper value if ``tie_goes_up``.
    """
    threshold = _largest_float_up_to(midpoint, kind)
    if tie_goes_up and Fraction(float(threshold)) == midpoint:
        threshold = np.nextafter(threshold, kind(-np.inf))
    return float(threshold)


@cache
def _encoder(fmt: Format, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The thresholds in ascending order, and the codes of the intervals that they separate."""
    check_fp32_range(fmt)
    kind: type[np.floating] = np.float64 if dtype == torch.float64 else np.float32
    codes = fmt.sorted_codes
    thresholds = [
        _threshold(
            (fmt.values[lower] + fmt.values[upper]) / 2,
            tie_goes_up=fmt.ties is Ties.EVEN and upper % 2 == 0,
            kind=kind,
        )
        for lower, upper in pairwise(codes)
    ]
    with torch.device("cpu"):
        return torch.tensor(thresholds, dtype=dtype), torch.tensor(codes, dtype=torch.uint8)


def encode(x: Tensor, fmt: Format) -> Tensor:
    """Codes of the values nearest to ``x``; ``fmt.ties`` decides at midpoints.

    x: any shape, floating point, in the units of ``fmt.values``. Numbers beyond the range and
    infinities get the code of the largest or smallest value; -0 counts as 0. Returns uint8 of the
    same shape. If two codes have the same value, the result is the smaller code.

    Raises TypeError if ``x`` is not floating point, ValueError if it holds a NaN.
    """
    check_float(x, "The input of encode")
    # FP32 holds every number of a narrower type exactly.
    wide = x if x.dtype == torch.float64 else x.to(torch.float32)
    if bool(wide.isnan().any()):
        raise ValueError(
            f"encode needs numbers, but {int(wide.isnan().sum())} of {wide.numel()} are NaN"
        )
    thresholds, codes = (table.to(x.device) for table in _encoder(fmt, wide.dtype))
    return codes[torch.bucketize(wide.contiguous(), thresholds, out_int32=True)]


def decode(codes: Tensor, fmt: Format) -> Tensor:
    """Values of ``codes`` (uint8, any shape), rounded to float32."""
    table = _value_table(fmt).to(check_codes(codes, fmt).device)
    return table[codes.to(torch.int32)]


def decode_integers(codes: Tensor, fmt: Format) -> Tensor:
    """Values of ``codes`` (uint8, any shape) in units of ``fmt.quantum``; int64."""
    table = integer_table(fmt).to(check_codes(codes, fmt).device)
    return table[codes.to(torch.int32)]
