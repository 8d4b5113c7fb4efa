"""Multiply a sum of products by its two scales, and give the result as a fixed-point number."""

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.dot.scaled_block import ScaleDecoder

if TYPE_CHECKING:
    from halfbyte.rtl.dot.spec import DotSpec

__all__ = ["ScaledTerm"]


class ScaledTerm(wiring.Component):
    """Multiply a block's sum by both scales, for an exact accumulator; combinational.

    A block is a group of products that share a scale for the weights and one for the activations.

    Parameters
    ----------
    spec : :class:`DotSpec`
        The unit. Its ``window``, if given, is the range of sums of both scales' exponents that the
        accumulator accepts. A scale is m * 2**e with an integer significand m; e is its exponent.

    Members
    -------
    total : ``In(signed(spec.sum_width))``
        The sum of the block's products in this cycle.
    w_scale, a_scale : ``In(scale.bits)``
        The scales' codes.
    scaled : ``Out(signed(spec.width))``
        The product, modulo the accumulator's range, in units of ``spec.unit``. It is 0 if
        ``is_nan`` is high.
    is_nan : ``Out(1)``
        High if a scale is NaN, or if the sum of both scales' exponents is outside the window, if
        there is one.
    """

    def __init__(self, spec: "DotSpec") -> None:
        assert spec.scale is not None  # noqa: S101
        self.spec, self.scale = spec, spec.scale
        super().__init__(
            {
                "total": In(signed(spec.sum_width)),
                "w_scale": In(spec.scale.bits),
                "a_scale": In(spec.scale.bits),
                "scaled": Out(signed(spec.width)),
                "is_nan": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.w_decoder = w_decoder = ScaleDecoder(scale=self.scale)
        m.submodules.a_decoder = a_decoder = ScaleDecoder(scale=self.scale)
        m.d.comb += [w_decoder.code.eq(self.w_scale), a_decoder.code.eq(self.a_scale)]

        # Multiply by the significands
        product: Value = self.total
        if self.scale.mantissa_bits:
            product = product * (w_decoder.significand * a_decoder.significand)

        # Shift by the exponents
        exponent = w_decoder.exponent + a_decoder.exponent - 2 * self.scale.has_subnormals
        outside: Value = w_decoder.is_nan | a_decoder.is_nan
        highest = 2 * self.scale.highest_shift
        if self.spec.window:
            low = self.spec.window[0] - 2 * self.scale.quantum_exponent
            highest = self.spec.window[1] - self.spec.window[0]
            above = Signal(signed(self.scale.exponent_bits + 3))
            m.d.comb += above.eq(exponent - low)
            outside = outside | (above < 0) | (above > highest)
            exponent = above
        shift = Signal(range(highest + 1))
        m.d.comb += [
            shift.eq(exponent),
            self.is_nan.eq(outside),
            self.scaled.eq((product << shift) & (~outside).replicate(self.spec.width)),
        ]
        return m
