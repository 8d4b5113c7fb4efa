"""Read the stream of codes of a chunk, from one symbol to the next.

A symbol is the exponent of a weight, and a chunk is up to 16384 weights.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import WORD, table_layout
from halfbyte.rtl.dfloat11.symbol_reader import SymbolReader

__all__ = ["Walker"]


class Walker(wiring.Component):
    """Keep the position in the stream, give symbols, and ask for words.

    Some symbols have no code. An escape is a code that says that the next eight bits are such a
    symbol. The escape takes one cycle, and the symbol after it takes another.

    Parameters
    ----------
    rows, max_length : :class:`int`
        The parameters of :func:`table_layout`: rows of the code table, bits of the longest code.

    Members
    -------
    table : ``In(table_layout(rows, max_length))``
        The code table.
    walks : ``In(1)``
        High while the stream is read. While both ``walks`` and ``keeps`` are low, the position goes
        back to the start.
    keeps : ``In(1)``
        High to keep the position while ``walks`` is low.
    word : ``In(32)``
        The word that is being read; the word buffer holds it.
    following : ``In(32)``
        The word that comes next.
    is_there : ``In(1)``
        High if ``following`` is valid and belongs to this packet.
    is_last : ``In(1)``
        High if ``word`` is the last one of the packet.
    can_load : ``In(1)``
        High if the word buffer can take a word.
    comes : ``In(1)``
        High if a word is taken in this cycle.
    takes : ``In(1)``
        High if ``symbol`` is taken in this cycle.
    ready : ``Out(1)``
        High to ask for the next word.
    offers : ``Out(1)``
        High if ``symbol`` is valid.
    symbol : ``Out(8)``
        The next symbol.
    is_short : ``Out(1)``
        High if the packet has too few bits left for another code. This is an error only if more
        symbols must follow.
    is_unknown : ``Out(1)``
        High if the next bits do not begin with a code.
    place : ``Out(5)``
        Number of bits of ``word`` that are used up, modulo 32.
    """

    def __init__(self, *, rows: int, max_length: int) -> None:
        self.rows = rows
        self.max_length = max_length
        super().__init__(
            {
                "table": In(table_layout(rows, max_length)),
                "walks": In(1),
                "keeps": In(1),
                "word": In(WORD),
                "following": In(WORD),
                "is_there": In(1),
                "is_last": In(1),
                "can_load": In(1),
                "comes": In(1),
                "takes": In(1),
                "ready": Out(1),
                "offers": Out(1),
                "symbol": Out(8),
                "is_short": Out(1),
                "is_unknown": Out(1),
                "place": Out(range(WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        position = Signal(range(WORD + 1), reset_less=True)  # bits of the word that are used up
        escaped = Signal(reset_less=True)  # the next eight bits are a symbol
        m.submodules.reader = reader = SymbolReader(rows=self.rows, max_length=self.max_length)
        is_used_up = position[5]
        is_whole = Signal()  # all bits of the code are here
        goes_on = Signal()  # the position moves behind the code in this cycle
        m.d.comb += [
            reader.table.eq(self.table),
            reader.word.eq(self.word),
            reader.following.eq(self.following & self.is_there.replicate(WORD)),
            reader.position.eq(position),
            reader.escaped.eq(escaped),
            self.symbol.eq(reader.symbol),
            self.place.eq(position[:5]),
            is_whole.eq(~is_used_up & (~reader.overruns | (self.is_there & self.can_load))),
            self.is_unknown.eq(~is_used_up & ~reader.is_known),
            self.is_short.eq(self.is_last & (is_used_up | reader.overruns)),
            self.offers.eq(is_whole & reader.is_known & ~reader.is_escape),
            goes_on.eq(is_whole & reader.is_known & (reader.is_escape | self.takes)),
            self.ready.eq(self.can_load & ~self.is_last & (is_used_up | goes_on & reader.crosses)),
        ]
        with m.If(self.walks):
            with m.If(is_used_up & self.comes):
                m.d.sync += position.eq(0)
            with m.Elif(goes_on):
                m.d.sync += [
                    position.eq(Mux(reader.crosses & ~self.comes, WORD, reader.end)),
                    escaped.eq(reader.is_escape),
                ]
        with m.Elif(~self.keeps):
            m.d.sync += [position.eq(WORD), escaped.eq(0)]
        return m
