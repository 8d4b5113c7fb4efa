"""One lane of the decoder without a table: chunks in a fixed code to weights."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, stream
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.crc import Crc
from halfbyte.rtl.dfloat11.fixed.reader import Reader
from halfbyte.rtl.dfloat11.framing import CHUNK, ByteBeat, Verdict
from halfbyte.rtl.exported import Exported

__all__ = ["FixedLane"]

_FIELDS = 4  # bytes of the header, and of the CRC


class _State(enum.Enum):
    HEADER = 0
    DECODE = 1
    CHECK = 2  # compares the CRC
    DRAIN = 3  # skips the rest of both packets
    VERDICT = 4


class FixedLane(Exported):
    """Decodes chunks of BF16 weights in one of eight fixed codes, one chunk after the other.

    One weight per cycle while all streams flow. An exponent beyond eight ones takes another cycle,
    an escaped one two, and a chunk nine more than its weights.

    Whatever comes in, each pair of packets gives one verdict, after its weights, and the next pair
    is not touched before. A verdict other than ``GOOD`` says that the weights since the last one
    may be wrong, or too few. The CRC is that of the weights as they leave the lane, so it also
    covers the lane itself. Bits that fill up the last byte of the stream are not looked at.

    Members
    -------
    codes : ``In(stream.Signature(ByteBeat))``
        Packets of bytes, as :mod:`halfbyte.rtl.dfloat11.fixed` says.
    raw : ``In(stream.Signature(ByteBeat))``
        Packets of raw bytes. ``ready`` follows the other streams in the same cycle, as that of
        ``codes`` does.
    weights : ``Out(stream.Signature(16))``
        The weights, as BF16. ``valid`` and ``payload`` follow the inputs in the same cycle.
    verdict : ``Out(stream.Signature(Verdict))``
        What became of the chunk; never ``NOT_A_CODE``, since all bits are codes.
    """

    NEEDS_RESET = True

    def __init__(self) -> None:
        super().__init__(
            {
                "codes": In(stream.Signature(ByteBeat)),
                "raw": In(stream.Signature(ByteBeat)),
                "weights": Out(stream.Signature(16)),
                "verdict": Out(stream.Signature(Verdict)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state = Signal(_State)
        place = Signal(range(_FIELDS))  # in the header or the CRC
        left = Signal(range(CHUNK), reset_less=True)  # elements after the next one
        verdict = Signal(Verdict, reset_less=True)
        codes_done = Signal(reset_less=True)  # the packet's last beat has been taken
        raw_done = Signal(reset_less=True)
        crc = Signal(32, reset_less=True)
        codes, raw = self.codes.payload, self.raw.payload
        code_comes = Signal()
        raw_comes = Signal()
        is_header = state == _State.HEADER
        is_decoding = state == _State.DECODE

        m.submodules.reader = reader = Reader()
        m.submodules.step = step = Crc(bits=16)
        m.d.comb += [
            code_comes.eq(self.codes.valid & self.codes.ready),
            raw_comes.eq(self.raw.valid & self.raw.ready),
            reader.sets_highest.eq(is_header & (place == 2)),
            reader.sets_code.eq(is_header & (place == 3)),
            reader.walks.eq(is_decoding),
            reader.data.eq(codes.data),
            reader.comes.eq(code_comes),
            reader.is_there.eq(self.codes.valid),
            reader.is_last.eq(left == 0),
            reader.takes.eq(self.weights.ready & self.raw.valid),
            self.weights.payload.eq(Cat(raw.data[:7], reader.exponent, raw.data[7])),
            step.state.eq(crc),
            step.data.eq(self.weights.payload),
            self.verdict.payload.eq(verdict),
        ]

        # The CRC starts as ones, which the header shifts in, and is shifted out to be compared
        with m.If(code_comes & ~is_decoding):
            m.d.sync += [place.eq(place + 1), crc.eq(Cat(crc[8:], Const(0xFF, 8)))]
        with m.Elif(raw_comes):
            m.d.sync += crc.eq(step.following)
        with m.If(code_comes):
            m.d.sync += codes_done.eq(codes.last)
        with m.If(raw_comes):
            m.d.sync += raw_done.eq(raw.last)

        def refuse() -> None:
            m.d.sync += [verdict.eq(Verdict.WRONG_LENGTH), state.eq(_State.DRAIN)]

        with m.Switch(state):
            with m.Case(_State.HEADER):
                m.d.comb += self.codes.ready.eq(1)
                m.d.sync += [verdict.eq(Verdict.GOOD), raw_done.eq(0)]
                with m.If(place == 0):
                    m.d.sync += left[:8].eq(codes.data)
                with m.If(place == 1):
                    m.d.sync += left[8:].eq(codes.data)
                with m.If(code_comes & (place == _FIELDS - 1)):
                    m.d.sync += state.eq(_State.DECODE)
                unused = Mux(place[1], codes.data[3:].any(), codes.data[6:].any())
                with m.If(code_comes & (codes.last | place[0] & unused)):
                    refuse()
            with m.Case(_State.DECODE):
                m.d.comb += [
                    self.codes.ready.eq(reader.ready),
                    self.raw.ready.eq(reader.offers & self.weights.ready),
                    self.weights.valid.eq(reader.offers & self.raw.valid),
                ]
                with m.If(raw_comes):
                    m.d.sync += left.eq(left - 1)
                with m.If(raw_comes & (left == 0)):
                    m.d.sync += state.eq(_State.CHECK)
                with m.If(code_comes & codes.last | raw_comes & ((left == 0) ^ raw.last)):
                    refuse()
            with m.Case(_State.CHECK):
                m.d.comb += self.codes.ready.eq(1)
                with m.If(code_comes & (codes.data != ~crc[:8])):
                    m.d.sync += verdict.eq(Verdict.WRONG_CRC)
                with m.If(code_comes & (place == _FIELDS - 1)):
                    m.d.sync += state.eq(_State.VERDICT)
                with m.If(code_comes & ((place == _FIELDS - 1) ^ codes.last)):
                    refuse()
            with m.Case(_State.DRAIN):
                m.d.comb += [self.codes.ready.eq(~codes_done), self.raw.ready.eq(~raw_done)]
                m.d.sync += place.eq(0)
                with m.If(codes_done & raw_done):
                    m.d.sync += state.eq(_State.VERDICT)
            with m.Default():  # VERDICT, and the codes that no state has
                m.d.comb += self.verdict.valid.eq(1)
                with m.If(self.verdict.ready):
                    m.d.sync += state.eq(_State.HEADER)
        return m
