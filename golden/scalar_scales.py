"""Compute block scales one at a time, step by step as their definitions say.

The functions use only ints and Fractions. The tensor code is tested against them, and shares only
:mod:`halfbyte.formats` with them. *Absmax* is the largest magnitude in a block.
"""

from fractions import Fraction

from halfbyte.formats import Format
from halfbyte.golden.scalar import round_to_fp32

__all__ = ["e4m3_tensor_scale", "e8m0_code", "floor_log2", "rounded", "ue4m3_code", "ue5m3_code"]

E8M0_BIAS = 127
FP32_SMALLEST = Fraction(1, 2**149)


def floor_log2(value: Fraction) -> int:
    """The exponent of the largest power of two that does not exceed ``value``, which is above 0."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return exponent if Fraction(2) ** exponent <= value else exponent - 1


def _ceil_log2(value: Fraction) -> int:
    exponent = floor_log2(value)
    return exponent if Fraction(2) ** exponent == value else exponent + 1


def e8m0_code(absmax: Fraction, fmt: Format, rule: str) -> int:
    """The byte of a block's E8M0 scale, by the named rule: its exponent plus 127, 0 to 254.

    absmax: a value of FP32, above 0. Raises ValueError for an unknown rule.
    """
    largest = fmt.max_value
    whole = floor_log2(absmax) - floor_log2(largest)
    if rule == "e8m0_floor":
        exponent = whole
    elif rule == "e8m0_ceil":
        exponent = _ceil_log2(absmax) - floor_log2(largest)
    elif rule == "e8m0_nearest":
        reached = absmax / Fraction(2) ** whole
        beyond = Fraction(2) ** (floor_log2(largest) + 1)
        exponent = whole + (beyond - reached <= reached - largest)
    elif rule == "e8m0_up":
        exponent = _ceil_log2(absmax / largest)
    elif rule == "e8m0_rceil":
        quotient = round_to_fp32(absmax / round_to_fp32(largest))
        exponent = _ceil_log2(quotient) if quotient else -E8M0_BIAS
    else:
        raise ValueError(f"There is no rule {rule!r} for E8M0 scales")
    return max(-E8M0_BIAS, min(E8M0_BIAS, exponent)) + E8M0_BIAS


def rounded(value: Fraction, mantissa_bits: int, bias: int) -> int:
    """The bits of the unsigned minifloat nearest to ``value``, ties to even; at least 1.

    The bits are an exponent field above a mantissa; there are subnormals. The result may be too
    large for the type, so the caller limits it.
    """
    place = max(floor_log2(value), 1 - bias) - mantissa_bits
    significand = round(value / Fraction(2) ** place)  # round() rounds a Fraction's ties to even
    field = place + mantissa_bits + bias
    # The hidden bit of a normal number adds one to the exponent field; a subnormal has none.
    return max(1, significand + ((field - 1) << mantissa_bits))


def e4m3_tensor_scale(absmax: Fraction, fmt: Format, rule: str) -> Fraction:
    """The FP32 scale of a whole tensor whose largest magnitude is ``absmax``, above 0.

    448 is the largest value of E4M3.
    """
    largest = round_to_fp32(fmt.max_value)
    if rule == "e4m3":
        scale = round_to_fp32(round_to_fp32(absmax / largest) / 448)
    else:
        scale = round_to_fp32(absmax / round_to_fp32(largest * 448))
    return max(scale, FP32_SMALLEST)


def ue4m3_code(absmax: Fraction, tensor_scale: Fraction, fmt: Format, rule: str) -> int:
    """The byte of a block's E4M3 scale, by the named rule: 1 to 126, the code of 448."""
    largest = round_to_fp32(fmt.max_value)
    if rule == "e4m3":
        ratio = round_to_fp32(round_to_fp32(absmax / largest) / tensor_scale)
    else:
        divisor = max(round_to_fp32(largest * tensor_scale), FP32_SMALLEST)
        ratio = round_to_fp32(absmax / divisor) or Fraction(1)
    return min(126, rounded(ratio, 3, 7)) if ratio else 1


def ue5m3_code(absmax: Fraction, fmt: Format) -> int:
    """The byte of a block's UE5M3 scale: 1 to 254, the code of 114,688."""
    ratio = round_to_fp32(absmax / round_to_fp32(fmt.max_value))
    return min(254, rounded(ratio, 3, 15)) if ratio else 1
