"""Join symbols and raw bytes into weights, the last step of decoding.

A symbol is the exponent of a BF16 weight; a raw byte is its sign and mantissa.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dfloat11.crc import START, Crc
from halfbyte.rtl.dfloat11.framing import WORD, ByteBeat

__all__ = ["Joiner"]


class Joiner(wiring.Component):
    """Put each symbol between sign and mantissa, and compute the CRC of the raw bytes.

    Members
    -------
    restart : ``In(1)``
        High to begin a new packet and its CRC.
    offers : ``In(1)``
        High if ``symbol`` is valid.
    symbol : ``In(8)``
        The exponent of the next weight.
    drains : ``In(1)``
        High to skip the remaining raw bytes of the packet.
    raw : ``In(stream.Signature(ByteBeat))``
        Packets of raw bytes, one packet for each chunk.
    weights : ``Out(stream.Signature(16))``
        The weights, which come from a register.
    takes : ``Out(1)``
        High if a symbol and its raw byte are taken in this cycle.
    is_done : ``Out(1)``
        High after the packet's last byte.
    is_empty : ``Out(1)``
        High if no weight waits in the register.
    raw_crc : ``Out(32)``
        CRC-32C of the raw bytes that were joined, without the final complement.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "restart": In(1),
                "offers": In(1),
                "symbol": In(8),
                "drains": In(1),
                "raw": In(stream.Signature(ByteBeat)),
                "weights": Out(stream.Signature(16)),
                "takes": Out(1),
                "is_done": Out(1),
                "is_empty": Out(1),
                "raw_crc": Out(WORD),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held = Signal()  # a weight waits in the register
        weight = Signal(16, reset_less=True)
        done = Signal(reset_less=True)
        crc = Signal(WORD, reset_less=True)
        can_join = Signal()
        byte = self.raw.payload
        m.submodules.step = step = Crc()
        m.d.comb += [
            step.state.eq(crc),
            step.data.eq(byte.data),
            can_join.eq(self.offers & (~held | self.weights.ready)),
            self.raw.ready.eq(can_join | self.drains & ~done),
            self.takes.eq(can_join & self.raw.valid),
            self.weights.valid.eq(held),
            self.weights.payload.eq(weight),
            self.is_done.eq(done),
            self.is_empty.eq(~held),
            self.raw_crc.eq(crc),
        ]
        with m.If(self.weights.ready):
            m.d.sync += held.eq(0)
        with m.If(self.takes):
            m.d.sync += [
                held.eq(1),
                weight.eq(Cat(byte.data[:7], self.symbol, byte.data[7])),
                crc.eq(step.following),
            ]
        with m.If(self.raw.valid & self.raw.ready):
            m.d.sync += done.eq(byte.last)
        with m.If(self.restart):
            m.d.sync += [done.eq(0), crc.eq(START)]
        return m
