"""Families of formats: a few parameters define many named formats.

An exploration synthesizes designs for each of these formats. A supernormal value is a value that
takes the code of negative zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from itertools import combinations
from math import comb, gcd

from halfbyte.base import UserError
from halfbyte.formats import Format, Ties
from halfbyte.formats.families import with_supernormal

__all__ = ["MAX_FORMATS", "Family", "SupernormalGrid", "ValueSets"]

MAX_FORMATS = 100_000
MINUS = "\N{MINUS SIGN}"
# The least and the greatest width of the codes of a value set, in bits. The sign counts as a bit.
SET_BITS = (2, 5)
MAX_MAGNITUDE = 64


@dataclass(frozen=True)
class SupernormalGrid:
    """Variants of a format: each gives one value of a grid to the code of negative zero.

    Values that the format already has are left out. Midpoints round to the lower value, as in
    Dotzel et al. (2024). The rule ``ties: even`` works only if, of any two neighbouring values, one
    has an even code and the other an odd code. Many of these formats have neighbours for which this
    is not true.

    Parameters
    ----------
    base : Format
        The format. Its codes 0 and ``2^(bits-1)`` must both have the value zero.
    start, stop : Fraction
        Ends of the grid, both included, in the units of the format's values.
    step : Fraction
        Positive distance between neighbouring values.

    Raises
    ------
    UserError
        ``stop`` is below ``start``, ``step`` is not positive, the distance from ``start`` to
        ``stop`` is not a whole number of steps, the grid has too many values, or the format has no
        code for negative zero.
    """

    base: Format
    start: Fraction
    stop: Fraction
    step: Fraction

    def __post_init__(self) -> None:
        if self.step <= 0 or self.stop < self.start:
            raise UserError(
                "A grid of supernormal values needs a 'from' that is at most 'to', and a positive "
                f"'step', not from {self.start} to {self.stop} with step {self.step}"
            )
        steps = (self.stop - self.start) / self.step
        if steps.denominator != 1:
            raise UserError(
                f"The distance from {self.start} to {self.stop} must be a whole number of steps of "
                f"{self.step}, not {steps} steps"
            )
        if steps >= MAX_FORMATS:
            raise UserError(f"A grid may have at most {MAX_FORMATS} values, not {steps + 1}")
        half = len(self.base.values) // 2
        if self.base.values[half] != 0 or self.base.values[0] != 0:
            raise UserError(
                f"{self.base.name} has no code for negative zero, which a supernormal value needs"
            )

    def formats(self) -> Iterator[Format]:
        """The formats, named after the new value: ``e2m1_p5`` for 5, ``e2m1_m39_16`` for -39/16.

        The quantum is the largest number that divides all values. Formats with a larger quantum
        come first, so a run that stops early has finished a coarser grid.
        """
        count = int((self.stop - self.start) / self.step) + 1
        values = (self.start + index * self.step for index in range(count))
        found = [self._with(value) for value in values if value not in self.base.values]
        yield from sorted(found, key=lambda fmt: fmt.quantum, reverse=True)

    def _with(self, value: Fraction) -> Format:
        """The format in which ``value`` takes the code of negative zero."""
        sign = "m" if value < 0 else "p"
        shown = f"{MINUS if value < 0 else '+'}{float(abs(value)):g}"
        digits = str(abs(value)).replace("/", "_")
        return replace(
            self.base,
            name=f"{self.base.name}_{sign}{digits}",
            title=f"{self.base.title}{shown}",
            values=tuple(with_supernormal(self.base.values, value)),
            ties=Ties.DOWN,
            source=f"{self.base.name} with {value} on the code of negative zero",
        )


@dataclass(frozen=True)
class ValueSets:
    """Formats whose codes consist of a sign and a magnitude: one format for each set of magnitudes.

    The magnitudes are integers: 0, the largest magnitude m, and others between them. A set whose
    magnitudes have a common divisor above 1 is left out, since the magnitudes divided by it are a
    set for a smaller m. Bit ``bits - 1`` of a code is the sign, so there are two zeros.

    Parameters
    ----------
    bits : int
        Width of the codes in bits, 2 to 5, with the sign.
    greatest : int
        The largest magnitude m, at least 2^(bits-1) - 1 and at most 64.

    Raises
    ------
    UserError
        A parameter is out of range, or there are more than 100,000 sets.
    """

    bits: int
    greatest: int

    def __post_init__(self) -> None:
        low, high = SET_BITS
        if type(self.bits) is not int or not low <= self.bits <= high:
            raise UserError(f"'bits' of value sets must be {low} to {high}, not {self.bits!r:.60}")
        least = self._free + 1
        if type(self.greatest) is not int or not least <= self.greatest <= MAX_MAGNITUDE:
            raise UserError(
                f"'max' of value sets of {self.bits} bits must be {least} to {MAX_MAGNITUDE}, "
                f"not {self.greatest!r:.60}"
            )
        count = comb(self.greatest - 1, self._free)
        if count > MAX_FORMATS:
            raise UserError(
                f"There are {count:,} value sets of {self.bits} bits with magnitudes up to "
                f"{self.greatest}; at most {MAX_FORMATS:,} are allowed"
            )

    @property
    def _free(self) -> int:
        """The number of magnitudes other than 0 and m."""
        return (1 << (self.bits - 1)) - 2

    def formats(self) -> Iterator[Format]:
        """The formats. Their names list the magnitudes, as in ``set_0_1_2_3_4_6_8_12``."""
        for inner in combinations(range(1, self.greatest), self._free):
            magnitudes = (0, *inner, self.greatest)
            if reduce(gcd, magnitudes) > 1:
                continue
            listed = ", ".join(map(str, magnitudes))
            yield Format(
                name="set_" + "_".join(map(str, magnitudes)),
                title=f"{{{listed}}}",
                bits=self.bits,
                values=tuple(Fraction(sign * each) for sign in (1, -1) for each in magnitudes),
                source=f"a sign and the magnitudes {listed}",
            )


Family = SupernormalGrid | ValueSets
