"""A tree of full adders and half adders that adds signed bits.

Every bit has a *place* and a sign: at place n it counts 2^n or -2^n. A full adder takes three bits
of the same place and the same sign, and gives two: a sum and a carry, so it removes exactly one
bit. The number of bits that go in therefore determines the number of adders. An inverter changes
the sign of a bit: ``-x = ~x - 1``. The constants of all such changes are added up into one number,
which costs almost no area.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Signal, Value

from halfbyte.rtl.dot.adders import (
    HALF,
    HALF_PLUS_ONE,
    LAST,
    PLAIN,
    AdderStyle,
    FinalAdder,
    place_adder,
)

__all__ = ["Bit", "SignedColumns", "add_words"]

# Delays, in gate delays: from the last input of a full adder to its sum and to its carry, and from
# the last input of a half adder to its outputs.
_TOTAL_DELAY, _CARRY_DELAY = 1.2, 1.0
_HALF_DELAY = 0.5


class Bit(NamedTuple):
    """A bit of the tree; ``ready`` is its estimated arrival time, in gate delays.

    ``held`` says that the bit comes from the accumulator. Places above the highest bit of the
    products have only bits from the accumulator.
    """

    net: Value
    negative: bool = False
    ready: float = 0.0
    held: bool = False


@dataclass
class _Column:
    """The bits of one place, by sign, the earliest first."""

    positive: list[Bit]
    negative: list[Bit]

    @classmethod
    def of(cls, bits: list[Bit]) -> "_Column":
        column = cls([], [])
        for bit in bits:
            column.add(bit)
        return column

    def add(self, bit: Bit) -> None:
        group = self.negative if bit.negative else self.positive
        group.append(bit)
        group.sort(key=lambda each: each.ready)

    def remove(self, bit: Bit) -> None:
        # Compare by identity: ``==`` on nets would make a new net.
        group = self.negative if bit.negative else self.positive
        group[:] = [each for each in group if each is not bit]

    @property
    def bits(self) -> list[Bit]:
        return [*self.positive, *self.negative]

    @property
    def triple(self) -> list[Bit] | None:
        """The three earliest bits that have the same sign; None if there are no three."""
        groups = [group for group in (self.positive, self.negative) if len(group) >= 3]
        return min(groups, key=lambda group: group[2].ready)[:3] if groups else None


class SignedColumns:
    """Bits to be added, by place; the sum is computed modulo ``2**width``.

    Parameters
    ----------
    width : int
        Number of places, and of bits of the sum.
    style : AdderStyle
        The kind of the adders.
    """

    def __init__(self, width: int, *, style: AdderStyle = PLAIN) -> None:
        self.width = width
        self.style = style
        # A time in gate delays: sums of the tree that would be later are left to the last adder.
        self._deadline = math.inf
        self._bits: list[list[Bit]] = [[] for _ in range(width)]
        self._integer = 0

    def add(self, place: int, bit: Bit) -> None:
        """Add one bit; it is ignored if ``place`` is ``width`` or more."""
        if place < self.width:
            self._bits[place].append(bit)

    def add_integer(self, integer: int) -> None:
        """Add a constant, which may be negative."""
        self._integer += integer

    def total(self, m: Module) -> Value:
        """The sum, of ``width`` bits, with rippling carries; the adders become part of ``m``.

        From the lowest place up, each place is reduced to one bit.
        """
        totals: list[Value] = []
        for position in range(self.width):
            bits = self._reduced(m, position)
            one = self._take_one(position)
            totals.append(self._finished(m, position, bits, one))
        return Cat(*totals)

    @property
    def depth(self) -> float:
        """An estimate, in gate delays, of when the place with the most bits is down to two.

        Each level of full adders turns three bits into two.
        """
        tallest = max(self._bits, key=len)
        first = max((bit.ready for bit in tallest), default=0.0)
        levels = math.ceil(math.log(max(len(tallest), 2) / 2, 1.5))
        return first + levels * (_TOTAL_DELAY + _CARRY_DELAY) / 2

    def rows(self, m: Module, deadline: float = math.inf) -> tuple[Value, Value]:
        """Two numbers of ``width`` bits, whose sum a last adder must compute.

        ``deadline`` is a time in gate delays. If a place has three bits left, and a full adder
        could not add the latest bit by then, this bit goes straight to the last adder.
        """
        self._deadline = deadline
        rows: tuple[list[Value], list[Value]] = ([], [])
        for position in range(self.width):
            bits = self._reduced(m, position, in_rows=True)
            one = self._take_one(position)
            nets: list[Value] = [bit.net for bit in bits]
            if one and len(bits) == 2:
                total, carry = place_adder(m, HALF_PLUS_ONE, nets)
                assert carry is not None  # noqa: S101
                self.add(position + 1, Bit(carry, ready=bits[-1].ready + _HALF_DELAY))
                nets, one = [total], 0
            nets += [Const(1)] * one
            for row, net in zip(rows, [*nets, Const(0), Const(0)], strict=False):
                row.append(net)
        return Cat(*rows[0]), Cat(*rows[1])

    def sum(self, m: Module) -> Value:
        """The sum, of ``width`` bits, with the last adder that the style asks for."""
        if self.style.final is FinalAdder.RIPPLE:
            return self.total(m)
        one, other = self.rows(m, deadline=0.0)
        return (one + other)[: self.width]

    def _take_one(self, position: int) -> int:
        """Remove the bit at ``position`` from the constant, and return it."""
        one = self._integer >> position & 1
        self._integer -= one << position
        return one

    def _finished(self, m: Module, position: int, bits: list[Bit], one: int) -> Value:
        """Bit 0 of the sum of at most two positive bits and ``one``; a carry goes one place up."""
        is_last = position == self.width - 1
        if len(bits) == 2:
            nets = [bit.net for bit in bits]
            if is_last:
                return nets[0] ^ nets[1] ^ one
            total, carry = place_adder(m, HALF_PLUS_ONE if one else HALF, nets)
            assert carry is not None  # noqa: S101
            self.add(position + 1, Bit(carry, ready=bits[-1].ready + _HALF_DELAY))
            return total
        if not bits:
            return Const(one)
        (bit,) = bits
        if not one:
            return bit.net
        self.add(position + 1, bit._replace(held=False))
        return ~bit.net

    def _reduced(self, m: Module, position: int, *, in_rows: bool = False) -> list[Bit]:
        """Reduce a place to at most two bits, both positive; carries go one place up."""
        column = _Column.of(self._bits[position])
        while True:
            if self._extends_sign(column, position):
                if in_rows and len(column.bits) == 3:
                    self._join_signs(m, column, position)
                else:
                    self._extend_sign(column, position)
            elif in_rows and self._is_late(column):
                self._add_two(m, column, position)
            elif triple := column.triple:
                self._add_three(m, column, position, triple)
            elif len(column.bits) >= 3 or column.negative:
                self._turn(column, self._odd_one(column), position)
            else:
                return column.positive

    def _add_three(self, m: Module, column: _Column, position: int, bits: list[Bit]) -> None:
        """Replace three bits by a full adder's outputs; inverted outputs have the other sign."""
        for bit in bits:
            column.remove(bit)
        # The latest bit goes to the last pin, which is the fastest.
        is_last = position == self.width - 1
        module = LAST if is_last else self.style.module
        total, carry = place_adder(m, module, [bit.net for bit in bits])
        negative, ready = bits[0].negative, bits[-1].ready
        sign = -1 if negative else 1
        total_inverted = self.style.total_inverted and not is_last
        column.add(Bit(total, negative ^ total_inverted, ready + _TOTAL_DELAY))
        if total_inverted:
            self._integer += sign << position
        if carry is not None:
            inverted = self.style.carry_inverted
            self.add(position + 1, Bit(carry, negative ^ inverted, ready + _CARRY_DELAY))
            if inverted:
                self._integer += sign << position + 1

    def _is_late(self, column: _Column) -> bool:
        """Whether the latest of three bits comes so late that the last adder should take it."""
        bits = column.bits
        one_sign = not column.positive or not column.negative
        return len(bits) == 3 and one_sign and bits[2].ready + _TOTAL_DELAY > self._deadline

    def _add_two(self, m: Module, column: _Column, position: int) -> None:
        """Replace the two earliest bits by the outputs of a half adder, of the same sign."""
        bits = column.bits[:2]
        for bit in bits:
            column.remove(bit)
        negative = bits[0].negative
        one = self._take_one(position)
        if one and negative:
            self._integer += 2 << position  # -(a + b) + 1 = -(a + b + 1) + 2
        total, carry = place_adder(m, HALF_PLUS_ONE if one else HALF, [bit.net for bit in bits])
        assert carry is not None  # noqa: S101
        ready = bits[1].ready + _HALF_DELAY
        column.add(Bit(total, negative, ready))
        self.add(position + 1, Bit(carry, negative, ready))

    def _odd_one(self, column: _Column) -> Bit:
        """The bit whose sign to change.

        It is positive if the negative bits outnumber the positive ones, else negative.
        """
        positive, negative = column.positive, column.negative
        if positive and len(negative) > len(positive) and len(column.bits) >= 3:
            return positive[0]
        return negative[0]

    def _turn(self, column: _Column, bit: Bit, position: int) -> None:
        """Give a bit the other sign: ``x = 1 - ~x``."""
        column.remove(bit)
        column.add(bit._replace(net=~bit.net, negative=not bit.negative))
        self._integer += (-1 if bit.negative else 1) << position

    def _above(self, position: int) -> Iterator[Bit]:
        """All bits at places above ``position``."""
        return (bit for bits in self._bits[position + 1 :] for bit in bits)

    def _extends_sign(self, column: _Column, position: int) -> bool:
        """Whether, from this place up, only -1, 0 or 1 is added to the accumulator.

        This number is the sum of two bits at this place and the constant.
        """
        held = [bit for bit in column.bits if bit.held]
        others = [bit for bit in column.bits if not bit.held]
        if len(held) != 1 or len(others) != 2 or position >= self.width - 2:
            return False
        if any(not bit.held for bit in self._above(position)):
            return False
        negative = sum(bit.negative for bit in others)
        return (self._integer >> position) % (1 << self.width - position) == (
            (negative - 1) % (1 << self.width - position)
        )

    def _extend_sign(self, column: _Column, position: int) -> None:
        """Subtract one of the two bits, by repeating it at this place and every place above.

        In two's complement, -1 is all ones. A positive bit is inverted first, which takes up the
        constant: ``a + b - 1 = b - ~a``.
        """
        others = sorted((bit for bit in column.bits if not bit.held), key=lambda each: each.ready)
        signs = [bit for bit in others if bit.negative] or others
        chosen = signs[0]
        column.remove(chosen)
        net = chosen.net if chosen.negative else ~chosen.net
        extended = Bit(net, ready=chosen.ready)
        column.add(extended)
        for other in others:
            if other is not chosen and other.negative:
                self._turn(column, other, position)
        for above in range(position + 1, self.width):
            self.add(above, extended)
        self._integer = 0

    def _join_signs(self, m: Module, column: _Column, position: int) -> None:
        """Replace the two bits by one bit here and one bit that is repeated at all places above.

        ``a + b - 1 = total - 2 * ~carry``, where total and carry are those of ``a + b + 1``. The
        bit ``~carry`` is repeated from the next place up, where it counts -2: in two's complement,
        -1 is all ones.
        """
        others = [bit for bit in column.bits if not bit.held]
        for bit in others:
            column.remove(bit)
        total, carry = place_adder(
            m, HALF_PLUS_ONE, [~bit.net if bit.negative else bit.net for bit in others]
        )
        assert carry is not None  # noqa: S101
        ready = max(bit.ready for bit in others) + _HALF_DELAY
        column.add(Bit(total, ready=ready))
        for above in range(position + 1, self.width):
            self.add(above, Bit(~carry, ready=ready))
        self._integer = 0


def add_words(m: Module, style: AdderStyle, width: int, *words: Value, constant: int = 0) -> Signal:
    """The sum of unsigned words and a constant, modulo ``2**width``, computed by an adder tree."""
    columns = SignedColumns(width, style=style)
    for word in words:
        for place, bit in enumerate(word):
            columns.add(place, Bit(bit))
    columns.add_integer(constant)
    total = Signal(width)
    m.d.comb += total.eq(columns.sum(m))
    return total
