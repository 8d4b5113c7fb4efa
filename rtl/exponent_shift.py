"""A multiplier for minifloats, which multiplies significands and shifts by the sum of exponents."""

from amaranth.hdl import Module, Shape, Signal

from halfbyte.formats import Format
from halfbyte.rtl.architecture import MultiplierArchitecture, magnitude_product_shape
from halfbyte.rtl.decoder import lookup, sign_table

__all__ = ["ExponentShift", "split_magnitude"]


def _significand_width(fmt: Format) -> int:
    """Bits of the significand with its hidden bit.

    Each magnitude is counted without its trailing zeros, and the longest one decides.
    """
    return max((abs(i) // (i & -i)).bit_length() for i in fmt.integers if i)


def split_magnitude(magnitude: int, significand_width: int) -> tuple[int, int]:
    """``(significand, shift)`` with ``significand << shift == magnitude``.

    The significand has ``significand_width`` bits. If the magnitude has fewer bits, as that of a
    subnormal does, it is the significand, and the shift is 0.
    """
    shift = max(0, magnitude.bit_length() - significand_width)
    return magnitude >> shift, shift


def _shifted_magnitudes(fmt: Format) -> set[int]:
    """The magnitudes of a format that have a shift above 0."""
    width = _significand_width(fmt)
    return {abs(i) for i in fmt.integers if split_magnitude(abs(i), width)[1]}


class ExponentShift(MultiplierArchitecture):
    """Multiply the significands, add the exponents, and shift the product by the sum."""

    name = "exponent_shift"
    description = "significands multiplied and shifted by the sum of exponents, for minifloats"

    @classmethod
    def refusal(cls, weight: Format, activation: Format) -> str | None:
        # A two's complement format has one magnitude with a shift, 2^(n-1), but no exponent.
        if len(_shifted_magnitudes(weight)) < 2 and len(_shifted_magnitudes(activation)) < 2:
            return "neither format has an exponent: their significands are whole magnitudes"
        return None

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return magnitude_product_shape(weight, activation)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        significands, shifts, signs = [], [], []
        for side, fmt, code in (("w", self.weight, self.w), ("a", self.activation, self.a)):
            has_exponent = len(_shifted_magnitudes(fmt)) >= 2
            width = _significand_width(fmt) if has_exponent else fmt.magnitude_width
            parts = [split_magnitude(abs(integer), width) for integer in fmt.integers]
            significand = Signal(width, name=f"significand_{side}")
            shift = Signal(range(max(part[1] for part in parts) + 1), name=f"shift_{side}")
            negative = Signal(name=f"negative_{side}")
            lookup(m, code, [part[0] for part in parts], significand)
            lookup(m, code, [part[1] for part in parts], shift)
            lookup(m, code, sign_table(fmt), negative)
            significands.append(significand)
            shifts.append(shift)
            signs.append(negative)
        m.d.comb += [
            self.term.eq((significands[0] * significands[1]) << (shifts[0] + shifts[1])),
            self.negate.eq(signs[0] ^ signs[1]),
        ]
        return m
