"""Read the symbol at a position in a stream of codes, and find the position after it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import WORD, table_layout
from halfbyte.rtl.dfloat11.matcher import Matcher

__all__ = ["SymbolReader"]

_ESCAPED_BITS = 8


class SymbolReader(wiring.Component):
    """Read a code, or an escaped symbol, from two words; combinational.

    A symbol is the exponent of a weight. Some symbols have no code. An escape is a code that says
    that such a symbol follows. The eight bits after the escape are the symbol itself, which is
    called an escaped symbol.

    Parameters
    ----------
    rows, max_length : :class:`int`
        The parameters of :func:`table_layout`: rows of the code table, bits of the longest code.

    Members
    -------
    table : ``In(table_layout(rows, max_length))``
        The code table.
    word, following : ``In(32)``
        The word that is read, and the next one, or 0 after the last word.
    position : ``In(6)``
        Number of bits of ``word`` that are used up, 0 to 32. If it is 32, the outputs have no
        meaning.
    escaped : ``In(1)``
        High if an escape came before, so that the next eight bits are the symbol.
    symbol : ``Out(8)``
        The symbol at ``position``.
    is_escape : ``Out(1)``
        High if there is an escape at ``position``; ``symbol`` then has no meaning.
    is_known : ``Out(1)``
        Low if ``escaped`` is low and no code begins at ``position``.
    end : ``Out(5)``
        The position after the code or the escaped symbol, modulo 32.
    crosses : ``Out(1)``
        High if the code or the escaped symbol includes the last bit of ``word``.
    overruns : ``Out(1)``
        High if the code or the escaped symbol has bits in ``following``.
    """

    def __init__(self, *, rows: int, max_length: int) -> None:
        self.rows = rows
        self.max_length = max_length
        super().__init__(
            {
                "table": In(table_layout(rows, max_length)),
                "word": In(WORD),
                "following": In(WORD),
                "position": In(range(WORD + 1)),
                "escaped": In(1),
                "symbol": Out(8),
                "is_escape": Out(1),
                "is_known": Out(1),
                "end": Out(range(WORD)),
                "crosses": Out(1),
                "overruns": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        window = Signal(self.max_length)
        length = Signal(range(max(self.max_length, _ESCAPED_BITS) + 1))
        both = Cat(self.following[-self.max_length :], self.word)
        m.submodules.matcher = matcher = Matcher(rows=self.rows, max_length=self.max_length)
        m.d.comb += [
            window.eq((both[1:] >> ~self.position[:5])[: self.max_length]),
            matcher.table.eq(self.table),
            matcher.window.eq(window),
            length.eq(Mux(self.escaped, _ESCAPED_BITS, matcher.length)),
            self.symbol.eq(Mux(self.escaped, window[-8:], matcher.symbol)),
            self.is_escape.eq(~self.escaped & matcher.is_escape),
            self.is_known.eq(self.escaped | matcher.is_known),
            Cat(self.end, self.crosses).eq(self.position[:5] + length),
            self.overruns.eq(self.crosses & self.end.any()),
        ]
        return m
