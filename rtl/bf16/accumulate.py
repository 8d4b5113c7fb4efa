"""An FP32 number plus an exact product, rounded once."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Accumulate"]

_FRACTION = 23  # bits of FP32, without the hidden one
_SIGNIFICAND = _FRACTION + 1
_EXTRA = 3  # guard, round and sticky bit
_SUM = 1 + _SIGNIFICAND + _EXTRA  # with a carry
_INFINITY = 0xFF
_QUIET_NAN = 0x7FC0_0000


class Accumulate(wiring.Component):
    """Adds a product to an FP32 number, rounded once to nearest even; combinational.

    IEEE 754's fused multiply-add: subnormals are kept, overflow gives infinity, exact zeros are
    +0 unless both summands are -0, and every NaN is 7FC00000.

    Members
    -------
    negative, exponent, significand, is_nan, is_infinite : ``In``
        The product, as :class:`Product` gives it.
    augend : ``In(32)``
        The number to add to.
    total : ``Out(32)``
        The sum.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "negative": In(1),
                "exponent": In(signed(10)),
                "significand": In(16),
                "is_nan": In(1),
                "is_infinite": In(1),
                "augend": In(32),
                "total": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Unpack
        fraction, field = self.augend[:_FRACTION], self.augend[_FRACTION:-1]
        is_normal = Signal()
        is_special = Signal()
        exponent = Signal(8)
        significand = Signal(_SIGNIFICAND)
        m.d.comb += [
            is_normal.eq(field.any()),
            is_special.eq(field.all()),
            exponent.eq(Cat(field[0] | ~is_normal, field[1:])),  # subnormals have exponent 1
            significand.eq(Cat(fraction, is_normal)),
        ]

        # Align: the summand with the lower exponent moves right. A product of 0 counts as lower; an
        # augend that is subnormal has the least exponent that there is, so that where it is the
        # upper one, no bit of the sum lies above its place.
        difference = Signal(signed(11))
        product_is_upper = Signal()
        distance = Signal(11)
        upper = Signal(_SIGNIFICAND)
        lower = Signal(_SIGNIFICAND)
        upper_exponent = Signal(9)
        product = Cat(Const(0, _SIGNIFICAND - len(self.significand)), self.significand)
        m.d.comb += [
            difference.eq(self.exponent - exponent),
            product_is_upper.eq((difference >= 0) & self.significand[-1]),
            distance.eq(Mux(difference >= 0, difference, -difference)),
            upper.eq(Mux(product_is_upper, product, significand)),
            lower.eq(Mux(product_is_upper, significand, product)),
            upper_exponent.eq(Mux(product_is_upper, self.exponent, exponent)),
        ]
        aligned = self._shifted_right(m, lower, distance)

        # Add; the difference of aligned summands may be negative if neither moved, or the upper is
        # subnormal. The sticky bit stands for a fraction of its place, with either sign.
        subtract = Signal()
        difference_or_sum = Signal(signed(_SUM + 1))
        is_negative = Signal()
        magnitude = Signal(_SUM)
        operand = Cat(aligned, Const(0, 1)) ^ subtract.replicate(_SUM)
        m.d.comb += [
            subtract.eq(self.negative ^ self.augend[-1]),
            difference_or_sum.eq(
                Cat(Const(0, _EXTRA), upper, Const(0, 2)).as_signed()
                + Cat(operand, subtract).as_signed()
                + subtract
            ),
            is_negative.eq(difference_or_sum[-1]),
            magnitude.eq(
                (difference_or_sum ^ is_negative.replicate(_SUM + 1))[:_SUM] + is_negative
            ),
        ]

        # Normalize: as far left as zeros and the least exponent allow
        zeros = self._leading_zeros(m, magnitude)
        shift = Signal(5)
        normalized = Signal(_SUM)
        result_exponent = Signal(10)
        m.d.comb += [
            shift.eq(Mux(zeros > upper_exponent, upper_exponent, zeros)),
            normalized.eq(magnitude << shift),
            result_exponent.eq(
                Mux(normalized[-1], upper_exponent + 1 - shift, 0)  # 0 if subnormal
            ),
        ]

        # Round to nearest even; a carry out of the significand raises the exponent
        kept = normalized[_EXTRA + 1 : -1]
        guard, sticky = normalized[_EXTRA], normalized[:_EXTRA].any()
        rounded = Signal(_FRACTION + len(result_exponent))
        overflows = Signal()
        m.d.comb += [
            rounded.eq(Cat(kept, result_exponent) + (guard & (sticky | kept[0]))),
            overflows.eq(rounded[_FRACTION:] >= _INFINITY),
        ]

        # Pack
        augend_is_infinite = is_special & ~fraction.any()
        is_invalid = self.is_infinite & augend_is_infinite & subtract
        sign = Signal()
        upper_negative = Mux(product_is_upper, self.negative, self.augend[-1])
        is_zero = ~magnitude.any()
        m.d.comb += sign.eq((upper_negative ^ is_negative) & ~(subtract & is_zero))
        infinity = Const(_INFINITY << _FRACTION, 31)
        with m.If(self.is_nan | (is_special & fraction.any()) | is_invalid):
            m.d.comb += self.total.eq(_QUIET_NAN)
        with m.Elif(self.is_infinite):
            m.d.comb += self.total.eq(Cat(infinity, self.negative))
        with m.Elif(augend_is_infinite):
            m.d.comb += self.total.eq(self.augend)
        with m.Else():
            m.d.comb += self.total.eq(Cat(Mux(overflows, infinity, rounded[:31]), sign))
        return m

    @staticmethod
    def _shifted_right(m: Module, word: Value, distance: Value) -> Value:
        """``word`` with extra bits below, shifted; its lowest bit stands for all that is lost."""
        shifted: Value = Cat(Const(0, _EXTRA), word)
        for place, step in enumerate((1, 2, 4, 8, 16)):
            following = Signal(len(shifted), name=f"aligned_by_{step}")
            lost = shifted[: step + 1].any()
            m.d.comb += following.eq(Mux(distance[place], Cat(lost, shifted[step + 1 :]), shifted))
            shifted = following
        result = Signal(len(shifted))
        m.d.comb += result.eq(Mux(distance[5:].any(), word.any(), shifted))
        return result

    @staticmethod
    def _leading_zeros(m: Module, word: Value) -> Value:
        """How many bits above the highest 1; 31 if there is none."""
        rest: Value = Cat(Const(15, 32 - len(word)), word)  # ones below end the zeros
        bits: list[Value] = []
        for step in (16, 8, 4, 2, 1):
            is_clear = Signal(name=f"zeros_{step}")
            following = Signal(step, name=f"rest_{step}")
            m.d.comb += [
                is_clear.eq(~rest[step:].any()),
                following.eq(Mux(is_clear, rest[:step], rest[step:])),
            ]
            rest = following
            bits.insert(0, is_clear)
        return Cat(bits)
