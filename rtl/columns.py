"""Add partial products bit by bit. A *place* is a bit position: a bit at place n counts 2^n."""

from collections import deque
from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Module, Signal, Value

__all__ = ["Columns"]


class Columns:
    """Bits to be added, by place; the sum is computed modulo ``2**width``.

    Full adders take three bits of a place, and half adders the last two. They take the bits of
    partial products first, and the sums and carries of other adders later (Wallace, IEEE
    Transactions on Electronic Computers, 1964).
    """

    def __init__(self, width: int) -> None:
        self._bits: list[deque[Value]] = [deque() for _ in range(width)]
        self._integer = 0

    def add(self, place: int, bits: Iterable[Value]) -> None:
        """Add bits: the first one at ``place``, and each later one a place above the one before."""
        for offset, bit in enumerate(bits, start=place):
            if offset < len(self._bits):
                self._bits[offset].append(bit)

    def add_integer(self, integer: int) -> None:
        """Add a constant, which may be negative."""
        self._integer += integer

    def total(self, m: Module) -> Value:
        """The sum, of ``width`` bits; the adders that compute it become part of ``m``."""
        totals: list[Value] = []
        for place, bits in enumerate(self._bits):
            if self._integer >> place & 1:
                bits.appendleft(Const(1))
            while len(bits) > 1:
                taken = [bits.popleft() for _ in range(min(3, len(bits)))]
                number = len(bits)
                total = Signal(name=f"sum{place}_{number}")
                carry = Signal(name=f"carry{place}_{number}")
                m.d.comb += Cat(total, carry).eq(_count(taken))
                bits.append(total)
                self.add(place + 1, [carry])
            totals.append(bits.popleft() if bits else Const(0))
        return Cat(*totals)


def _count(bits: list[Value]) -> Value:
    """The number of ones among two or three bits, as a value of two bits.

    It is written as gates, since ``+`` would become an adder of two-bit numbers.
    """
    if len(bits) == 2:
        one, other = bits
        return Cat(one ^ other, one & other)
    one, other, third = bits
    return Cat(one ^ other ^ third, (one & other) | (third & (one ^ other)))
