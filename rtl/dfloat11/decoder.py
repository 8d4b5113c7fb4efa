"""The decoder: one code table, and lanes that decode side by side.

A *chunk* is up to 16384 weights that are compressed together. Each lane decodes chunks of its own.
The *escape* is a code that says that the next eight bits are an exponent without a code.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from halfbyte.base import UserError
from halfbyte.rtl.dfloat11.framing import (
    LENGTH_LIMIT,
    ByteBeat,
    NumberBeat,
    Verdict,
    WordBeat,
)
from halfbyte.rtl.dfloat11.lane import Lane
from halfbyte.rtl.dfloat11.loader import Loader
from halfbyte.rtl.exported import Exported

__all__ = ["MAX_LANES", "MAX_LENGTH", "ROWS", "Decoder", "check_decoder", "check_lanes"]

# By default, the codec (the software that compresses) makes tables of at most 16 rows for BF16, for
# fifteen exponents and the escape, with codes of at most 10 bits.
ROWS = 16
MAX_LENGTH = 10
MAX_LANES = 64
MAX_ROWS = 256


def check_lanes(lanes: int) -> None:
    """Raise UserError if a decoder cannot have this number of lanes."""
    if not 1 <= lanes <= MAX_LANES:
        raise UserError(f"A decoder must have 1 to {MAX_LANES} lanes, not {lanes}")


def check_decoder(lanes: int, rows: int, max_length: int) -> None:
    """Raise UserError if a decoder cannot have these parameters."""
    check_lanes(lanes)
    if not 2 <= rows <= MAX_ROWS or rows & (rows - 1):
        raise UserError(f"A code table must have 2, 4, 8, ... or {MAX_ROWS} rows, not {rows}")
    if not 8 <= max_length <= LENGTH_LIMIT:
        raise UserError(f"The longest code must have 8 to {LENGTH_LIMIT} bits, not {max_length}")


class Decoder(Exported):
    """Decode BF16 tensors that are compressed with a code table, ``lanes`` chunks at a time.

    The decoder consists of one :class:`Loader` and several :class:`Lane` components. Their
    docstrings say what goes over the streams, and when. Load a code table first. Then send chunks
    to any lane. The decoder needs a synchronous reset.

    Parameters
    ----------
    lanes : :class:`int`
        Number of lanes, 1 to 64.
    rows : :class:`int`
        Maximum number of rows in a code table: a power of two, 2 to 256. Each exponent that has a
        code takes a row, and the escape takes one, too.
    max_length : :class:`int`
        Bits of the longest code, 8 to 12.

    Members
    -------
    table : ``In(stream.Signature(NumberBeat))``
        Code tables. The decoder takes a new one only while all lanes are idle.
    table_error : ``Out(1)``
        High if the last table was refused.
    words, raw : arrays of ``In(stream.Signature(...))``
        The input of each lane: coded exponents, and the raw bytes (sign and mantissa) of the
        weights.
    weights, verdict : arrays of ``Out(stream.Signature(...))``
        The output of each lane: weights, and for each chunk whether it is good.

    Raises
    ------
    UserError
        The number of lanes, rows or bits is out of range.
    """

    NEEDS_RESET = True

    def __init__(self, *, lanes: int = 1, rows: int = ROWS, max_length: int = MAX_LENGTH) -> None:
        check_decoder(lanes, rows, max_length)
        self.lanes = lanes
        self.rows = rows
        self.max_length = max_length
        super().__init__(
            {
                "table": In(stream.Signature(NumberBeat)),
                "table_error": Out(1),
                "words": In(stream.Signature(WordBeat)).array(lanes),
                "raw": In(stream.Signature(ByteBeat)).array(lanes),
                "weights": Out(stream.Signature(16)).array(lanes),
                "verdict": Out(stream.Signature(Verdict)).array(lanes),
            }
        )

    def header(self) -> Sequence[str]:
        return [
            f"DFloat11 decoder, {self.lanes} lanes: codes of at most {self.max_length} bits, "
            f"{self.rows} rows; rst is synchronous",
            "A payload crosses at a rising clk edge if valid and ready are high. Payloads:",
            "table [16] last, [15:0] number; words [32] last, [31:0] word;",
            "raw [8] last, [7:0] byte; weights BF16;",
            "verdict 0 good, 1 wrong CRC, 2 not a code, 3 wrong length",
        ]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = Loader(rows=self.rows, max_length=self.max_length)
        wiring.connect(m, wiring.flipped(self.table), loader.numbers)
        m.d.comb += self.table_error.eq(loader.error)
        lanes = [Lane(rows=self.rows, max_length=self.max_length) for _ in range(self.lanes)]
        for index, lane in enumerate(lanes):
            m.submodules[f"lane{index}"] = lane
            m.d.comb += [lane.table.eq(loader.table), lane.usable.eq(loader.usable)]
            wiring.connect(m, wiring.flipped(self.words[index]), lane.words)
            wiring.connect(m, wiring.flipped(self.raw[index]), lane.raw)
            wiring.connect(m, lane.weights, wiring.flipped(self.weights[index]))
            wiring.connect(m, lane.verdict, wiring.flipped(self.verdict[index]))
        m.d.comb += loader.busy.eq(reduce(or_, (lane.busy for lane in lanes)))
        return m
