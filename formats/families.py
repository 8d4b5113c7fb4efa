"""Make the values of formats, in the order of the codes: one function for each family."""

from collections.abc import Sequence
from fractions import Fraction

from halfbyte.formats.errors import FormatError

__all__ = ["apot", "integer", "minifloat", "with_supernormal"]

# A code has at most 8 bits, and one of them is the sign.
MAX_APOT_SUMS = 2**7


def integer(bits: int) -> list[Fraction]:
    """Integers in two's complement: first 0 to 2^(bits-1)-1, then the negative half."""
    half = 2 ** (bits - 1)
    return [Fraction(code if code < half else code - 2 * half) for code in range(2 * half)]


def _with_sign(magnitudes: Sequence[Fraction]) -> list[Fraction]:
    """Add a sign bit in front: the second half of the codes has the negated values."""
    return [*magnitudes, *(-magnitude for magnitude in magnitudes)]


def minifloat(exponent_bits: int, mantissa_bits: int, bias: int) -> list[Fraction]:
    """Floating point: sign, exponent, mantissa (OCP MX 1.0, section 5.3).

    There are subnormals, but neither infinities nor NaN. Without mantissa bits, exponent field 0
    means the value 0.
    """
    magnitudes = []
    for exponent in range(2**exponent_bits):
        for mantissa in range(2**mantissa_bits):
            hidden = 1 if exponent > 0 else 0
            significand = hidden + Fraction(mantissa, 2**mantissa_bits)
            magnitudes.append(significand * Fraction(2) ** (max(exponent, 1) - bias))
    return _with_sign(magnitudes)


def apot(terms: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """Additive powers of two, divided by the largest sum (Li, Dong, Wang, ICLR 2020).

    After the sign bit, a code has a field for each list in ``terms``, the most significant field
    first. Each field chooses an entry of its list, and the chosen entries are added. The length of
    each list is 2, 4, 8 or another power of two. Raises FormatError for a list of another length,
    for more than 128 sums, and if no sum is positive.
    """
    sums = [Fraction(0)]
    for choices in terms:
        if len(choices) < 2 or len(choices) & (len(choices) - 1):
            raise FormatError(
                f"Each list under 'terms' must have 2, 4, 8, ... entries, not {len(choices)}"
            )
        if len(sums) * len(choices) > MAX_APOT_SUMS:
            raise FormatError(
                f"The terms of an apot format must have at most {MAX_APOT_SUMS} sums, but have more"
            )
        sums = [partial + choice for partial in sums for choice in choices]
    largest = max(sums)
    if largest <= 0:
        raise FormatError("The terms of an apot format must have a positive sum; all are 0 or less")
    return _with_sign([total / largest for total in sums])


def with_supernormal(values: Sequence[Fraction], supernormal: Fraction) -> list[Fraction]:
    """Give the code of negative zero, ``1 0...0``, the value ``supernormal`` (Dotzel et al., 2024).

    Raises FormatError if code 0 or the code of negative zero has a value other than 0, or if
    ``supernormal`` is a value of the format already.
    """
    negative_zero = len(values) // 2
    if values[negative_zero] != 0 or values[0] != 0:
        raise FormatError("A supernormal value needs a format with a code for negative zero")
    if supernormal in values:
        raise FormatError(f"Supernormal value {supernormal} is a value of the format already")
    return [*values[:negative_zero], supernormal, *values[negative_zero + 1 :]]
