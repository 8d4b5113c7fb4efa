"""A multiplier of two's complement codes that recodes one operand (Booth recoding)."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from halfbyte.rtl.architecture import PlainMultiplier
from halfbyte.rtl.columns import Columns

__all__ = ["Booth"]


class Booth(PlainMultiplier):
    """Recode the narrower operand as radix-4 digits from -2 to 2, and add multiples of the other.

    There is one row for each digit, so about half as many rows as in a multiplier with one row for
    each bit. A row is 0, the other operand or twice the other operand; it is inverted if the sign
    bit of the digit is 1 (MacSorley, Proceedings of the IRE, 1961). The 1 that completes the
    negation is added at the lowest bit of the row. The sign bit of each row is inverted and
    constants correct the sum, so no row needs sign extension.
    """

    name = "booth"
    description = "one operand recoded as radix-4 digits from -2 to 2 (Booth)"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        recoded, other = sorted((self.w, self.a), key=len)
        # A zero below bit 0, and the sign repeated if the number of bits is odd
        bits = Cat(Const(0, 1), recoded, *([recoded[-1]] if len(recoded) % 2 else []))
        columns = Columns(len(self.term))
        for place in range(0, len(bits) - 1, 2):
            *magnitude, sign_bit = self._row(m, place, bits[place : place + 3], other)
            columns.add(place, [*magnitude, ~sign_bit])
            columns.add_integer(-1 << (place + len(other)))
            columns.add(place, [bits[place + 2]])
        m.d.comb += [
            self.term.eq(columns.total(m)),
            self.negate.eq(0),  # an undriven signal would be exported as an input
        ]
        return m

    @staticmethod
    def _row(m: Module, place: int, bits: Value, other: Value) -> list[Value]:
        """The row of a digit: the digit times ``other``. It is one bit wider than ``other``.

        The digit is ``bits[0] + bits[1] - 2 * bits[2]``. If ``bits[2]`` is set, the row is only
        inverted, so it is 1 lower than the product.
        """
        below, low, negative = bits[0], bits[1], bits[2]
        once = Signal(name=f"once{place}")
        twice = Signal(name=f"twice{place}")
        m.d.comb += [
            once.eq(low ^ below),
            twice.eq((negative ^ low) & ~once),
        ]
        single = Cat(other, other[-1])
        double = Cat(Const(0, 1), other)
        return [
            ((once & single[bit]) | (twice & double[bit])) ^ negative for bit in range(len(single))
        ]
