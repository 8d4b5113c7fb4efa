"""Read a chunk's stream in a fixed code, two exponents in a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from halfbyte.rtl.dfloat11.fixed.prefix import WINDOW, CodeNumber, Mode, Prefix
from halfbyte.rtl.dfloat11.fixed.reader import reader_ports

__all__ = ["PairReader"]

_BEAT = 16


class PairReader(wiring.Component):
    """Keep two bytes of the stream and the position in them, and give pairs of exponents.

    A step reads at most eight bits, and a rare exponent takes several steps. If the second exponent
    of a pair takes one step, it is read in the same cycle as the last step of the first exponent.
    Otherwise each step takes a cycle of its own, and the first exponent waits for the second. A
    step may use bits of the next two bytes (a beat) in the cycle in which these arrive.

    Members
    -------
    data : ``In(16)``
        The next two bytes, the first one lower.
    exponents : ``Out(16)``
        The next two exponents, the first one lower.
    others
        The same as for :class:`Reader`.
    """

    def __init__(self) -> None:
        super().__init__(reader_ports(_BEAT))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        highest = Signal(8, reset_less=True)
        code = Signal(CodeNumber, reset_less=True)
        beat = Signal(_BEAT, reset_less=True)  # the first byte in the upper half
        is_empty = Signal(reset_less=True)  # all bits of the beat are used up
        position = Signal(range(_BEAT), reset_less=True)  # bits that are used up, unless is_empty
        mode = Signal(Mode, reset_less=True)
        half = Signal(8, reset_less=True)  # the first exponent of a pair
        has_half = Signal(reset_less=True)

        # Read two steps, the second one right after the first
        m.submodules.first = first = Prefix()
        m.submodules.second = second = Prefix()
        data = Cat(self.data[8:], self.data[:8])
        both = Cat(data, beat)
        window = Signal(2 * WINDOW)
        behind = Signal(3)
        exponent = Signal(8)
        m.d.comb += [
            window.eq((both[1:] >> ~position)[: 2 * WINDOW]),
            first.code.eq(code),
            first.mode.eq(mode),
            first.window.eq(window[WINDOW:]),
            behind.eq(-first.length),
            second.code.eq(code),
            second.mode.eq(Mode.CODE),
            second.window.eq((window >> behind)[:WINDOW]),
            exponent.eq(Mux(mode == Mode.PLAIN, first.window, highest - first.below.as_signed())),
            self.exponents.eq(
                Mux(
                    has_half,
                    Cat(half, exponent),
                    Cat(exponent, (highest - second.below.as_signed())[:8]),
                )
            ),
        ]

        is_exponent = first.following == Mode.CODE
        is_pair = Signal()  # both exponents are read in this cycle
        is_complete = Signal()
        end = Signal(range(2 * _BEAT))
        # `crosses`: the steps take the last bit of the beat. If `is_short` is also high, they take
        # bits of the next beat, too.
        crosses, is_short = end[4], end[:4].any()
        is_whole = Signal()  # all bits of the steps are here
        goes_on = Signal()
        m.d.comb += [
            is_pair.eq(~has_half & is_exponent & (second.following == Mode.CODE)),
            is_complete.eq(is_pair | (has_half & is_exponent)),
            end.eq(position + first.length + Mux(is_pair, second.length, 0)),
            is_whole.eq(~is_empty & (~crosses | ~is_short | self.is_there)),
            self.offers.eq(is_whole & is_complete),
            goes_on.eq(is_whole & (~is_complete | self.takes)),
            # The beat after the last exponent is the CRC, not part of the stream
            self.ready.eq(is_empty | goes_on & crosses & (is_short | ~is_complete | ~self.is_last)),
        ]
        with m.If(self.comes):
            m.d.sync += [beat.eq(data), is_empty.eq(0)]
        with m.Elif(goes_on & crosses):
            m.d.sync += is_empty.eq(1)
        with m.If(goes_on):
            m.d.sync += [
                position.eq(end),
                mode.eq(first.following),
                has_half.eq(~is_complete & (has_half | is_exponent)),
            ]
        with m.If(~has_half):
            m.d.sync += half.eq(exponent)
        with m.If(~self.walks):
            m.d.sync += [is_empty.eq(1), position.eq(0), mode.eq(Mode.CODE), has_half.eq(0)]
        with m.If(self.sets_highest):
            m.d.sync += highest.eq(self.highest)
        with m.If(self.sets_code):
            m.d.sync += code.eq(self.code)
        return m
