"""Add an exact product to an FP32 number, and round once."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Accumulate"]

_FRACTION = 23  # bits of an FP32 significand, without the hidden one
_SIGNIFICAND = _FRACTION + 1
_EXTRA = 3  # guard, round and sticky bit
_INFINITY = 0xFF
_QUIET_NAN = 0x7FC0_0000


class Accumulate(wiring.Component):
    """Add a product to an FP32 number, and round the sum once to nearest even; combinational.

    This is the second half of IEEE 754's fused multiply-add. Subnormals are kept. Overflow gives
    infinity. A sum that is exactly zero is +0, unless both summands are -0. Every NaN result is
    7FC00000.

    The product may be that of two BF16 numbers, or that of a sum of products and the scales that
    these products share.

    Parameters
    ----------
    significand_bits : :class:`int`
        Bits of the product's significand, 1 or more.
    exponent_bits : :class:`int`
        Bits of the product's exponent, sign included, 10 or more.

    Members
    -------
    negative : ``In(1)``
        The product's sign.
    exponent : ``In(signed(exponent_bits))``
        The product's exponent, biased by 127 as in FP32. It is ignored if the significand is 0.
    significand : ``In(significand_bits)``
        The product's significand, with one bit before the binary point. The top bit must be 1,
        unless all bits are 0.
    is_nan, is_infinite : ``In(1)``
        High if the product is NaN or infinite. They must not both be high.
    augend : ``In(32)``
        The FP32 number to add to.
    total : ``Out(32)``
        Sum of product and augend, rounded to FP32.
    """

    def __init__(self, *, significand_bits: int = 16, exponent_bits: int = 10) -> None:
        if significand_bits < 1 or exponent_bits < 10:
            raise ValueError(
                "The product needs at least 1 bit of significand and 10 bits of exponent, not "
                f"{significand_bits} and {exponent_bits}"
            )
        self.significand_bits = significand_bits
        self.exponent_bits = exponent_bits
        super().__init__(
            {
                "negative": In(1),
                "exponent": In(signed(exponent_bits)),
                "significand": In(significand_bits),
                "is_nan": In(1),
                "is_infinite": In(1),
                "augend": In(32),
                "total": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = max(_SIGNIFICAND, self.significand_bits)  # of both summands
        sum_width = 1 + width + _EXTRA  # the 1 is for a carry

        # Unpack
        fraction, field = self.augend[:_FRACTION], self.augend[_FRACTION:-1]
        is_normal = Signal()
        is_special = Signal()
        exponent = Signal(8)
        significand = Signal(width)
        m.d.comb += [
            is_normal.eq(field.any()),
            is_special.eq(field.all()),
            exponent.eq(Cat(field[0] | ~is_normal, field[1:])),  # subnormals have exponent 1
            significand.eq(Cat(Const(0, width - _SIGNIFICAND), fraction, is_normal)),
        ]

        # Align: the summand with the lower exponent (`lower`) moves right. A product of 0 is always
        # the lower one. A subnormal augend has exponent 1. If it is the upper summand, the product
        # is 0 or has an exponent below 1, so the sum needs at most one bit more, for a carry.
        difference = Signal(signed(self.exponent_bits + 1))
        product_is_upper = Signal()
        distance = Signal(self.exponent_bits + 1)
        upper = Signal(width)
        lower = Signal(width)
        upper_exponent = Signal(self.exponent_bits - 1)
        product = Cat(Const(0, width - self.significand_bits), self.significand)
        m.d.comb += [
            difference.eq(self.exponent - exponent),
            product_is_upper.eq((difference >= 0) & self.significand[-1]),
            distance.eq(Mux(difference >= 0, difference, -difference)),
            upper.eq(Mux(product_is_upper, product, significand)),
            lower.eq(Mux(product_is_upper, significand, product)),
            upper_exponent.eq(Mux(product_is_upper, self.exponent, exponent)),
        ]
        aligned = self._shifted_right(m, lower, distance)

        # Add. The difference of the aligned summands may be negative if neither moved, or if the
        # upper one is subnormal. The sticky bit stands for all bits that were lost below it, even
        # if the lower summand is subtracted.
        subtract = Signal()
        difference_or_sum = Signal(signed(sum_width + 1))
        is_negative = Signal()
        magnitude = Signal(sum_width)
        operand = Cat(aligned, Const(0, 1)) ^ subtract.replicate(sum_width)
        m.d.comb += [
            subtract.eq(self.negative ^ self.augend[-1]),
            difference_or_sum.eq(
                Cat(Const(0, _EXTRA), upper, Const(0, 2)).as_signed()
                + Cat(operand, subtract).as_signed()
                + subtract
            ),
            is_negative.eq(difference_or_sum[-1]),
            magnitude.eq(
                (difference_or_sum ^ is_negative.replicate(sum_width + 1))[:sum_width] + is_negative
            ),
        ]

        # Normalize: shift left by the number of leading zeros, unless the exponent would fall
        # below 1
        zeros = self._leading_zeros(m, magnitude)
        shift = Signal(len(zeros))
        normalized = Signal(sum_width)
        result_exponent = Signal(self.exponent_bits)
        m.d.comb += [
            shift.eq(Mux(zeros > upper_exponent, upper_exponent, zeros)),
            normalized.eq(magnitude << shift),
            result_exponent.eq(
                Mux(normalized[-1], upper_exponent + 1 - shift, 0)  # 0 if subnormal
            ),
        ]

        # Round to nearest even; a carry out of the significand raises the exponent
        kept, rest = normalized[-_SIGNIFICAND:-1], normalized[:-_SIGNIFICAND]
        guard, sticky = rest[-1], rest[:-1].any()
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
        """``word`` with three bits below it, shifted right; the lowest bit is the sticky bit."""
        shifted: Value = Cat(Const(0, _EXTRA), word)
        steps = (len(shifted) - 1).bit_length()
        for place in range(steps):
            step = 1 << place
            following = Signal(len(shifted), name=f"aligned_by_{step}")
            lost = shifted[: step + 1].any()
            m.d.comb += following.eq(Mux(distance[place], Cat(lost, shifted[step + 1 :]), shifted))
            shifted = following
        result = Signal(len(shifted))
        m.d.comb += result.eq(Mux(distance[steps:].any(), word.any(), shifted))
        return result

    @staticmethod
    def _leading_zeros(m: Module, word: Value) -> Value:
        """Number of zeros above the highest 1 of ``word``; the length of ``word`` if it is 0."""
        steps = len(word).bit_length()
        spare = (1 << steps) - len(word)
        # The ones that are added below `word` end the count
        rest: Value = Cat(Const((1 << spare) - 1, spare), word)
        bits: list[Value] = []
        for place in reversed(range(steps)):
            step = 1 << place
            is_clear = Signal(name=f"zeros_{step}")
            following = Signal(step, name=f"rest_{step}")
            m.d.comb += [
                is_clear.eq(~rest[step:].any()),
                following.eq(Mux(is_clear, rest[:step], rest[step:])),
            ]
            rest = following
            bits.insert(0, is_clear)
        return Cat(bits)
