"""``Format``: the codes of one number format and their exact values."""

import enum
import keyword
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from halfbyte.formats.errors import FormatError
from halfbyte.formats.integers import signed_width

__all__ = ["MAX_INTEGER_BITS", "Format", "Ties", "check_name"]

MIN_BITS, MAX_BITS = 2, 8
# The golden model adds in int64, which holds the sum of 2^20 products of two 20-bit magnitudes.
MAX_INTEGER_BITS = 20
MAX_NAME_LENGTH = 40
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Ties(enum.Enum):
    """To which value the encoder rounds an input that lies half-way between two values."""

    DOWN = "down"
    """To the lower value (the rule of Dotzel et al., 2024)."""

    EVEN = "even"
    """To the code whose last bit is 0 (OCP MX, ``ml_dtypes``, two's complement integers)."""


def check_name(name: object) -> str:
    """Return ``name`` if it can name a format; raise :class:`FormatError` otherwise.

    Names become parts of file names, Verilog modules and Yosys scripts. So a name must be a
    lower-case Python identifier that starts with a letter.
    """
    if not isinstance(name, str):
        raise FormatError(f"Format name must be text, not {type(name).__name__}")
    if len(name) > MAX_NAME_LENGTH:
        raise FormatError(
            f"Format name must have at most {MAX_NAME_LENGTH} characters, not {len(name)}"
        )
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise FormatError(
            "Format name must be a lower-case Python identifier that starts with a letter, "
            f"not {name!r}"
        )
    return name


@dataclass(frozen=True)
class Format:
    """A number format: codes of 2 to 8 bits, and an exact rational value for each code.

    Parameters
    ----------
    name : str
        Lower-case Python identifier.
    title : str
        The name that people read.
    bits : int
        Bits of a code, sign included.
    values : tuple of Fraction
        ``2 ** bits`` values in the order of the codes; bit 0 of a code is the least significant.
    ties : Ties
        To which value the encoder rounds an input half-way between two neighbouring values.
    source : str
        Where the values come from.
    family : str
        How the values were given: listed (``values``), or by the parameters of a family
        (``integer``, ``minifloat``, ``apot`` or ``quantile``).
    nan_codes : tuple of int
        Codes that the format's standard calls NaN. Integer hardware has no NaN. So when a format
        file is read, each of these codes gets the largest finite value of the same sign. The
        encoder never gives these codes.

    Raises
    ------
    FormatError
        A parameter is wrong. The message is one line: what is wanted, and what was given.
    """

    name: str
    title: str
    bits: int
    values: tuple[Fraction, ...]
    ties: Ties = Ties.DOWN
    source: str = ""
    family: str = "values"
    nan_codes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if type(self.bits) is not int:
            raise FormatError(f"{self.name}: bits must be an integer, not {self.bits!r}")
        if not MIN_BITS <= self.bits <= MAX_BITS:
            raise FormatError(
                f"{self.name}: bits must be {MIN_BITS} to {MAX_BITS}, not {self.bits}"
            )
        if len(self.values) != 2**self.bits:
            raise FormatError(
                f"{self.name}: {self.bits} bits need {2**self.bits} values, not {len(self.values)}"
            )
        for value in self.values:
            if not isinstance(value, Fraction):
                raise FormatError(f"{self.name}: values must be exact fractions, not {value!r:.60}")
        if max(self.values) <= 0:
            raise FormatError(
                f"{self.name}: at least one value must be positive; the greatest is "
                f"{max(self.values)}"
            )
        needed = max(abs(integer) for integer in self.integers).bit_length()
        if needed > MAX_INTEGER_BITS:
            raise FormatError(
                f"{self.name}: written as integers times the quantum {self.quantum}, the values "
                f"need {needed} bits of magnitude; at most {MAX_INTEGER_BITS} are supported"
            )
        if self.ties is Ties.EVEN:
            self._check_even_ties()

    def _check_even_ties(self) -> None:
        """Check that exactly one of any two neighbouring values has an even code."""
        codes = self.sorted_codes
        for lower, upper in pairwise(codes):
            if (lower ^ upper) & 1 == 0:
                raise FormatError(
                    f"{self.name}: 'ties: even' needs one even code in each pair of neighbours; "
                    f"{self.values[lower]} and {self.values[upper]} have codes {lower} and {upper}"
                )

    @cached_property
    def quantum(self) -> Fraction:
        """The largest rational that divides every value."""
        denominator = math.lcm(*(value.denominator for value in self.values))
        numerator = math.gcd(*(int(value * denominator) for value in self.values))
        return Fraction(numerator, denominator)

    @cached_property
    def integers(self) -> tuple[int, ...]:
        """The values in units of the quantum, in the order of the codes."""
        return tuple(int(value / self.quantum) for value in self.values)

    @cached_property
    def sorted_codes(self) -> tuple[int, ...]:
        """The smallest code of each value, in ascending order of the values; no NaN codes."""
        first: dict[Fraction, int] = {}
        for code, value in enumerate(self.values):
            if code not in self.nan_codes:
                first.setdefault(value, code)
        return tuple(first[value] for value in sorted(first))

    @property
    def max_value(self) -> Fraction:
        """The highest value. The largest magnitude of a block is scaled to it."""
        return max(self.values)

    @property
    def integer_width(self) -> int:
        """Bits of the smallest two's complement word that holds every integer."""
        return signed_width(min(self.integers), max(self.integers))

    @property
    def magnitude_width(self) -> int:
        """Bits of the largest magnitude among the integers, without a sign."""
        return max(abs(integer) for integer in self.integers).bit_length()
