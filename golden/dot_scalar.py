"""Compute the results of dot-product units, one number at a time.

``docs/architecture.md`` defines these units. The functions use only ints and Fractions, as in
:mod:`halfbyte.golden.scalar`. The tensor code in :mod:`halfbyte.golden.dot_unit` is tested against
them. All values of a format are integers times one number, its *quantum*.
"""

from collections.abc import Sequence
from fractions import Fraction

from halfbyte.formats import Format, ScaleCode
from halfbyte.golden.scalar import dot
from halfbyte.golden.scalar_scales import floor_log2

__all__ = [
    "BLACKWELL_BITS",
    "BLACKWELL_GROUP",
    "BLACKWELL_NAN",
    "FRACTION_BITS",
    "INFINITY",
    "LEAST_PLACE",
    "MIN_EXPONENT",
    "QUIET_NAN",
    "SIGN",
    "blackwell",
    "exact_step",
    "fp32_step",
    "fp32_value",
    "gathered",
]

SIGN, INFINITY, QUIET_NAN = 1 << 31, 0x7F80_0000, 0x7FC0_0000  # bits of FP32
FRACTION_BITS = 23
# The least exponent of normal numbers, and the exponent of the last bit of subnormal numbers.
MIN_EXPONENT, LEAST_PLACE = -126, -149
# NVIDIA Blackwell's FP4 tensor core: the number of products in a group, the number of places kept
# below the largest exponent, and the NaN that it returns. The numbers are those of MMA-Sim (arXiv
# 2511.10909), which we have not verified.
BLACKWELL_GROUP, BLACKWELL_BITS, BLACKWELL_NAN = 16, 35, 0x7FFF_FFFF


def fp32_value(bits: int) -> Fraction | None:
    """The value of a finite FP32 number; None for infinities and NaN."""
    exponent, fraction = bits >> FRACTION_BITS & 0xFF, bits & (1 << FRACTION_BITS) - 1
    if exponent == 0xFF:
        return None
    if exponent:
        fraction += 1 << FRACTION_BITS
    magnitude = fraction * Fraction(2) ** (max(exponent, 1) - 1 + LEAST_PLACE)
    return -magnitude if bits & SIGN else magnitude


def _fp32(value: Fraction, *, nearest: bool = True) -> int:
    """Bits of FP32: ``value`` rounded to nearest, ties to even; without ``nearest``, toward zero.

    A negative value that is rounded to 0 becomes -0. Every other 0 is +0.
    """
    if value == 0:
        return 0
    place = max(floor_log2(abs(value)), MIN_EXPONENT) - FRACTION_BITS
    steps = abs(value) / Fraction(2) ** place
    significand = round(steps) if nearest else int(steps)
    # The hidden bit adds one to the exponent's field, and so does a carry out of the significand.
    magnitude = (place - LEAST_PLACE << FRACTION_BITS) + significand
    return (SIGN if value < 0 else 0) | min(magnitude, INFINITY)


def _scale(code: int, scale: ScaleCode | None) -> Fraction | None:
    """The value of a scale's code, None for NaN; 1 if there is no ``scale``."""
    return Fraction(1) if scale is None else scale.values[code]


def fp32_step(
    acc: int,
    block_sum: int,
    w_scale: int,
    a_scale: int,
    *,
    clear: bool,
    scale: ScaleCode | None,
    quantum: Fraction,
) -> int:
    """The FP32 accumulator after a block: ``fl((clear ? +0 : acc) + block_sum * quantum * s)``.

    ``fl`` rounds to the nearest FP32 number, ties to even. ``acc`` and the result are bits of FP32.
    ``block_sum`` is the exact sum of a block's products, in units of ``quantum``. s is the product
    of both scales, whose codes are ``w_scale`` and ``a_scale``. Without ``scale``, s is 1.
    If a scale is NaN, or the accumulator is NaN and not cleared, the result is 7FC00000.
    """
    base = 0 if clear else acc
    w, a = _scale(w_scale, scale), _scale(a_scale, scale)
    if w is None or a is None or base & ~SIGN > INFINITY:
        return QUIET_NAN
    value = fp32_value(base)
    return base if value is None else _fp32(value + block_sum * quantum * w * a)


def gathered(sums: Sequence[int], clear: Sequence[bool], last: Sequence[bool]) -> list[int]:
    """For each cycle, the sum of the block up to and including that cycle.

    ``sums`` has the sum of the products of each cycle. A block begins in a cycle with ``clear``, or
    in the cycle after one with ``last``.
    """
    held, seen = 0, []
    for total, clears, ends in zip(sums, clear, last, strict=True):
        held = (0 if clears else held) + total
        seen.append(held)
        held = 0 if ends else held
    return seen


def exact_step(
    acc: int,
    is_nan: bool,
    lane_sum: int,
    w_scale: int,
    a_scale: int,
    *,
    clear: bool,
    scale: ScaleCode,
    acc_width: int,
    window: tuple[int, int] | None = None,
) -> tuple[int, bool]:
    """The exact accumulator after a cycle, and whether it is NaN.

    ``lane_sum`` is the exact sum of the cycle's products. ``window`` is the lowest and the highest
    sum of both scales' exponents that the accumulator allows. The accumulator counts units of the
    product of both formats' quanta times ``2**window[0]``. Without a window, it counts units of
    that product times both scales' quanta. It wraps at ``acc_width`` bits. If a scale is NaN, or
    the sum of the exponents lies outside the window, the cycle adds nothing and the accumulator is
    NaN until the next clear.
    """
    base, base_is_nan = (0, False) if clear else (acc, is_nan)
    w, a = scale.values[w_scale], scale.values[a_scale]
    lowest = window[0] if window else 2 * scale.quantum_exponent
    exponent = _exponent(w_scale, scale) + _exponent(a_scale, scale)
    outside = window is not None and not window[0] <= exponent <= window[1]
    if w is None or a is None or outside:
        return base, True
    term = lane_sum * w * a / Fraction(2) ** lowest
    half = 1 << acc_width - 1
    return (base + int(term) + half) % (2 * half) - half, base_is_nan


def _exponent(code: int, scale: ScaleCode) -> int:
    """The exponent e of a scale ``m * 2**e`` whose significand m is an integer."""
    field = code >> scale.mantissa_bits
    return scale.quantum_exponent + max(field - scale.has_subnormals, 0)


def _twos(number: Fraction) -> int:
    """The exponent of 2 in the prime factorization of a positive fraction."""
    numerator, denominator = number.as_integer_ratio()
    return (numerator & -numerator).bit_length() - (denominator & -denominator).bit_length()


def blackwell(
    c: int,
    w_codes: Sequence[int],
    a_codes: Sequence[int],
    w_scales: Sequence[int],
    a_scales: Sequence[int],
    *,
    weight: Format,
    activation: Format,
    scale: ScaleCode,
) -> int:
    """One instruction of Blackwell's FP4 tensor core: ``c`` plus a scaled dot product.

    ``c`` and the result are bits of FP32. The definition is that of the model MMA-Sim (arXiv
    2511.10909), which we have not verified.

    The codes of each operand form blocks, each with one scale. All blocks have the same length, a
    multiple of 16. Every group of 16 products is summed exactly and multiplied by its scales. These
    results and ``c`` are truncated toward zero, at the bit that lies 35 places below the largest
    exponent. The exponent of a group is the sum of those of both scales, each of which is written
    as 1.m times a power of two. A group or ``c`` that is 0 has no exponent. The sum is truncated to
    FP32. The model does not say what happens beyond the range of FP32; here the result is infinite.
    All formats of the chip have a quantum that is a power of two. For other formats, the sum
    includes the power of two in the product of the quanta, but no other factor, such as 1/127.
    """
    block = len(w_codes) // len(w_scales)
    quantum = Fraction(2) ** _twos(weight.quantum * activation.quantum)
    groups: list[tuple[Fraction, int]] = []
    for begin in range(0, len(w_codes), BLACKWELL_GROUP):
        codes = (scales[begin // block] for scales in (w_scales, a_scales))
        values = [(scale.values[code], _exponent(code, scale)) for code in codes]
        (w, w_exponent), (a, a_exponent) = values
        if w is None or a is None:
            return BLACKWELL_NAN
        members = slice(begin, begin + BLACKWELL_GROUP)
        exact = dot(w_codes[members], a_codes[members], weight, activation) * quantum * w * a
        # The model writes a scale as 1.m times a power of two. Its exponent is larger than that of
        # _exponent, where m is an integer, by the number of mantissa bits.
        groups.append((exact, w_exponent + a_exponent + 2 * scale.mantissa_bits))
    value = fp32_value(c)
    if value is None:
        return c if c & ~SIGN == INFINITY else BLACKWELL_NAN
    exponents = [exponent for exact, exponent in groups if exact]
    if value:
        exponents.append(max(floor_log2(abs(value)), MIN_EXPONENT))
    if not exponents:
        return 0
    unit = Fraction(2) ** (max(exponents) - BLACKWELL_BITS)
    total = sum(int(term / unit) for term in (value, *(exact for exact, _ in groups)))
    return _fp32(total * unit, nearest=False)
