"""Take a code table from a stream, and check it.

Each row of the table is a symbol and its code. A lane is a part of the decoder that decodes with
the table.
"""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import enum, stream
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import LENGTH_LIMIT, NO_ESCAPE, NumberBeat, table_layout
from halfbyte.rtl.exported import Exported

__all__ = ["Loader"]


class _State(enum.Enum):
    ROWS = 0
    ESCAPE = 1
    COUNTS = 2
    SYMBOLS = 3
    DRAIN = 4


class Loader(Exported):
    """Load the code table that all lanes share, one number per cycle.

    The loader refuses a table with more rows or longer codes than the decoder can hold, a code that
    is not prefix-free or not complete (a table with one row is allowed), a symbol or an escape's
    row that is out of range, and a packet whose length does not match its numbers. ``error`` then
    rises, and stays high until the next good table. Software must ensure that each symbol occurs
    only once. A new table waits until no lane is busy.

    Parameters
    ----------
    rows, max_length : :class:`int`
        The parameters of :func:`table_layout`: rows of the code table, bits of the longest code.

    Members
    -------
    numbers : ``In(stream.Signature(NumberBeat))``
        The numbers of the table, in the order that :mod:`halfbyte.rtl.dfloat11.framing` gives.
    busy : ``In(1)``
        High while a lane uses the table.
    table : ``Out(table_layout(rows, max_length))``
        The code table, in the form that :class:`Matcher` uses.
    usable : ``Out(1)``
        High if the table is complete and checked, and no new table waits.
    error : ``Out(1)``
        High if the last packet was refused.
    """

    NEEDS_RESET = True

    def __init__(self, *, rows: int, max_length: int) -> None:
        self.rows = rows
        self.max_length = max_length
        super().__init__(
            {
                "numbers": In(stream.Signature(NumberBeat)),
                "busy": In(1),
                "table": Out(table_layout(rows, max_length)),
                "usable": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        table = Signal(table_layout(self.rows, self.max_length), reset_less=True)
        state = Signal(_State)
        loaded = Signal()
        error = Signal()
        # If the table has only one row, with code 0, it counts as two, as if there were also a row
        # with code 1.
        slots = Signal(range(self.rows + 1), reset_less=True)
        row = Signal(range(self.rows + 1), reset_less=True)  # row of the next code, or symbol
        length = Signal(range(LENGTH_LIMIT + 1), reset_less=True)
        # How many bit patterns of the previous length remain for longer codes
        room = Signal(range(self.rows // 2 + 1), reset_less=True)
        number = self.numbers.payload.data
        last = self.numbers.payload.last
        m.d.comb += [
            self.table.eq(table),
            self.error.eq(error),
            self.usable.eq(loaded & ~self.numbers.valid),
            self.numbers.ready.eq(~self.busy),
        ]

        # The codes of one length: how many bit patterns of this length remain for longer codes
        # (`left`), and the row after the last of these codes (`next_row`)
        is_coded = Signal()
        codes = Signal(len(number) + 1)
        left = Signal(signed(len(number) + 2))
        next_room = Signal.like(room)
        next_row = Signal.like(row)
        fits = Signal()
        m.d.comb += [
            is_coded.eq(length <= self.max_length),
            codes.eq(number + (table.lone & (length == 1))),
            left.eq((room << 1) - codes),
            next_room.eq(Mux(is_coded, left, room)),
            next_row.eq(row + codes),
            fits.eq(
                Mux(
                    is_coded,
                    (left >= 0) & (left <= self.rows // 2) & (codes <= slots - row),
                    codes == 0,
                )
            ),
        ]

        # Take the numbers one after the other
        wrong = Signal()
        with m.If(self.numbers.valid & self.numbers.ready):
            with m.Switch(state):
                with m.Case(_State.ROWS):
                    is_lone = number == 1
                    m.d.comb += wrong.eq((number == 0) | (number > self.rows) | last)
                    m.d.sync += [
                        loaded.eq(0),
                        table.lone.eq(is_lone),
                        slots.eq(number + is_lone),
                        state.eq(_State.ESCAPE),
                    ]
                with m.Case(_State.ESCAPE):
                    has_escape = number != NO_ESCAPE
                    m.d.comb += wrong.eq((has_escape & (number + table.lone >= slots)) | last)
                    m.d.sync += [
                        table.has_escape.eq(has_escape),
                        table.escape.eq(number),
                        length.eq(1),
                        room.eq(1),
                        row.eq(0),
                        state.eq(_State.COUNTS),
                    ]
                with m.Case(_State.COUNTS):
                    m.d.comb += wrong.eq(~fits | last)
                    m.d.sync += [length.eq(length + 1), room.eq(next_room), row.eq(next_row)]
                    for n in range(1, self.max_length + 1):
                        with m.If(length == n):
                            m.d.sync += [
                                table.room[n - 1].eq(next_room),
                                table.base[n - 1].eq(next_row + next_room),
                            ]
                    with m.If(length == LENGTH_LIMIT):
                        m.d.sync += [row.eq(0), state.eq(_State.SYMBOLS)]
                        with m.If((next_room != 0) | (next_row != slots)):
                            m.d.comb += wrong.eq(1)
                with m.Case(_State.SYMBOLS):
                    ends = row + table.lone + 1 == slots
                    m.d.comb += wrong.eq(number[8:].any() | (ends != last))
                    m.d.sync += row.eq(row + 1)
                    for n in range(self.rows):
                        with m.If(row == n):
                            m.d.sync += table.symbols[n].eq(number)
                    with m.If(ends):
                        m.d.sync += [loaded.eq(1), error.eq(0), state.eq(_State.ROWS)]
                with m.Default(), m.If(last):  # DRAIN, and unused state codes
                    m.d.sync += state.eq(_State.ROWS)
            with m.If(wrong):
                m.d.sync += [loaded.eq(0), error.eq(1)]
                m.d.sync += state.eq(Mux(last, _State.ROWS, _State.DRAIN))
        return m
