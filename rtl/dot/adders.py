"""The adders of an adder tree. Each adder is a module, so that a library cell can replace it.

ABC, the optimizer in Yosys, neither makes full-adder cells nor optimizes across them. So the tree
places every adder as an instance of one of these modules, and synthesis puts the library's cell in
its place.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from amaranth.hdl import Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = [
    "FINAL",
    "PLAIN",
    "AdderStyle",
    "BitAdder",
    "FinalAdder",
    "FinalSum",
    "Outputs",
    "adder_modules",
    "place_adder",
]

HALF, HALF_PLUS_ONE, LAST = "half_adder", "half_adder_plus_one", "last_adder"
FINAL = "final_adder"


class FinalAdder(enum.Enum):
    """The kind of the last adder of a sum, the only one with a long carry chain."""

    RIPPLE = "ripple"
    """The carry ripples through the full adders and half adders of the tree itself."""

    PREFIX = "prefix"
    """The tree ends with two numbers. Synthesis chooses the adder for them."""

    BALANCED = "balanced"
    """Like ``PREFIX``, but late bits skip the tree and go to the last adder.

    So no carry ripples inside the tree.
    """


@dataclass(frozen=True)
class AdderStyle:
    """The kind of adders that compute sums.

    Parameters
    ----------
    total_inverted, carry_inverted : bool
        Whether the library's full adder gives its sum, or its carry, inverted.
    final : FinalAdder
        The last adder of a sum.
    """

    total_inverted: bool = False
    carry_inverted: bool = False
    final: FinalAdder = FinalAdder.RIPPLE

    @property
    def module(self) -> str:
        """The name of the full adder's module."""
        marks = ("_total" * self.total_inverted, "_carry" * self.carry_inverted)
        return "full_adder" + ("_inverted" + "".join(marks) if any(marks) else "")


PLAIN = AdderStyle()


class BitAdder(wiring.Component):
    """Add two or three bits; combinational.

    Parameters
    ----------
    inputs : :class:`int`
        Number of bits, 2 or 3.
    one : :class:`bool`
        Whether a constant 1 is added as well; only with two bits.
    style : :class:`AdderStyle`
        Says which outputs are inverted.

    Members
    -------
    a, b, c : ``In(1)``
        The bits; ``c`` only if there are three.
    total, carry : ``Out(1)``
        The sum is ``total + 2 * carry``, apart from the inversions of ``style``.
    """

    def __init__(self, *, inputs: int, one: bool = False, style: AdderStyle = PLAIN) -> None:
        self.inputs, self.one, self.style = inputs, one, style
        names = "abc"[:inputs]
        super().__init__({**dict.fromkeys(names, In(1)), "total": Out(1), "carry": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, carry = self.a ^ self.b, self.a & self.b
        if self.one:
            total, carry = ~total, self.a | self.b
        if self.inputs == 3:
            total, carry = total ^ self.c, carry | (self.c & total)
        m.d.comb += [
            self.total.eq(total ^ self.style.total_inverted),
            self.carry.eq(carry ^ self.style.carry_inverted),
        ]
        return m


class LastAdder(wiring.Component):
    """Add three bits modulo 2: a full adder without a carry output; combinational.

    Members
    -------
    a, b, c : ``In(1)``
        Bits to add.
    total : ``Out(1)``
        Bit 0 of the sum.
    """

    def __init__(self) -> None:
        super().__init__({**dict.fromkeys("abc", In(1)), "total": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.total.eq(self.a ^ self.b ^ self.c)
        return m


class FinalSum(wiring.Component):
    """Add two numbers, modulo ``2**width``; combinational. Synthesis chooses the adder.

    Parameters
    ----------
    width : :class:`int`
        Bits of the numbers.

    Members
    -------
    a, b, total : ``In(width)``, ``In(width)``, ``Out(width)``
        The numbers and their sum.
    """

    def __init__(self, *, width: int) -> None:
        self.width = width
        super().__init__({"a": In(width), "b": In(width), "total": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.total.eq(self.a + self.b)
        return m


def adder_modules(style: AdderStyle) -> dict[str, Callable[[], wiring.Component]]:
    """The functions that make the modules of :func:`place_adder`, by module name."""
    return {
        style.module: partial(BitAdder, inputs=3, style=style),
        HALF: partial(BitAdder, inputs=2),
        HALF_PLUS_ONE: partial(BitAdder, inputs=2, one=True),
        LAST: LastAdder,
    }


class Outputs(NamedTuple):
    """The outputs of an adder; ``carry`` is None for a :class:`LastAdder`."""

    total: Signal
    carry: Signal | None


def place_adder(m: Module, module: str, bits: list[Value]) -> Outputs:
    """Put an instance of ``module``, with ``bits`` as its inputs, into ``m``."""
    total, carry = Signal(name="total"), None if module == LAST else Signal(name="carry")
    ports = {f"i_{name}": bit for name, bit in zip("abc", bits, strict=False)}
    if carry is not None:
        ports["o_carry"] = carry
    m.submodules += Instance(module, o_total=total, **ports)
    return Outputs(total, carry)
