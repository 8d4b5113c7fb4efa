"""The BF16 multiply-accumulate unit."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.bf16.product import Product
from halfbyte.rtl.exported import Exported

__all__ = ["Bf16Mac"]


class Bf16Mac(Exported):
    """Multiply-accumulate unit: every cycle ``acc <= (clear ? +0 : acc) + w * a``, in FP32.

    The product is exact. The sum is rounded once to nearest even, with subnormals, infinities and
    NaN as in IEEE 754 (see :class:`Accumulate`). Latency 1 cycle, one product per cycle. ``clear``
    starts a new sum, so the register needs no reset.

    Members
    -------
    w, a : ``In(16)``
        Operands in BF16, sampled at every rising clock edge.
    clear : ``In(1)``
        High to start a new sum with this cycle's product.
    acc : ``Out(32)``
        Sum of all products from the cycle in which ``clear`` was last high up to the latest clock
        edge, in FP32. Valid after the clock edge.
    """

    def __init__(self) -> None:
        super().__init__({"w": In(16), "a": In(16), "clear": In(1), "acc": Out(32)})

    def header(self) -> Sequence[str]:
        return ["BF16 MAC: every rising clk edge, acc <= (clear ? 0 : acc) + w * a, in FP32"]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Multiply
        m.submodules.product = product = Product()
        m.d.comb += [product.w.eq(self.w), product.a.eq(self.a)]

        # Add
        m.submodules.accumulate = accumulate = Accumulate()
        register = Signal(32, reset_less=True)
        m.d.comb += [
            accumulate.augend.eq(register & (~self.clear).replicate(32)),
            accumulate.negative.eq(product.negative),
            accumulate.exponent.eq(product.exponent),
            accumulate.significand.eq(product.significand),
            accumulate.is_nan.eq(product.is_nan),
            accumulate.is_infinite.eq(product.is_infinite),
        ]

        # Register
        m.d.sync += register.eq(accumulate.total)
        m.d.comb += self.acc.eq(register)
        return m
