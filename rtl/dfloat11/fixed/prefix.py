"""Decode one step of a stream in a fixed code. A step takes at most eight bits."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WINDOW", "CodeNumber", "Mode", "Prefix"]

WINDOW = 8  # bits that a step looks at

CodeNumber = data.StructLayout({"late": 2, "flat": 1})
"""The number of one of the eight codes. A code gives each exponent a code word, a string of bits.

``flat`` says how long the shortest code words are: 2, 2, 2 and 3 bits if it is 0, and 2, 2, 3 and 3
bits if it is 1. ``late`` plus 4 is the length of the highest exponent's code word.
"""


class Mode(enum.Enum):
    """The kind of the next bits."""

    CODE = 0
    REST = 1  # the rest of a code word that began with eight ones
    PLAIN = 2  # the exponent itself


class Prefix(wiring.Component):
    """Read one step of a fixed code; combinational.

    The header of a chunk gives the highest exponent, and the code counts down from it. The number
    of ones before the first zero, and in some short words the bit after this zero, give the *rank*
    of an exponent. Rank 0 is one below the highest exponent, rank 1 is two below, and so on. These
    are the code words of the ranks:

    ============ ==== ==== ==== ==== ==== ===== ====== ===
    rank          0    1    2    3    4     5      6   ...
    ============ ==== ==== ==== ==== ==== ===== ====== ===
    not flat      10   00   01  110  1110 11110 111110 ...
    flat         100   00   01  101  110  1110  11110  ...
    ============ ==== ==== ==== ==== ==== ===== ====== ===

    But the highest exponent has the word with ``late + 3`` ones. The rank with that word in the
    table, and all higher ranks, have the next longer word. After eight ones, a second word follows,
    which is not flat: 10 stands for the exponent above the highest; 00, 01, 110 and 1110 continue
    the ranks; 1111 is the escape, which says that the next eight bits are the exponent itself.

    Members
    -------
    code : ``In(CodeNumber)``
        Which of the eight codes.
    mode : ``In(Mode)``
        The kind of the next bits.
    window : ``In(8)``
        The next bits, the first most significant.
    length : ``Out(range(9))``
        How many of these bits the step takes.
    following : ``Out(Mode)``
        The kind of the bits after the step. If it is ``CODE``, an exponent is complete.
    below : ``Out(5)``
        How far that exponent is below the highest, -1 to 13, in two's complement. It has no meaning
        if ``mode`` is ``PLAIN``: then ``window`` is the exponent.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "code": In(CodeNumber),
                "mode": In(Mode),
                "window": In(WINDOW),
                "length": Out(range(WINDOW + 1)),
                "following": Out(Mode),
                "below": Out(5),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        is_rest = Signal()
        is_plain = Signal()
        flat = Signal()
        first, second, third = self.window[7], self.window[6], self.window[5]
        # Ones before the first zero: `ones[n]` says that there are n or more
        ones = Signal(WINDOW + 1)
        m.d.comb += [
            is_rest.eq(self.mode == Mode.REST),
            is_plain.eq(self.mode == Mode.PLAIN),
            flat.eq(self.code.flat & ~is_rest),
            ones[0].eq(1),
        ]
        for count in range(1, WINDOW + 1):
            m.d.comb += ones[count].eq(ones[count - 1] & self.window[WINDOW - count])

        # The length and the rank
        number = Signal(range(WINDOW + 1))
        for count in range(2, WINDOW + 1):
            with m.If(ones[count]):
                m.d.comb += number.eq(count)
        rank = Signal(4)
        is_long = ones[2]
        with m.If(is_plain | (~is_rest & ones[8])):
            m.d.comb += self.length.eq(WINDOW)
        with m.Elif(is_rest & ones[4]):
            m.d.comb += self.length.eq(4)
        with m.Elif(is_long):
            m.d.comb += self.length.eq(number + 1)
        with m.Else():
            m.d.comb += self.length.eq(Mux(first & flat, 3, 2))
        with m.If(is_long):
            m.d.comb += rank.eq(number + 1 + flat)
        with m.Elif(first):
            m.d.comb += rank.eq(Mux(flat & third, 3, 0))
        with m.Else():
            m.d.comb += rank.eq(Mux(second, 2, 1))
        with m.If(~is_plain & ~is_rest & ones[8]):
            m.d.comb += self.following.eq(Mode.REST)
        with m.Elif(is_rest & ones[4]):
            m.d.comb += self.following.eq(Mode.PLAIN)

        # How far below the highest
        turn = Signal(3)
        m.d.comb += turn.eq(self.code.late + 3)
        with m.If(is_rest):
            m.d.comb += self.below.eq(Mux(rank == 0, -1, rank + 8 + self.code.flat))
        with m.Elif(is_long & (number == turn)):
            m.d.comb += self.below.eq(0)
        with m.Else():
            m.d.comb += self.below.eq(rank + ~(is_long & (number > turn)))
        return m
