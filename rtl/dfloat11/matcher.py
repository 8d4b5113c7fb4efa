"""Find the length and the symbol of the code with which a stream begins."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import table_layout

__all__ = ["Matcher"]


class Matcher(wiring.Component):
    """Find the code with which a window of bits begins; combinational.

    For each length, a comparator says whether the window begins with a longer code. The code's
    length is the shortest one for which this is false. An addition gives the code's row in the
    table, and a multiplexer gives the symbol (the exponent of a weight) in that row.

    Parameters
    ----------
    rows, max_length : :class:`int`
        The parameters of :func:`table_layout`: rows of the code table, bits of the longest code.

    Members
    -------
    table : ``In(table_layout(rows, max_length))``
        The code table.
    window : ``In(max_length)``
        The next bits, the first most significant.
    length : ``Out``
        Bits of the code, 1 to ``max_length`` for any table that the loader accepts.
    symbol : ``Out(8)``
        The code's symbol.
    is_escape : ``Out(1)``
        High if the code is the escape: the symbol follows it in the stream.
    is_known : ``Out(1)``
        Low if the window does not begin with a code.
    """

    def __init__(self, *, rows: int, max_length: int) -> None:
        self.rows = rows
        self.max_length = max_length
        super().__init__(
            {
                "table": In(table_layout(rows, max_length)),
                "window": In(max_length),
                "length": Out(range(max_length + 1)),
                "symbol": Out(8),
                "is_escape": Out(1),
                "is_known": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Compare: `short[n]` says that the code has at most n bits
        lengths = range(1, self.max_length + 1)
        short = Signal(self.max_length + 1)
        for length in lengths[:-1]:
            m.d.comb += short[length].eq(~self._bits(length) >= self.table.room[length - 1])
        m.d.comb += short[self.max_length].eq(1)
        here = Signal(self.max_length + 1)
        m.d.comb += here.eq(short & ~(short << 1))

        # Select the length, the row and the symbol
        index_width = (self.rows - 1).bit_length()
        code = Signal(index_width)
        base = Signal(index_width)
        row = Signal(index_width)
        m.d.comb += [
            self.length.eq(reduce(or_, (_if(here[n], n, len(self.length)) for n in lengths))),
            code.eq(
                reduce(
                    or_,
                    (
                        here[n].replicate(index_width) & self._from_top(n, index_width)
                        for n in lengths
                    ),
                )
            ),
            base.eq(
                reduce(
                    or_,
                    (here[n].replicate(index_width) & self.table.base[n - 1] for n in lengths),
                )
            ),
            row.eq(code + base),
            self.symbol.eq(self.table.symbols[row]),
            self.is_escape.eq(self.table.has_escape & (row == self.table.escape)),
            self.is_known.eq(~(self.table.lone & self.window[-1])),
        ]
        return m

    def _bits(self, length: int) -> Value:
        """The first ``length`` bits of the window, as a number."""
        return self.window[self.max_length - length :]

    def _from_top(self, length: int, width: int) -> Value:
        """The first ``length`` bits minus ``2 ** length``, modulo ``2 ** width``."""
        bits = self._bits(length)[:width]
        spare = width - len(bits)
        return Cat(bits, Const((1 << spare) - 1, spare))


def _if(condition: Value, number: int, width: int) -> Value:
    """``number``, ``width`` bits wide, if ``condition`` is 1, and otherwise 0."""
    return condition.replicate(width) & number
