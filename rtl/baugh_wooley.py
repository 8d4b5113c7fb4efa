"""A multiplier of two's complement codes, after Baugh and Wooley."""

from amaranth.hdl import Module

from halfbyte.rtl.architecture import PlainMultiplier
from halfbyte.rtl.columns import Columns

__all__ = ["BaughWooley"]


class BaughWooley(PlainMultiplier):
    """Add the products of all pairs of bits.

    A product counts as negative if exactly one of its two bits is a sign bit. Such a product x is
    inverted, and a constant corrects the sum, so the same adders can add all products (Baugh and
    Wooley, IEEE Transactions on Computers, 1973, in the form with inverted products)::

        -x * 2**k = (1 - x) * 2**k - 2**k
    """

    name = "baugh_wooley"
    description = "products of all pairs of bits, inverted if exactly one of the two is a sign bit"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        columns = Columns(len(self.term))
        for i, w in enumerate(self.w):
            for j, a in enumerate(self.a):
                negative = (i == len(self.w) - 1) != (j == len(self.a) - 1)
                columns.add(i + j, [~(w & a) if negative else w & a])
                if negative:
                    columns.add_integer(-1 << (i + j))
        m.d.comb += [
            self.term.eq(columns.total(m)),
            self.negate.eq(0),  # an undriven signal would be exported as an input
        ]
        return m
