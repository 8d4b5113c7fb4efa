"""Choose the exponents of block scales that are powers of two (E8M0), by one of several rules."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from halfbyte.formats import Format
from halfbyte.golden.codec import nearest_fp32

__all__ = ["E8M0_EXPONENTS", "E8M0_RULES", "power_of_two_exponents"]

E8M0_EXPONENTS = (-127, 127)


def power_of_two_exponents(absmax: Tensor, fmt: Format, largest: Tensor, rule: str) -> Tensor:
    """Exponents of E8M0 scales by one of :data:`E8M0_RULES`; int32, -127 to 127.

    absmax: the blocks' largest magnitudes after clipping; any shape, float32, finite. largest: the
    format's largest value in FP32. An absmax of 0 gets the smallest exponent: it may be a tiny
    absmax that clipping has turned into 0. The caller gives blocks of zeros another exponent.
    """
    exponents = E8M0_RULES[rule](absmax, fmt, largest)
    return exponents.where(absmax > 0, E8M0_EXPONENTS[0]).clamp(*E8M0_EXPONENTS)


def _floor(absmax: Tensor, fmt: Format, _: Tensor) -> Tensor:
    """floor(log2 absmax) - floor(log2 largest)."""
    # frexp gives a fraction of at least 1/2 and below 1. So each of the two exponents is the floor
    # of the logarithm plus 1.
    return torch.frexp(absmax).exponent - _fraction_and_exponent(fmt.max_value)[1]


def _up(absmax: Tensor, fmt: Format, largest: Tensor) -> Tensor:
    """The floor rule, plus 1 if absmax / scale would otherwise exceed the largest value."""
    limit, _ = _fraction_and_exponent(fmt.max_value)
    return _floor(absmax, fmt, largest) + (torch.frexp(absmax).mantissa > limit)


def _ceil(absmax: Tensor, fmt: Format, largest: Tensor) -> Tensor:
    """ceil(log2 absmax) - floor(log2 largest)."""
    return _floor(absmax, fmt, largest) + (torch.frexp(absmax).mantissa > 1 / 2)


def _nearest(absmax: Tensor, fmt: Format, largest: Tensor) -> Tensor:
    """The floor rule, plus 1 unless absmax / scale is nearer to the format's largest value than to
    the next power of two."""
    fraction = fmt.max_value / Fraction(2) ** _fraction_and_exponent(fmt.max_value)[1]
    middle = _rounded_up((fraction + 1) / 2)
    return _floor(absmax, fmt, largest) + (torch.frexp(absmax).mantissa >= middle)


def _rceil(absmax: Tensor, _: Format, largest: Tensor) -> Tensor:
    """ceil(log2 of the FP32 quotient absmax / largest)."""
    fraction, exponent = torch.frexp(absmax / largest)
    return (exponent - 1 + (fraction > 1 / 2)).where(fraction > 0, E8M0_EXPONENTS[0])


E8M0_RULES: dict[str, Callable[[Tensor, Format, Tensor], Tensor]] = {
    "e8m0_floor": _floor,
    "e8m0_up": _up,
    "e8m0_ceil": _ceil,
    "e8m0_nearest": _nearest,
    "e8m0_rceil": _rceil,
}


def _rounded_up(fraction: Fraction) -> float:
    """The smallest FP32 number that is at least ``fraction``, for exact comparisons with ``>=``."""
    rounded = np.float32(nearest_fp32(fraction))
    if Fraction(float(rounded)) < fraction:
        rounded = np.nextafter(rounded, np.float32(np.inf))
    return float(rounded)


def _fraction_and_exponent(value: Fraction) -> tuple[float, int]:
    """``frexp`` of an exact positive number; the fraction is rounded down to FP32."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value >= Fraction(2) ** exponent:
        exponent += 1
    fraction = value / Fraction(2) ** exponent
    rounded = np.float32(nearest_fp32(fraction))
    if Fraction(float(rounded)) > fraction:
        rounded = np.nextafter(rounded, np.float32(0))
    return float(rounded), exponent
