"""Read a chunk's stream in a fixed code, and give its exponents one by one."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from halfbyte.rtl.dfloat11.fixed.prefix import CodeNumber, Mode, Prefix

__all__ = ["Reader", "reader_ports"]

_BYTE = 8


def reader_ports(width: int) -> dict[str, Member]:
    """The ports of a reader that takes ``width`` bits and gives ``width`` bits of exponents."""
    return {
        "sets_highest": In(1),
        "highest": In(8),
        "sets_code": In(1),
        "code": In(CodeNumber),
        "walks": In(1),
        "data": In(width),
        "comes": In(1),
        "is_there": In(1),
        "is_last": In(1),
        "takes": In(1),
        "ready": Out(1),
        "offers": Out(1),
        "exponents": Out(width),
    }


class Reader(wiring.Component):
    """Keep one byte of the stream and the position in it, and give exponents.

    A step reads at most eight bits, and may use bits of the next byte in the cycle in which that
    byte arrives. Most exponents take one step, rare ones take two or three.

    Members
    -------
    sets_highest, sets_code : ``In(1)``
        High to take ``highest``, or ``code``, in this cycle.
    highest, code : ``In(8)``, ``In(CodeNumber)``
        The exponent from which the code counts down, and the number of the code.
    walks : ``In(1)``
        High while the stream is read. While it is low, the position goes back to the start.
    data : ``In(8)``
        The next byte.
    comes : ``In(1)``
        High if ``data`` is taken in this cycle.
    is_there : ``In(1)``
        High if ``data`` is valid.
    is_last : ``In(1)``
        High if the next exponent, or pair of exponents, is the last one of the chunk.
    takes : ``In(1)``
        High if ``exponents`` can be taken in this cycle.
    ready : ``Out(1)``
        High to ask for the next byte.
    offers : ``Out(1)``
        High if ``exponents`` is valid.
    exponents : ``Out(8)``
        The next exponent.
    """

    def __init__(self) -> None:
        super().__init__(reader_ports(_BYTE))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        highest = Signal(8, reset_less=True)
        code = Signal(CodeNumber, reset_less=True)
        byte = Signal(_BYTE, reset_less=True)
        is_empty = Signal(reset_less=True)  # all bits of the byte are used up
        position = Signal(range(_BYTE), reset_less=True)  # bits that are used up, unless is_empty
        mode = Signal(Mode, reset_less=True)

        # Read the bits at the position
        m.submodules.prefix = prefix = Prefix()
        both = Cat(self.data, byte)
        end = Signal(range(2 * _BYTE))
        m.d.comb += [
            prefix.code.eq(code),
            prefix.mode.eq(mode),
            prefix.window.eq((both[1:] >> ~position)[:_BYTE]),
            self.exponents.eq(
                Mux(mode == Mode.PLAIN, prefix.window, highest - prefix.below.as_signed())
            ),
            end.eq(position + prefix.length),
        ]

        # `crosses`: the step takes the last bit of the byte. If `is_short` is also high, it takes
        # bits of the next byte, too.
        crosses, is_short = end[3], end[:3].any()
        is_exponent = prefix.following == Mode.CODE
        is_whole = Signal()  # all bits of this step are here
        goes_on = Signal()
        m.d.comb += [
            is_whole.eq(~is_empty & (~crosses | ~is_short | self.is_there)),
            self.offers.eq(is_whole & is_exponent),
            goes_on.eq(is_whole & (~is_exponent | self.takes)),
            # The byte after the last exponent is the CRC, not part of the stream
            self.ready.eq(is_empty | goes_on & crosses & (is_short | ~is_exponent | ~self.is_last)),
        ]
        with m.If(self.comes):
            m.d.sync += [byte.eq(self.data), is_empty.eq(0)]
        with m.Elif(goes_on & crosses):
            m.d.sync += is_empty.eq(1)
        with m.If(goes_on):
            m.d.sync += [position.eq(end), mode.eq(prefix.following)]
        with m.If(~self.walks):
            m.d.sync += [is_empty.eq(1), position.eq(0), mode.eq(Mode.CODE)]
        with m.If(self.sets_highest):
            m.d.sync += highest.eq(self.highest)
        with m.If(self.sets_code):
            m.d.sync += code.eq(self.code)
        return m
