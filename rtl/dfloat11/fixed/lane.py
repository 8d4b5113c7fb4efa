"""One lane of the decoder without a code table: it turns chunks in a fixed code into weights.

A chunk is up to 16384 weights. It comes as two packets, one of codes for the exponents and one of
raw bytes with signs and mantissas. A beat is one transfer of a packet.
:mod:`halfbyte.rtl.dfloat11.fixed` has the details.
"""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import enum, stream
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.crc import Crc
from halfbyte.rtl.dfloat11.fixed.framing import beat_layout, check_symbols
from halfbyte.rtl.dfloat11.fixed.pair_reader import PairReader
from halfbyte.rtl.dfloat11.fixed.prefix import CodeNumber
from halfbyte.rtl.dfloat11.fixed.reader import Reader
from halfbyte.rtl.dfloat11.framing import CHUNK, Verdict
from halfbyte.rtl.exported import Exported

__all__ = ["FixedLane"]

_HEADER_BITS = 32  # bits of the header, and also of the CRC
_COUNT_BITS = 14
_HIGHEST, _CODE = 16, 24  # bits of the header where the highest exponent and the code number begin
# Bits of the header that must be 0.
_ZEROS = {*range(_COUNT_BITS, _HIGHEST), *range(_CODE + CodeNumber.size, _HEADER_BITS)}


class _State(enum.Enum):
    HEADER = 0
    DECODE = 1
    CHECK = 2  # compares the CRC
    DRAIN = 3  # skips the rest of both packets
    VERDICT = 4


class FixedLane(Exported):
    """Decode chunks of BF16 weights in one of eight fixed codes, one chunk after the other.

    The lane gives ``symbols`` weights per cycle while no stream pauses, with some exceptions. With
    one weight per cycle, an exponent whose code begins with eight ones takes one cycle more, and an
    escaped exponent takes two more. (An escaped exponent has no code. A code called the escape says
    that the next eight bits are the exponent itself.) With two weights per cycle, these numbers
    are the same for the first exponent of a pair, and one higher for the second. Each chunk takes
    ten more cycles for its header, its first byte and its checks, or six with two weights per
    cycle.

    Each pair of packets gives one verdict after its weights, even if the input is damaged. The lane
    reads the next pair once the verdict is taken. A verdict other than ``GOOD`` says that the
    weights since the previous verdict may be wrong or incomplete. The CRC is computed from the
    weights that leave the lane, so it detects errors of the lane itself, too. Bits that fill up the
    last beat of the stream are ignored.

    Parameters
    ----------
    symbols : :class:`int`
        Weights per cycle, 1 or 2. With 2, every chunk must have an even number of weights.

    Members
    -------
    codes : ``In(stream.Signature(beat_layout(symbols)))``
        Packets, each of which has a header, codes for the exponents and a CRC.
    raw : ``In(stream.Signature(beat_layout(symbols)))``
        Packets of raw bytes. ``ready`` of both inputs depends on the other streams in the same
        cycle.
    weights : ``Out(stream.Signature(16 * symbols))``
        The weights, as BF16, the first one lowest. ``valid`` and ``payload`` depend on the inputs
        in the same cycle.
    verdict : ``Out(stream.Signature(Verdict))``
        Whether the chunk is good, or what is wrong. It is never ``NOT_A_CODE``, since any sequence
        of bits begins with a code.

    Raises
    ------
    UserError
        The number of symbols is out of range.
    """

    NEEDS_RESET = True

    def __init__(self, *, symbols: int = 1) -> None:
        check_symbols(symbols)
        self.symbols = symbols
        super().__init__(
            {
                "codes": In(stream.Signature(beat_layout(symbols))),
                "raw": In(stream.Signature(beat_layout(symbols))),
                "weights": Out(stream.Signature(16 * symbols)),
                "verdict": Out(stream.Signature(Verdict)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        codes, raw = self.codes.payload, self.raw.payload
        width = len(codes.data)
        state = Signal(_State)
        place = Signal(range(_HEADER_BITS // width))  # number of the beat in the header or the CRC
        # How many beats of weights come after the next one
        left = Signal(range(CHUNK // self.symbols), reset_less=True)
        verdict = Signal(Verdict, reset_less=True)
        codes_done = Signal(reset_less=True)  # the packet's last beat has been taken
        raw_done = Signal(reset_less=True)
        crc = Signal(32, reset_less=True)
        code_comes = Signal()
        raw_comes = Signal()
        is_header = state == _State.HEADER
        is_decoding = state == _State.DECODE
        is_end = place == _HEADER_BITS // width - 1
        # Copies of the beat fill the header, so that each field can be read at its own place
        header = codes.data.replicate(_HEADER_BITS // width)

        m.submodules.reader = reader = PairReader() if self.symbols == 2 else Reader()
        m.submodules.step = step = Crc(bits=16 * self.symbols)
        m.d.comb += [
            code_comes.eq(self.codes.valid & self.codes.ready),
            raw_comes.eq(self.raw.valid & self.raw.ready),
            reader.sets_highest.eq(is_header & (place == _HIGHEST // width)),
            reader.highest.eq(header[_HIGHEST:]),
            reader.sets_code.eq(is_header & (place == _CODE // width)),
            reader.code.eq(header[_CODE:]),
            reader.walks.eq(is_decoding),
            reader.data.eq(codes.data),
            reader.comes.eq(code_comes),
            reader.is_there.eq(self.codes.valid),
            reader.is_last.eq(left == 0),
            reader.takes.eq(self.weights.ready & self.raw.valid),
            self.weights.payload.eq(self._joined(reader.exponents)),
            step.state.eq(crc),
            step.data.eq(self.weights.payload),
            self.verdict.payload.eq(verdict),
        ]

        # While the header comes, ones are shifted into the CRC: its start value is all ones. After
        # the stream, the CRC is shifted out and compared, beat by beat.
        with m.If(code_comes & ~is_decoding):
            m.d.sync += [place.eq(place + 1), crc.eq(Cat(crc[width:], Const(-1, width)))]
        with m.Elif(raw_comes):
            m.d.sync += crc.eq(step.following)
        with m.If(code_comes):
            m.d.sync += codes_done.eq(codes.last)
        with m.If(raw_comes):
            m.d.sync += raw_done.eq(raw.last)

        def refuse() -> None:
            """Set the verdict, and skip the rest of the packets."""
            m.d.sync += [verdict.eq(Verdict.WRONG_LENGTH), state.eq(_State.DRAIN)]

        with m.Switch(state):
            with m.Case(_State.HEADER):
                m.d.comb += self.codes.ready.eq(1)
                m.d.sync += [verdict.eq(Verdict.GOOD), raw_done.eq(0)]
                is_wrong = self._take_count(m, header, place, left)
                with m.If(code_comes & is_end):
                    m.d.sync += state.eq(_State.DECODE)
                with m.If(code_comes & (codes.last | is_wrong)):
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
                with m.If(code_comes & (codes.data != ~crc[:width])):
                    m.d.sync += verdict.eq(Verdict.WRONG_CRC)
                with m.If(code_comes & is_end):
                    m.d.sync += state.eq(_State.VERDICT)
                with m.If(code_comes & (is_end ^ codes.last)):
                    refuse()
            with m.Case(_State.DRAIN):
                m.d.comb += [self.codes.ready.eq(~codes_done), self.raw.ready.eq(~raw_done)]
                m.d.sync += place.eq(0)
                with m.If(codes_done & raw_done):
                    m.d.sync += state.eq(_State.VERDICT)
            with m.Default():  # VERDICT, and unused state codes
                m.d.comb += self.verdict.valid.eq(1)
                with m.If(self.verdict.ready):
                    m.d.sync += state.eq(_State.HEADER)
        return m

    def _take_count(self, m: Module, header: Value, place: Signal, left: Signal) -> Value:
        """Set ``left`` from a beat of the header; return whether this beat is invalid."""
        width, spare = len(self.codes.payload.data), self.symbols - 1
        wrong = []
        for beat in range(_HEADER_BITS // width):
            comes = place == beat
            bits = range(beat * width, (beat + 1) * width)
            count = [bit for bit in bits if spare <= bit < _COUNT_BITS]
            if count:
                with m.If(comes):
                    m.d.sync += left[count[0] - spare : count[-1] + 1 - spare].eq(
                        header[count[0] : count[-1] + 1]
                    )
            zeros = [header[bit] for bit in bits if bit in _ZEROS]
            # The weights must fill whole beats, so the lowest bits of their number minus 1 are 1.
            ones = [~header[bit] for bit in bits if bit < spare]
            wrong.append(comes & Cat(*zeros, *ones).any())
        return reduce(or_, wrong)

    def _joined(self, exponents: Value) -> Value:
        """The weights of a cycle, from their exponents and their raw bytes."""
        weights = []
        for index in range(self.symbols):
            other = self.raw.payload.data.word_select(index, 8)
            weights.append(Cat(other[:7], exponents.word_select(index, 8), other[7]))
        return Cat(weights)
