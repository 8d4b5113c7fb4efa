"""The exact product of two BF16 numbers."""

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Product"]

_BIAS = 127
_FRACTION = 7  # bits, without the hidden one
_SIGNIFICAND = 2 * (_FRACTION + 1)


class Product(wiring.Component):
    """Multiply two BF16 numbers without rounding; combinational.

    The product is ``(-1) ** negative * significand * 2 ** (exponent - 127 - 15)``. The significand
    is normalized: its top bit is 1 unless it is 0.

    Members
    -------
    w, a : ``In(16)``
        Operands: ``[15] sign, [14:7] exponent, [6:0] mantissa``.
    negative : ``Out(1)``
        The product's sign: the exclusive or of the operands' signs.
    exponent : ``Out(signed(10))``
        The product's exponent, biased by 127 as in FP32. It has no meaning if the significand is 0.
    significand : ``Out(16)``
        The product's significand, with one bit before the binary point.
    is_nan : ``Out(1)``
        High if an operand is NaN, and for 0 times infinity.
    is_infinite : ``Out(1)``
        High if an operand is infinite and the product is not NaN.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "w": In(16),
                "a": In(16),
                "negative": Out(1),
                "exponent": Out(signed(10)),
                "significand": Out(_SIGNIFICAND),
                "is_nan": Out(1),
                "is_infinite": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Unpack
        exponents, significands, nans, infinities, zeros = [], [], [], [], []
        for name, word in (("w", self.w), ("a", self.a)):
            fraction, field = word[:_FRACTION], word[_FRACTION:-1]
            is_normal = Signal(name=f"{name}_is_normal")
            is_special = Signal(name=f"{name}_is_special")
            has_fraction = Signal(name=f"{name}_has_fraction")
            m.d.comb += [
                is_normal.eq(field.any()),
                is_special.eq(field.all()),
                has_fraction.eq(fraction.any()),
            ]
            exponents.append(Cat(field[0] | ~is_normal, field[1:]))  # subnormals have exponent 1
            significands.append(Cat(fraction, is_normal))
            nans.append(is_special & has_fraction)
            infinities.append(is_special & ~has_fraction)
            zeros.append(~is_normal & ~has_fraction)

        # Multiply exactly
        whole = Signal(_SIGNIFICAND)
        m.d.comb += whole.eq(significands[0] * significands[1])

        # Normalize
        shifted: Value = whole
        zeros_above: list[Value] = []
        for step in (8, 4, 2, 1):
            has_room = Signal(name=f"room_for_{step}")
            following = Signal(_SIGNIFICAND, name=f"after_{step}")
            m.d.comb += has_room.eq(~shifted[-step:].any())
            m.d.comb += following.eq(shifted)
            with m.If(has_room):
                m.d.comb += following.eq(shifted << step)
            zeros_above.insert(0, has_room)
            shifted = following
        is_any_nan = nans[0] | nans[1]
        is_any_infinite = infinities[0] | infinities[1]
        is_invalid = is_any_infinite & (zeros[0] | zeros[1])
        m.d.comb += [
            self.negative.eq(self.w[-1] ^ self.a[-1]),
            # The sum of both exponents contains the bias twice, so one bias is subtracted. The 1 is
            # for the product's second bit before the binary point.
            self.exponent.eq(exponents[0] + exponents[1] - Cat(zeros_above) - (_BIAS - 1)),
            self.significand.eq(shifted),
            self.is_nan.eq(is_any_nan | is_invalid),
            self.is_infinite.eq(is_any_infinite & ~is_any_nan & ~is_invalid),
        ]
        return m
