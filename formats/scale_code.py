"""Formats of block scales: codes of at most eight bits without a sign, and their values."""

import difflib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from halfbyte.base import UserError

__all__ = ["SCALE_CODES", "ScaleCode", "find_scale_code"]

_ALIASES = {"ue4m3": "e4m3", "e5m3": "ue5m3", "ue8m0": "e8m0"}


@dataclass(frozen=True)
class ScaleCode:
    """A format for block scales: an exponent and a mantissa, without a sign.

    The code of all ones is NaN. A format with a mantissa has subnormals and zero, as in IEEE 754.
    In a format without a mantissa, all other codes stand for powers of two.

    Parameters
    ----------
    name, title, source : str
        Short name, name for people, and where it is defined.
    exponent_bits, mantissa_bits, bias : int
        Field widths and bias of the format.
    """

    name: str
    title: str
    exponent_bits: int
    mantissa_bits: int
    bias: int
    source: str

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.exponent_bits + self.mantissa_bits

    @property
    def nan_code(self) -> int:
        """The code of NaN."""
        return (1 << self.bits) - 1

    @property
    def has_subnormals(self) -> bool:
        """Whether exponent field 0 means zero and subnormals."""
        return self.mantissa_bits > 0

    @property
    def quantum_exponent(self) -> int:
        """The exponent of the quantum: every value is a multiple of two to this power."""
        return self.has_subnormals - self.bias - self.mantissa_bits

    @property
    def largest_significand(self) -> int:
        """The largest significand as an integer, with the hidden bit."""
        return (2 << self.mantissa_bits) - 1

    @property
    def highest_shift(self) -> int:
        """The largest shift: a value is an integer significand, shifted left, times the quantum."""
        # With a mantissa, the fields 0 and 1 both mean shift 0: the first holds the subnormals.
        # Without one, field 0 means shift 0, and the highest field means NaN.
        return (1 << self.exponent_bits) - 2

    @property
    def largest_integer(self) -> int:
        """The largest value, in units of 2 to the power :attr:`quantum_exponent`."""
        largest = max(value for value in self.values if value is not None)
        return int(largest / Fraction(2) ** self.quantum_exponent)

    @cached_property
    def values(self) -> tuple[Fraction | None, ...]:
        """The value of each code, in the order of the codes; None for NaN."""
        return tuple(self._value(code) for code in range(1 << self.bits))

    def _value(self, code: int) -> Fraction | None:
        if code == self.nan_code:
            return None
        exponent, mantissa = code >> self.mantissa_bits, code & (1 << self.mantissa_bits) - 1
        is_subnormal = self.has_subnormals and exponent == 0
        significand = Fraction(mantissa, 1 << self.mantissa_bits) + (not is_subnormal)
        return significand * Fraction(2) ** (exponent + is_subnormal - self.bias)


_MX = "OCP Microscaling Formats (MX) 1.0, section 5.4.1"
SCALE_CODES = {
    code.name: code
    for code in (
        ScaleCode("e8m0", "E8M0", 8, 0, 127, _MX),
        ScaleCode("e4m3", "UE4M3", 4, 3, 7, "PTX ISA 8.7, ue4m3; NVFP4's block scale"),
        ScaleCode("ue5m3", "UE5M3", 5, 3, 15, "our own: E5M3 without a sign, all ones is NaN"),
    )
}


def find_scale_code(name: str, *, optional: bool = False) -> ScaleCode:
    """The scale format with this name. Raises UserError, which lists all names, if there is none.

    ``optional`` says whether the caller also accepts ``none``. If so, the message mentions it.
    """
    known = _ALIASES.get(name, name)
    if known in SCALE_CODES:
        return SCALE_CODES[known]
    nearest = difflib.get_close_matches(name, SCALE_CODES, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else "."
    without = "; or none, for no scales" if optional else ""
    raise UserError(
        f"Unknown scale format {name[:60]!r}{hint} Scale formats: {', '.join(SCALE_CODES)}{without}"
    )
