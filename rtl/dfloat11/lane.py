"""One lane of the decoder: it turns chunks of a compressed tensor into BF16 weights.

A chunk is up to 16384 weights. It comes as two packets: one of words with codes, and one of raw
bytes with signs and mantissas. A symbol is the exponent of a weight.
:mod:`halfbyte.rtl.dfloat11.framing` has the details.
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.framing import CHUNK, ByteBeat, Verdict, WordBeat, table_layout
from halfbyte.rtl.dfloat11.header import Header
from halfbyte.rtl.dfloat11.joiner import Joiner
from halfbyte.rtl.dfloat11.walker import Walker
from halfbyte.rtl.dfloat11.word_buffer import WordBuffer
from halfbyte.rtl.exported import Exported

__all__ = ["Lane"]


class _State(enum.Enum):
    HEADER = 0
    DECODE = 1
    FINISH = 2  # waits for the CRC of the last word
    DRAIN = 3  # skips the rest of both packets
    VERDICT = 4  # gives the verdict


class Lane(Exported):
    """Decode chunks of BF16 weights, one after the other.

    The lane gives one weight per cycle while no stream pauses, with three exceptions. A symbol that
    has no code of its own (an escaped symbol) takes one cycle more. A word stays for at least four
    cycles, in which its CRC is computed. The header and the checks of a chunk take 71 to 74 cycles.

    Each pair of packets gives one verdict after its weights, even if the input is damaged. The lane
    reads the next pair once the verdict is taken. A verdict other than ``GOOD`` says that the
    weights since the previous verdict may be wrong or incomplete. The lane does not check the
    length of every segment (512 weights). It compares the sum of the lengths, modulo 32, with the
    number of bits that it has read from the last word. Together with the number of words, this
    checks the length of the whole stream.

    Parameters
    ----------
    rows, max_length : :class:`int`
        The parameters of :func:`table_layout`: rows of the code table, bits of the longest code.

    Members
    -------
    table : ``In(table_layout(rows, max_length))``
        The code table; must not change while ``busy`` is high.
    usable : ``In(1)``
        High if ``table`` may be used. A chunk begins only while this is high.
    busy : ``Out(1)``
        High from the cycle after a chunk's first word until its verdict is taken.
    words : ``In(stream.Signature(WordBeat))``
        Packets of words. ``ready`` depends on ``valid`` and ``payload`` of the same cycle.
    raw : ``In(stream.Signature(ByteBeat))``
        Packets of raw bytes.
    weights : ``Out(stream.Signature(16))``
        The weights, as BF16, which come from a register.
    verdict : ``Out(stream.Signature(Verdict))``
        Whether the chunk is good, or what is wrong.
    """

    NEEDS_RESET = True

    def __init__(self, *, rows: int, max_length: int) -> None:
        self.rows = rows
        self.max_length = max_length
        super().__init__(
            {
                "table": In(table_layout(rows, max_length)),
                "usable": In(1),
                "busy": Out(1),
                "words": In(stream.Signature(WordBeat)),
                "raw": In(stream.Signature(ByteBeat)),
                "weights": Out(stream.Signature(16)),
                "verdict": Out(stream.Signature(Verdict)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = Signal(_State)
        verdict = Signal(Verdict, reset_less=True)
        left = Signal(range(CHUNK), reset_less=True)  # how many weights come after the next one
        is_last = Signal(reset_less=True)  # the packet's last word has been taken

        m.submodules.header = header = Header()
        m.submodules.buffer = buffer = WordBuffer()
        m.submodules.walker = walker = Walker(rows=self.rows, max_length=self.max_length)
        m.submodules.joiner = joiner = Joiner()
        self._connect(m, header, buffer, walker, joiner)

        word_comes = self.words.valid & self.words.ready
        m.d.comb += [
            header.comes.eq((state == _State.HEADER) & word_comes),
            header.waits.eq(state == _State.HEADER),
            walker.walks.eq(state == _State.DECODE),
            walker.keeps.eq(state == _State.FINISH),
            walker.comes.eq(word_comes),
            walker.is_there.eq(self.words.valid & ~is_last),
            walker.is_last.eq(is_last),
            buffer.load.eq(header.load | walker.walks & word_comes),
            joiner.offers.eq(walker.walks & walker.offers),
            joiner.drains.eq(state == _State.DRAIN),
            joiner.restart.eq(header.begins),
            self.busy.eq(~header.begins),
            self.verdict.payload.eq(verdict),
        ]
        with m.If(word_comes):
            m.d.sync += is_last.eq(self.words.payload.last)

        def refuse(reason: object) -> None:
            """Set the verdict, and skip the rest of the packets."""
            m.d.sync += [verdict.eq(reason), state.eq(_State.DRAIN)]

        with m.Switch(state):
            with m.Case(_State.HEADER):
                m.d.comb += self.words.ready.eq(header.ready)
                m.d.sync += verdict.eq(Verdict.GOOD)
                with m.If(header.begins):
                    m.d.sync += left.eq(header.count)
                with m.If(header.is_whole):
                    m.d.sync += state.eq(_State.DECODE)
                with m.If(word_comes & header.is_wrong):
                    refuse(Verdict.WRONG_LENGTH)
            with m.Case(_State.DECODE):
                m.d.comb += self.words.ready.eq(walker.ready)
                with m.If(walker.is_unknown):
                    refuse(Verdict.NOT_A_CODE)
                with m.Elif(walker.is_short):
                    refuse(Verdict.WRONG_LENGTH)
                with m.Elif(joiner.takes):
                    m.d.sync += left.eq(left - 1)
                    with m.If((left == 0) & self.raw.payload.last):
                        m.d.sync += state.eq(_State.FINISH)
                    with m.Elif((left == 0) | self.raw.payload.last):
                        refuse(Verdict.WRONG_LENGTH)
            with m.Case(_State.FINISH), m.If(buffer.is_checked):
                crc = header.expected_crc ^ buffer.stream_crc ^ joiner.raw_crc
                m.d.sync += state.eq(_State.DRAIN)
                with m.If(~is_last | (walker.place != header.length_sum)):
                    m.d.sync += verdict.eq(Verdict.WRONG_LENGTH)
                # `crc` combines the chunk's CRC with three CRCs without their final complement. All
                # its bits are 1 if the chunk's CRC is correct.
                with m.Elif(~crc.all()):
                    m.d.sync += verdict.eq(Verdict.WRONG_CRC)
            with m.Case(_State.DRAIN):
                m.d.comb += self.words.ready.eq(~is_last)
                with m.If(is_last & joiner.is_done):
                    m.d.sync += state.eq(_State.VERDICT)
            with m.Default():  # VERDICT, and unused state codes
                m.d.comb += self.verdict.valid.eq(joiner.is_empty)
                with m.If(self.verdict.valid & self.verdict.ready):
                    m.d.sync += state.eq(_State.HEADER)
        return m

    def _connect(
        self, m: Module, header: Header, buffer: WordBuffer, walker: Walker, joiner: Joiner
    ) -> None:
        """Connect the parts and the ports, as far as this does not depend on the state."""
        wiring.connect(m, wiring.flipped(self.raw), joiner.raw)
        wiring.connect(m, joiner.weights, wiring.flipped(self.weights))
        m.d.comb += [
            header.usable.eq(self.usable),
            header.data.eq(self.words.payload.data),
            header.last.eq(self.words.payload.last),
            header.can_load.eq(buffer.can_load),
            header.is_checked.eq(buffer.is_checked),
            header.stream_crc.eq(buffer.stream_crc),
            buffer.data.eq(self.words.payload.data),
            buffer.restart.eq(header.restart),
            walker.table.eq(self.table),
            walker.word.eq(buffer.word),
            walker.following.eq(self.words.payload.data),
            walker.can_load.eq(buffer.can_load),
            walker.takes.eq(joiner.takes),
            joiner.symbol.eq(walker.symbol),
        ]
