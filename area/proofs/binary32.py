"""Defines FP32 as IEEE 754-2019 does (sections 3.4, 4.3.1), and BF16 in the same way, for proofs.

These definitions are the specification. They do not use the RTL. A number is an integer times a
power of two. Rounding picks the place of the last bit, then looks at all bits below it. A bit is a
*literal*: a node of an and-inverter graph (:class:`Aig`) or its inverse. A word is a sequence of
literals, the least significant first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from halfbyte.area.netlists.aig import FALSE, Aig
from halfbyte.area.proofs.words import Words

__all__ = ["EXPONENT", "Number", "pack", "rounded", "unpack"]

_FRACTION = 23
_LEAST = -149  # exponent of the smallest subnormal
EXPONENT = 13
"""Bits of an exponent in this module: enough for every sum of exponents in the proofs."""

Word = Sequence[int]


@dataclass(frozen=True)
class Number:
    """``(-1) ** negative * integer * 2 ** exponent``, unless it is NaN or infinite.

    ``exponent`` has 13 bits, in two's complement.
    """

    negative: int
    integer: list[int]
    exponent: list[int]
    is_nan: int
    is_infinite: int


def unpack(aig: Aig, word: Word, fraction_bits: int) -> Number:
    """The number of a BF16 (7 fraction bits) or FP32 (23 fraction bits) word."""
    words = Words(aig)
    fraction, field = list(word[:fraction_bits]), word[fraction_bits:-1]
    is_normal, is_special = words.any(field), words.all(field)
    has_fraction = words.any(fraction)
    # A subnormal lacks the hidden bit and has the exponent of the least normal number.
    stored = [*field, *[FALSE] * (EXPONENT - len(field))]
    exponent = words.chosen(is_normal, stored, words.constant(1, EXPONENT))
    bias = words.constant(-127 - fraction_bits, EXPONENT)
    return Number(
        negative=word[-1],
        integer=[*fraction, is_normal],
        exponent=words.sum(exponent, bias),
        is_nan=aig.conjunction(is_special, has_fraction),
        is_infinite=aig.conjunction(is_special, has_fraction ^ 1),
    )


def rounded(aig: Aig, integer: Word, exponent: Word) -> list[int]:
    """The 31 bits of the FP32 magnitude nearest to ``integer * 2 ** exponent``; ties go to even.

    A magnitude that is too large gives infinity. The result keeps 24 bits from the highest 1 down,
    but no bit below exponent -149. For each possible place of the last bit, the bits from this
    place up are kept. The bits below it decide whether to add 1.
    """
    words = Words(aig)
    width = len(integer)
    # The place in the integer where the last bit of a subnormal is.
    least = words.difference(words.constant(_LEAST, EXPONENT), exponent)
    tops = [
        aig.conjunction(integer[top], words.any(integer[top + 1 :]) ^ 1) for top in range(width)
    ]
    places = range(-_FRACTION, width + 1)
    kept_words, guards, stickies, chosen = [], [], [], []
    for place in places:
        top = place + _FRACTION
        at_top = FALSE
        if top < width:
            low_enough = words.is_less(words.constant(place, EXPONENT), least) ^ 1
            at_top = aig.conjunction(tops[top], low_enough)
        # In a subnormal, all ones are below the place of the hidden bit.
        none_above = words.any(integer[max(top, 0) :]) ^ 1
        at_least = aig.conjunction(words.is_equal(least, place), none_above)
        here = aig.disjunction(at_top, at_least)
        shifted = [FALSE] * -place + list(integer) if place < 0 else list(integer[place:])
        kept_words.append(words.masked(words.extended(shifted, _FRACTION + 1), here))
        guard = integer[place - 1] if place > 0 else FALSE
        guards.append(aig.conjunction(guard, here))
        stickies.append(aig.conjunction(words.any(integer[: max(place - 1, 0)]), here))
        chosen.append(here)
    kept, guard, sticky = words.merged(kept_words), words.any(guards), words.any(stickies)
    # The hidden bit of a normal number is a bit of ``kept`` and adds 1 to the exponent field.
    # Without it, the field is 0 for the lowest place, and grows by one with each place.
    field = words.merged(
        [
            words.masked(words.difference(words.constant(place, EXPONENT), least), here)
            for place, here in zip(places, chosen, strict=True)
        ]
    )
    up = aig.conjunction(guard, aig.disjunction(sticky, kept[0]))
    wide = _FRACTION + EXPONENT
    encoded = words.sum(words.extended(kept, wide), [*words.constant(0, _FRACTION), *field], up)
    # 254 is the exponent field of the largest finite numbers.
    overflows = words.is_less(words.constant(254, EXPONENT), encoded[_FRACTION:])
    infinity = words.constant(0xFF << _FRACTION, 31)
    # For a number below half of the smallest subnormal, no place is chosen and the result is 0.
    return words.chosen(overflows, infinity, encoded[:31])


def pack(aig: Aig, one: Number, other: Number, magnitude: Word, negative: int) -> list[int]:
    """The FP32 word of the sum of two numbers.

    ``magnitude`` and ``negative`` are the magnitude and the sign of the rounded sum. They are used
    if both numbers are finite.
    """
    words = Words(aig)
    opposite = aig.exclusive(one.negative, other.negative)
    both_infinite = aig.conjunction(one.is_infinite, other.is_infinite)
    is_nan = words.any([one.is_nan, other.is_nan, aig.conjunction(both_infinite, opposite)])
    nan = words.constant(0x7FC0_0000, 32)  # the only NaN that the RTL outputs
    infinity = words.constant(0xFF << _FRACTION, 31)
    finite = [*magnitude, negative]
    with_one = words.chosen(one.is_infinite, [*infinity, one.negative], finite)
    with_other = words.chosen(other.is_infinite, [*infinity, other.negative], with_one)
    return words.chosen(is_nan, nan, with_other)
