"""The decoder without a code table: lanes side by side, which know eight fixed codes.

A *chunk* is up to 16384 weights that are compressed together.
"""

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.decoder import check_lanes
from halfbyte.rtl.dfloat11.fixed.framing import beat_layout, check_symbols
from halfbyte.rtl.dfloat11.fixed.lane import FixedLane
from halfbyte.rtl.dfloat11.framing import Verdict
from halfbyte.rtl.exported import Exported

__all__ = ["FixedDecoder"]


class FixedDecoder(Exported):
    """Decode BF16 tensors in fixed codes, ``lanes`` chunks at a time.

    Any chunk of any tensor may go to any lane, since the header of each chunk says which code it
    uses. The decoder needs a synchronous reset.

    Parameters
    ----------
    lanes : :class:`int`
        Number of lanes, 1 to 64.
    symbols : :class:`int`
        Weights that a lane gives in a cycle, 1 or 2.

    Members
    -------
    codes, raw : arrays of ``In(stream.Signature(beat_layout(symbols)))``
        The input of each lane: coded exponents, and the raw bytes (sign and mantissa) of the
        weights.
    weights, verdict : arrays of ``Out(stream.Signature(...))``
        The output of each lane: weights, and for each chunk whether it is good.

    Raises
    ------
    UserError
        The number of lanes or symbols is out of range.
    """

    NEEDS_RESET = True

    def __init__(self, *, lanes: int = 1, symbols: int = 1) -> None:
        check_lanes(lanes)
        check_symbols(symbols)
        self.lanes = lanes
        self.symbols = symbols
        super().__init__(
            {
                "codes": In(stream.Signature(beat_layout(symbols))).array(lanes),
                "raw": In(stream.Signature(beat_layout(symbols))).array(lanes),
                "weights": Out(stream.Signature(16 * symbols)).array(lanes),
                "verdict": Out(stream.Signature(Verdict)).array(lanes),
            }
        )

    def header(self) -> Sequence[str]:
        return [
            f"DFloat11 decoder without a table, {self.lanes} lanes; rst is synchronous",
            "A payload crosses at a rising clk edge if valid and ready are high. Payloads:",
            f"codes, raw [{8 * self.symbols}] last, then {self.symbols} bytes, the first lowest;",
            f"weights {self.symbols} BF16, the first lowest;",
            "verdict 0 good, 1 wrong CRC, 3 wrong length",
        ]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for index in range(self.lanes):
            m.submodules[f"lane{index}"] = lane = FixedLane(symbols=self.symbols)
            wiring.connect(m, wiring.flipped(self.codes[index]), lane.codes)
            wiring.connect(m, wiring.flipped(self.raw[index]), lane.raw)
            wiring.connect(m, lane.weights, wiring.flipped(self.weights[index]))
            wiring.connect(m, lane.verdict, wiring.flipped(self.verdict[index]))
        return m
