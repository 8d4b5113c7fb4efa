"""CRC-32C (Castagnoli, reflected, as RFC 3720), a byte at a time."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["START", "Crc"]

_POLYNOMIAL = 0x82F63B78
START = 0xFFFFFFFF
"""The state before the first byte; after the last one, the CRC is its complement."""


class Crc(wiring.Component):
    """One byte's step; combinational.

    A bit after the other, each with a signal of its own for what it feeds back: synthesis makes
    half the gates of that, compared with one sum of inputs for each bit of the result.

    Members
    -------
    state : ``In(32)``
        The state before the byte.
    byte : ``In(8)``
        The byte, its bit 0 first.
    following : ``Out(32)``
        The state after it.
    """

    def __init__(self) -> None:
        super().__init__({"state": In(32), "byte": In(8), "following": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state: list[Value] = list(self.state)
        for place, bit in enumerate(self.byte):
            feedback = Signal(name=f"feedback{place}")
            m.d.comb += feedback.eq(state[0] ^ bit)
            shifted = [*state[1:], Const(0, 1)]
            state = [
                before ^ feedback if _POLYNOMIAL >> tap & 1 else before
                for tap, before in enumerate(shifted)
            ]
        m.d.comb += self.following.eq(Cat(state))
        return m
