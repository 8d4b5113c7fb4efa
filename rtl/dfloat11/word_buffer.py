"""Keep one word of a compressed chunk while its CRC is computed."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.crc import START, Crc
from halfbyte.rtl.dfloat11.framing import WORD

__all__ = ["WordBuffer"]

_BYTES = WORD // 8


class WordBuffer(wiring.Component):
    """Keep one word, and compute the CRC of all words since the last restart.

    The CRC takes one byte per cycle, in the order of the bytes in memory. So a word stays for at
    least four cycles.

    Members
    -------
    restart : ``In(1)``
        High to begin a new CRC. No word may be loaded in that cycle.
    load : ``In(1)``
        High to keep ``data`` from the next cycle on. Must be low while ``can_load`` is low.
    data : ``In(32)``
        The word to keep.
    word : ``Out(32)``
        The word that is kept.
    can_load : ``Out(1)``
        High if ``stream_crc`` will be complete after this cycle, so that ``load`` may be high.
    is_checked : ``Out(1)``
        High if ``stream_crc`` is complete.
    stream_crc : ``Out(32)``
        CRC-32C of the words since the last restart, without the final complement.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "restart": In(1),
                "load": In(1),
                "data": In(WORD),
                "word": Out(WORD),
                "can_load": Out(1),
                "is_checked": Out(1),
                "stream_crc": Out(WORD),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(WORD, reset_less=True)
        crc = Signal(WORD, reset_less=True)
        unchecked = Signal(range(_BYTES + 1), reset_less=True)  # bytes that the CRC lacks
        m.submodules.step = step = Crc()
        m.d.comb += [
            step.state.eq(crc),
            step.data.eq(word.word_select((-unchecked)[:2], 8)),
            self.word.eq(word),
            self.can_load.eq(unchecked <= 1),
            self.is_checked.eq(unchecked == 0),
            self.stream_crc.eq(crc),
        ]
        with m.If(unchecked != 0):
            m.d.sync += [crc.eq(step.following), unchecked.eq(unchecked - 1)]
        with m.If(self.load):
            m.d.sync += [word.eq(self.data), unchecked.eq(_BYTES)]
        with m.If(self.restart):
            m.d.sync += [crc.eq(START), unchecked.eq(0)]
        return m
