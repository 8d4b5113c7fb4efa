"""A small circuit that adds a scaled block to an FP32 number and rounds once.

A scaled block is a sum of products times its two scales. For finite summands the circuit gives the
same sums as :class:`halfbyte.rtl.bf16.accumulate.Accumulate`, except that a sum of exactly 0 is
always +0. It needs less area:

- It compares magnitudes before it subtracts, so a difference can be negative only if a summand is
  subnormal.
- Rounding and negation share one carry chain.
- The sticky bit comes from the shifter alone.
- It has no logic for cases that the range of the block's scales excludes.
"""

from dataclasses import dataclass
from typing import ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dot.adders import AdderStyle
from halfbyte.rtl.dot.tree import add_words

__all__ = ["Fp32Sum"]

_FRACTION, _SIGNIFICAND = 23, 24  # bits of FP32, without and with the hidden one
_EXTRA = 3  # guard, round and sticky bit
_STEPS = 5  # the number of multiplexers in a row that shift by 0 to 31 bits


def _net(m: Module, value: Value, name: str) -> Signal:
    """A new signal called ``name``, driven with ``value``."""
    net = Signal(len(value), name=name)
    m.d.comb += net.eq(value)
    return net


@dataclass(frozen=True)
class _Order:
    """Which summand has the greater magnitude, and how far the other one, the lower, moves right.

    ``distance`` is in bits. If ``is_far`` is high, the lower summand moves by 32 bits or more, so
    at most a sticky bit of it is left. ``is_far`` is also high if the augend is infinite or NaN.
    """

    block_is_upper: Value
    distance: Value
    is_far: Value


class Fp32Sum(wiring.Component):
    """Add a block to an FP32 number, and round the sum once to nearest even; combinational.

    Parameters
    ----------
    significand_bits : :class:`int`
        Bits of the block's significand, at most ``MAX_BITS``.
    exponent_bits : :class:`int`
        Bits of the block's exponent, in two's complement.
    limited : :class:`bool`
        True if no sum can overflow or be subnormal; the logic for both is then left out.
    style : :class:`AdderStyle`
        The kind of the adders.

    Members
    -------
    negative, exponent, significand, is_nan : ``In``
        The block, as :class:`ScaledBlock` gives it.
    augend : ``In(32)``
        The FP32 number. Its only NaN is 7FC00000.
    total : ``Out(32)``
        The sum; +0 if it is exactly 0.
    """

    MAX_BITS: ClassVar[int] = _SIGNIFICAND

    def __init__(
        self, *, significand_bits: int, exponent_bits: int, limited: bool, style: AdderStyle
    ) -> None:
        self.significand_bits, self.exponent_bits = significand_bits, exponent_bits
        self.limited, self.style = limited, style
        super().__init__(
            {
                "negative": In(1),
                "exponent": In(exponent_bits),
                "significand": In(significand_bits),
                "is_nan": In(1),
                "augend": In(32),
                "total": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Unpack
        fraction, field = self.augend[:_FRACTION], self.augend[_FRACTION:-1]
        is_normal = _net(m, field.any(), "is_normal")
        # Subnormals have exponent 1. If `limited`, only 0 is not normal, and its exponent may be 0.
        exponent = field if self.limited else Cat(field[0] | ~is_normal, field[1:])
        # If `limited`, the top two bits of the exponent are both 1 only in a NaN.
        is_special = _net(m, field[-2:].all() if self.limited else field.all(), "is_special")
        augend = Cat(fraction, is_normal)
        block = Cat(Const(0, _SIGNIFICAND - self.significand_bits), self.significand)
        is_nan = _net(
            m,
            self.is_nan | (is_special if self.limited else is_special & fraction[-1]),
            "not_a_number",
        )

        # Compare, then shift the smaller summand
        order = self._order(m, augend, block, exponent, is_special)
        block_is_upper = order.block_is_upper
        upper = _net(m, Mux(block_is_upper, block, augend), "upper")
        lower_is_block = _net(m, ~(block_is_upper | order.is_far), "lower_is_block")
        lower_is_augend = _net(m, block_is_upper & ~order.is_far, "lower_is_augend")
        lower = _net(
            m,
            (block & lower_is_block.replicate(_SIGNIFICAND))
            | (augend & lower_is_augend.replicate(_SIGNIFICAND)),
            "lower",
        )
        # A block that is shifted out completely may still make the sum -0 instead of +0.
        sticky = Const(0, 1) if self.limited else order.is_far & self.significand[-1]
        aligned = self._shifted_right(m, lower, order.distance, sticky)

        # Add or subtract
        subtract = _net(m, self.negative ^ self.augend[-1], "subtract")
        whole, flip = self._added(m, upper, aligned, subtract)

        # Normalize, round
        upper_exponent = _net(
            m,
            Mux(block_is_upper, self.exponent[: 8 if self.limited else -1], exponent),
            "upper_exponent",
        )
        normalized, zeros = self._shifted_left(m, whole, upper_exponent)
        rest, kept = normalized[:_EXTRA], normalized[_EXTRA + 1 : -1]
        hidden = normalized[-1]
        guard = normalized[_EXTRA]
        up = _net(m, guard & (kept[0] | rest.any()), "up")
        rounded, carry = self._incremented(m, kept, up, flip)

        # Pack
        sign = Mux(block_is_upper, self.negative, self.augend[-1])
        if self.limited:
            result_exponent = add_words(
                m, self.style, 8, upper_exponent, ~zeros, carry, constant=2 - (1 << len(zeros))
            )
            m.d.comb += self.total.eq(
                Cat(
                    (rounded & (~is_nan).replicate(_FRACTION))[:-1],
                    (rounded[-1] & ~is_nan) | is_nan,
                    (result_exponent & hidden.replicate(8)) | is_nan.replicate(8),
                    sign & hidden & ~is_nan,
                )
            )
            return m
        is_number = hidden & ~flip
        raw = add_words(
            m,
            self.style,
            len(upper_exponent),
            upper_exponent,
            ~zeros,
            carry,
            constant=2 - (1 << len(zeros)),
        )
        # A subnormal sum has exponent 0, or 1 if rounding makes it normal.
        overflows = _net(m, (is_number & (raw[8:].any() | raw[:8].all())) | is_nan, "overflows")
        stays = ~overflows
        is_zero = ~(normalized.any())
        m.d.comb += self.total.eq(
            Cat(
                (rounded & stays.replicate(_FRACTION))[:-1],
                (rounded[-1] & stays) | is_nan,
                Mux(is_number, raw[0], carry) | overflows,
                (raw[1:8] & is_number.replicate(7)) | overflows.replicate(7),
                (sign ^ flip) & ~is_zero & ~is_nan,
            )
        )
        return m

    def _order(
        self, m: Module, augend: Value, block: Value, exponent: Value, is_special: Value
    ) -> _Order:
        """Compare the magnitudes, by subtracting the augend's exponent from the block's.

        The carry in, ``reaches``, is 1 if the block's significand is at least the augend's.
        """
        reaches = _net(m, ~augend[: _SIGNIFICAND - self.significand_bits].any(), "reaches0")
        for place in range(_SIGNIFICAND - self.significand_bits, _SIGNIFICAND):
            one, other = block[place], ~augend[place]
            reaches = _net(m, (one & other) | (reaches & (one | other)), f"reaches{place}")
        width = self.exponent_bits
        # The difference of the exponents, minus 1, plus `reaches`. It is not negative if the block
        # is at least as large as the augend.
        difference = add_words(
            m, self.style, width, self.exponent, ~exponent, reaches, constant=-(1 << 8)
        )
        below = _net(m, difference[-1] | is_special, "below")
        block_is_upper = _net(m, ~below & self.significand[-1], "block_is_upper")
        # The distance is the absolute value of the exponents' difference. `carry` undoes the effect
        # of `reaches`.
        carry: Value = ~(reaches ^ below)
        bits = []
        magnitude = _net(m, difference[:-1] ^ below.replicate(width - 1), "magnitude")
        for bit in magnitude[:_STEPS]:
            bits.append(bit ^ carry)
            carry = bit & carry
        is_far = _net(m, carry | magnitude[_STEPS:].any() | is_special, "is_far")
        return _Order(block_is_upper, _net(m, Cat(*bits), "distance"), is_far)

    def _shifted_right(self, m: Module, word: Value, distance: Value, sticky: Value) -> Value:
        """``word`` with three bits below it, shifted right; the lowest bit is the sticky bit."""
        shifted: Value = Cat(sticky, Const(0, _EXTRA - 1), word)
        for place in range(_STEPS):
            step = 1 << place
            lost = (distance[place] & shifted[1 : step + 1].any()) | shifted[0]
            rest = Mux(distance[place], shifted[step + 1 :], shifted[1:])
            shifted = _net(m, Cat(lost, rest), f"aligned_by_{step}")
        return shifted

    def _added(self, m: Module, upper: Value, lower: Value, subtract: Value) -> tuple[Value, Value]:
        """The sum, or the difference if ``subtract``, and whether it is negative.

        A difference can be negative only if a summand is subnormal.
        """
        low, rest = lower[:_EXTRA], lower[_EXTRA:]
        # -x has the bits of x up to the lowest 1, and the inverted bits of x above.
        below = Cat(low[0], low[1] ^ (subtract & low[0]), low[2] ^ (subtract & low[:2].any()))
        carry = subtract & ~low.any()
        total = add_words(
            m,
            self.style,
            _SIGNIFICAND + 1,
            upper,
            rest ^ subtract.replicate(_SIGNIFICAND),
            carry,
        )
        top = total[-1] & ~subtract
        whole = _net(m, Cat(below, total[:-1], top), "whole")
        flip = Const(0, 1) if self.limited else _net(m, subtract & ~total[-1], "flip")
        return whole, flip

    def _shifted_left(self, m: Module, word: Value, limit: Value) -> tuple[Value, Value]:
        """``word`` shifted left until its top bit is 1, and the distance of the shift, in bits.

        The shift is at most ``limit``, so that a subnormal sum stays subnormal. A limited circuit
        ignores ``limit``, since it has no subnormal sums.
        """
        zeros: list[Value] = []
        unlimited = _net(m, limit[_STEPS:].any(), "unlimited")
        for place in reversed(range(_STEPS)):
            step = 1 << place
            is_clear: Value = ~word[-step:].any()
            if not self.limited:
                is_clear = is_clear & (unlimited | limit[place])
            is_clear = _net(m, is_clear, f"clear_{step}")
            if not self.limited:
                unlimited = _net(
                    m, unlimited | (limit[place] & ~is_clear), f"unlimited_below_{step}"
                )
            moved = Cat(Const(0, step), word)[: len(word)]
            word = _net(m, Mux(is_clear, moved, word), f"normalized_by_{step}")
            zeros.insert(0, is_clear)
        return word, _net(m, Cat(*zeros), "zeros")

    def _incremented(self, m: Module, word: Value, up: Value, flip: Value) -> tuple[Value, Value]:
        """``word + up``, or ``-(word + up)`` if ``flip``; and the carry out of it.

        The negated sum is ``~word + ~up``, where ``up`` is one bit. All bits of its summands, and
        so its carries, are inverted. With inverted carries, the XOR for a bit of the sum stays the
        same. The AND for a carry becomes an OR.
        """
        bits = []
        carry = up
        for place, bit in enumerate(word):
            bits.append(bit ^ carry)
            following = bit & carry if self.limited else Mux(flip, bit | carry, bit & carry)
            carry = _net(m, following, f"rounding_carry{place}")
        return Cat(*bits), carry ^ flip
