"""Read the header of a chunk: the number of weights, the segment lengths and the CRC.

A chunk is up to 16384 weights, and a segment is 512 of them. The header comes before the stream of
codes, in the same packet of 32-bit words (:mod:`halfbyte.rtl.dfloat11.framing`).
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import CHUNK, LENGTH_WORDS, WORD

__all__ = ["Header"]

_CHECKSUM = 1 + LENGTH_WORDS  # number of the word that is the CRC


class Header(wiring.Component):
    """Take the first 18 words of a chunk.

    The segment lengths go through the :class:`WordBuffer`, which computes their CRC.

    Members
    -------
    waits : ``In(1)``
        High while the lane waits for a header.
    usable : ``In(1)``
        High if the code table may be used, so that a chunk may begin.
    comes : ``In(1)``
        High if a word is taken in this cycle.
    data, last : ``In``
        The word, and whether the packet ends with it.
    can_load, is_checked, stream_crc : ``In``
        The outputs of the :class:`WordBuffer`.
    ready : ``Out(1)``
        High if a word can be taken.
    load, restart : ``Out(1)``
        Commands to the :class:`WordBuffer`.
    begins : ``Out(1)``
        High while the lane waits for the first word of a packet.
    count : ``Out(14)``
        The number of weights minus 1; valid in the cycle of the first word.
    is_whole : ``Out(1)``
        High in the cycle of the header's last word.
    is_wrong : ``Out(1)``
        High if the packet ends too early, or the number of weights is too large; valid if ``comes``
        is high.
    length_sum : ``Out(5)``
        Sum of the segment lengths, modulo 32.
    expected_crc : ``Out(32)``
        The exclusive or of the chunk's CRC and the CRC of the segment lengths. The CRC of the
        segment lengths is without its final complement.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "waits": In(1),
                "usable": In(1),
                "comes": In(1),
                "data": In(WORD),
                "last": In(1),
                "can_load": In(1),
                "is_checked": In(1),
                "stream_crc": In(WORD),
                "ready": Out(1),
                "load": Out(1),
                "restart": Out(1),
                "begins": Out(1),
                "count": Out(range(CHUNK)),
                "is_whole": Out(1),
                "is_wrong": Out(1),
                "length_sum": Out(range(WORD)),
                "expected_crc": Out(WORD),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = Signal(range(_CHECKSUM + 1))  # number of the next word, from 0
        length_sum = Signal(range(WORD), reset_less=True)
        expected_crc = Signal(WORD, reset_less=True)
        is_first = place == 0
        is_checksum = place == _CHECKSUM
        m.d.comb += [
            self.count.eq(self.data),
            self.length_sum.eq(length_sum),
            self.expected_crc.eq(expected_crc),
            self.begins.eq(self.waits & is_first),
            self.is_whole.eq(self.comes & is_checksum),
            self.is_wrong.eq(self.last | (is_first & self.data[len(self.count) :].any())),
            self.load.eq(self.comes & ~is_first & ~is_checksum),
            self.restart.eq(self.waits & is_first | self.is_whole),
        ]
        with m.If(is_first):
            m.d.comb += self.ready.eq(self.usable)
        with m.Elif(is_checksum):
            m.d.comb += self.ready.eq(self.is_checked)
        with m.Else():
            m.d.comb += self.ready.eq(self.can_load)
        with m.If(self.comes):
            m.d.sync += [
                place.eq(Mux(self.is_wrong | is_checksum, 0, place + 1)),
                expected_crc.eq(self.data ^ self.stream_crc),
            ]
        with m.If(self.begins):
            m.d.sync += length_sum.eq(0)
        with m.Elif(self.load):
            m.d.sync += length_sum.eq(length_sum + self.data[:5] + self.data[16:21])
        return m
