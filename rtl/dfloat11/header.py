"""The header of a packet of words, before the stream: count, segment lengths, CRC."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import CHUNK, LENGTH_WORDS, WORD

__all__ = ["Header"]

_CHECKSUM = 1 + LENGTH_WORDS  # the CRC's place in the header


class Header(wiring.Component):
    """Take a chunk's first 18 words.

    The segment lengths go through the word buffer, which computes their CRC.

    Members
    -------
    waits : ``In(1)``
        High while the lane wants a header.
    usable : ``In(1)``
        High if a chunk may begin.
    comes : ``In(1)``
        High if a word is taken in this cycle.
    data, last : ``In``
        The word, and whether its packet ends with it.
    can_load, is_checked, stream_crc : ``In``
        The state of :class:`WordBuffer`.
    ready : ``Out(1)``
        High if a word can be taken.
    load, restart : ``Out(1)``
        Commands to :class:`WordBuffer`.
    begins : ``Out(1)``
        High before the first word of a packet.
    count : ``Out(14)``
        The number of elements minus 1; valid in the cycle of the first word.
    is_whole : ``Out(1)``
        High in the cycle of the last word.
    is_wrong : ``Out(1)``
        High if the packet ends too early, or the number of elements is too large.
    length_sum : ``Out(5)``
        Sum of the segment lengths, modulo 32.
    expected_crc : ``Out(32)``
        The chunk's CRC, combined by XOR with the CRC of the segment lengths.
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
        place = Signal(range(_CHECKSUM + 1))  # of the next word in the header
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
