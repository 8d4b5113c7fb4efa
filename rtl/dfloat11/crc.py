"""CRC-32C (Castagnoli, reflected, as RFC 3720), several bits at a time."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["START", "Crc"]

_POLYNOMIAL = 0x82F63B78
START = 0xFFFFFFFF
"""The state before the first byte; after the last one, the CRC is its complement."""


class Crc(wiring.Component):
    """The step of some bits; combinational.

    One bit after the other, each with a signal of its own for what it feeds back. Synthesis makes
    half as many gates of that as of a sum of inputs for each bit of the result.

    Parameters
    ----------
    bits : :class:`int`
        Bits of a step.

    Members
    -------
    state : ``In(32)``
        The state before the step.
    data : ``In(bits)``
        The bits, the first of them least significant.
    following : ``Out(32)``
        The state after it.
    """

    def __init__(self, *, bits: int = 8) -> None:
        self.bits = bits
        super().__init__({"state": In(32), "data": In(bits), "following": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state: list[Value] = list(self.state)
        for place, bit in enumerate(self.data):
            feedback = Signal(name=f"feedback{place}")
            m.d.comb += feedback.eq(state[0] ^ bit)
            shifted = [*state[1:], Const(0, 1)]
            state = [
                before ^ feedback if _POLYNOMIAL >> tap & 1 else before
                for tap, before in enumerate(shifted)
            ]
        m.d.comb += self.following.eq(Cat(state))
        return m
