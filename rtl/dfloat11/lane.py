"""One lane: chunks of a compressed tensor to weights, a symbol per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, stream
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.crc import START, Crc
from halfbyte.rtl.dfloat11.framing import (
    CHUNK,
    LENGTH_WORDS,
    WORD,
    ByteBeat,
    Verdict,
    WordBeat,
    table_layout,
)
from halfbyte.rtl.dfloat11.matcher import Matcher
from halfbyte.rtl.exported import Exported

__all__ = ["Lane"]

_BYTES = WORD // 8
_ESCAPED_BITS = 8


class _State(enum.Enum):
    COUNT = 0  # expects the number of elements
    LENGTHS = 1  # expects the segment lengths
    CHECKSUM = 2  # expects the CRC
    DECODE = 3
    FINISH = 4  # waits for the CRC of the last word
    DRAIN = 5  # skips the rest of both packets
    VERDICT = 6  # gives the verdict


class Lane(Exported):
    """Decodes chunks of BF16 weights, one after the other.

    One weight per cycle while all streams flow, but: an escaped symbol takes another cycle; a word
    is kept for four cycles at least, in which its CRC is computed; a chunk takes about 75 cycles
    more than its weights.

    Whatever comes in, each pair of packets gives one verdict, after its weights, and the next pair
    is not touched before. A verdict other than ``GOOD`` says that the weights since the last one
    may be wrong, or too few. Of the segment lengths only the sum is compared with the codes, modulo
    32: together with the number of words that is the length of the whole stream.

    Parameters
    ----------
    rows, max_length : :class:`int`
        As :func:`table_layout`.

    Members
    -------
    table : ``In(table_layout(rows, max_length))``
        The code; must not change while ``busy``.
    usable : ``In(1)``
        High if ``table`` may be used: chunks begin only then.
    busy : ``Out(1)``
        High from a chunk's first word to its verdict.
    words : ``In(stream.Signature(WordBeat))``
        Packets of words, as :mod:`halfbyte.rtl.dfloat11.framing` says. ``ready`` follows
        ``valid`` and ``payload`` in the same cycle.
    raw : ``In(stream.Signature(ByteBeat))``
        Packets of raw bytes.
    weights : ``Out(stream.Signature(16))``
        The weights, as BF16; from a register.
    verdict : ``Out(stream.Signature(Verdict))``
        What became of the chunk.
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
        held = Signal()  # a weight waits in the output register
        weight = Signal(16, reset_less=True)
        verdict = Signal(Verdict, reset_less=True)
        left = Signal(range(CHUNK), reset_less=True)  # elements after the next one
        words_done = Signal(reset_less=True)  # the packet's last beat has been taken
        raw_done = Signal(reset_less=True)
        word = Signal(WORD, reset_less=True)
        position = Signal(range(WORD + 1), reset_less=True)  # bits of the word that are used up
        escaped = Signal(reset_less=True)  # the next symbol stands in the stream itself
        unchecked = Signal(range(_BYTES + 1), reset_less=True)  # bytes of the word for the CRC
        lengths_left = Signal(range(LENGTH_WORDS), reset_less=True)  # after the next one
        length_sum = Signal(range(WORD), reset_less=True)  # of segment lengths, modulo 32
        stream_crc = Signal(WORD, reset_less=True)
        raw_crc = Signal(WORD, reset_less=True)
        expected_crc = Signal(WORD, reset_less=True)

        words, raw = self.words.payload, self.raw.payload
        word_comes = Signal()
        raw_comes = Signal()
        load = Signal()  # the word that comes is kept
        can_load = Signal()
        m.d.comb += [
            word_comes.eq(self.words.valid & self.words.ready),
            raw_comes.eq(self.raw.valid & self.raw.ready),
            can_load.eq(unchecked <= 1),
            self.busy.eq(state != _State.COUNT),
            self.weights.valid.eq(held),
            self.weights.payload.eq(weight),
            self.verdict.payload.eq(verdict),
        ]
        with m.If(self.weights.ready):
            m.d.sync += held.eq(0)
        with m.If(word_comes):
            m.d.sync += words_done.eq(words.last)
        with m.If(raw_comes):
            m.d.sync += raw_done.eq(raw.last)

        # Check the word that is kept, byte by byte as they lie in memory
        m.submodules.stream_crc = of_stream = Crc()
        m.d.comb += [
            of_stream.state.eq(stream_crc),
            of_stream.byte.eq(word.word_select((-unchecked)[:2], 8)),
        ]
        with m.If(unchecked != 0):
            m.d.sync += [stream_crc.eq(of_stream.following), unchecked.eq(unchecked - 1)]
        with m.If(load):
            m.d.sync += [word.eq(words.data), unchecked.eq(_BYTES)]

        m.submodules.raw_crc = of_raw = Crc()
        m.d.comb += [of_raw.state.eq(raw_crc), of_raw.byte.eq(raw.data)]

        # Find the next code; without a next word, zeros stand behind this one
        m.submodules.matcher = matcher = Matcher(rows=self.rows, max_length=self.max_length)
        fresh = Signal()
        window = Signal(self.max_length)
        length = Signal(range(max(self.max_length, _ESCAPED_BITS) + 1))
        symbol = Signal(8)
        end = Signal(range(2 * WORD))
        crosses = Signal()  # the code ends this word
        overruns = Signal()  # it has bits in the next one
        m.d.comb += [
            fresh.eq(self.words.valid & ~words_done),
            window.eq(self._window(word, words.data & fresh.replicate(WORD), position)),
            matcher.table.eq(self.table),
            matcher.window.eq(window),
            length.eq(Mux(escaped, _ESCAPED_BITS, matcher.length)),
            symbol.eq(Mux(escaped, window[-8:], matcher.symbol)),
            end.eq(position[:5] + length),
            crosses.eq(end[5]),
            overruns.eq(crosses & (end[:5] != 0)),
        ]

        with m.Switch(state):
            with m.Case(_State.COUNT):
                m.d.comb += self.words.ready.eq(self.usable)
                m.d.sync += [
                    raw_done.eq(0),
                    verdict.eq(Verdict.GOOD),
                    left.eq(words.data),
                    unchecked.eq(0),
                    stream_crc.eq(START),
                    lengths_left.eq(LENGTH_WORDS - 1),
                    length_sum.eq(0),
                ]
                with m.If(word_comes):
                    m.d.sync += state.eq(_State.LENGTHS)
                    with m.If(words.last | words.data[len(left) :].any()):
                        self._refuse(m, state, verdict, Verdict.WRONG_LENGTH)
            with m.Case(_State.LENGTHS):
                m.d.comb += [self.words.ready.eq(can_load), load.eq(word_comes)]
                with m.If(word_comes):
                    m.d.sync += [
                        lengths_left.eq(lengths_left - 1),
                        length_sum.eq(length_sum + words.data[:5] + words.data[16:21]),
                    ]
                    with m.If(lengths_left == 0):
                        m.d.sync += state.eq(_State.CHECKSUM)
                    with m.If(words.last):
                        self._refuse(m, state, verdict, Verdict.WRONG_LENGTH)
            with m.Case(_State.CHECKSUM):
                m.d.comb += self.words.ready.eq(unchecked == 0)
                m.d.sync += [position.eq(WORD), escaped.eq(0), raw_crc.eq(START)]
                with m.If(word_comes):
                    m.d.sync += [
                        expected_crc.eq(words.data ^ stream_crc),
                        stream_crc.eq(START),
                        state.eq(_State.DECODE),
                    ]
                    with m.If(words.last):
                        self._refuse(m, state, verdict, Verdict.WRONG_LENGTH)
            with m.Case(_State.DECODE):
                is_whole = Signal()  # all bits of the code are here
                goes_on = Signal()  # the code is taken
                m.d.comb += [
                    is_whole.eq(~overruns | (fresh & can_load)),
                    load.eq(word_comes),
                ]
                with m.If(goes_on):
                    m.d.sync += position.eq(Mux(crosses & ~word_comes, WORD, end[:5]))
                    m.d.comb += self.words.ready.eq(crosses & can_load & ~words_done)
                with m.If(position[5]):  # the word is used up
                    m.d.comb += self.words.ready.eq(can_load & ~words_done)
                    with m.If(word_comes):
                        m.d.sync += position.eq(0)
                    with m.If(words_done):
                        self._refuse(m, state, verdict, Verdict.WRONG_LENGTH)
                with m.Elif(~escaped & ~matcher.is_known):
                    self._refuse(m, state, verdict, Verdict.NOT_A_CODE)
                with m.Elif(overruns & words_done):
                    self._refuse(m, state, verdict, Verdict.WRONG_LENGTH)
                with m.Elif(is_whole & ~escaped & matcher.is_escape):
                    m.d.comb += goes_on.eq(1)
                    m.d.sync += escaped.eq(1)
                with m.Elif(is_whole & (~held | self.weights.ready)):
                    m.d.comb += [self.raw.ready.eq(1), goes_on.eq(self.raw.valid)]
                    with m.If(self.raw.valid):
                        m.d.sync += [
                            held.eq(1),
                            weight.eq(Cat(raw.data[:7], symbol, raw.data[7])),
                            raw_crc.eq(of_raw.following),
                            left.eq(left - 1),
                            escaped.eq(0),
                        ]
                        with m.If((left == 0) & raw.last):
                            m.d.sync += state.eq(_State.FINISH)
                        with m.Elif((left == 0) | raw.last):
                            self._refuse(m, state, verdict, Verdict.WRONG_LENGTH)
            with m.Case(_State.FINISH):
                crc = expected_crc ^ stream_crc ^ raw_crc
                with m.If(unchecked == 0):
                    m.d.sync += state.eq(_State.DRAIN)
                    with m.If(~words_done | (position[:5] != length_sum)):
                        m.d.sync += verdict.eq(Verdict.WRONG_LENGTH)
                    with m.Elif(~crc.all()):  # three CRCs, three complements
                        m.d.sync += verdict.eq(Verdict.WRONG_CRC)
            with m.Case(_State.DRAIN):
                m.d.comb += [self.words.ready.eq(~words_done), self.raw.ready.eq(~raw_done)]
                with m.If(words_done & raw_done):
                    m.d.sync += state.eq(_State.VERDICT)
            with m.Default():  # VERDICT, and the code that no state has
                m.d.comb += self.verdict.valid.eq(~held)
                with m.If(self.verdict.valid & self.verdict.ready):
                    m.d.sync += state.eq(_State.COUNT)
        return m

    def _window(self, word: Value, following: Value, position: Value) -> Value:
        """The bits of ``word`` and ``following`` from ``position`` (0 to 31) on."""
        both = Cat(following[-self.max_length :], word)
        return (both[1:] >> ~position[:5])[: self.max_length]

    @staticmethod
    def _refuse(m: Module, state: Signal, verdict: Signal, reason: object) -> None:
        m.d.sync += [verdict.eq(reason), state.eq(_State.DRAIN)]
