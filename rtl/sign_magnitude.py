"""Multipliers that multiply the magnitudes of two values and combine their signs."""

from amaranth.hdl import Module, Shape, Signal

from halfbyte.formats import Format
from halfbyte.rtl.architecture import (
    MultiplierArchitecture,
    magnitude_product_shape,
    signed_product_shape,
)
from halfbyte.rtl.decoder import SignMagnitudeDecoder

__all__ = ["SignMagnitude", "SignMagnitudeEarly"]


class SignMagnitude(MultiplierArchitecture):
    """Multiply unsigned magnitudes; the accumulator's adder applies the sign.

    If the product is negative, the bits of its magnitude are inverted before the adder, and 1
    enters the adder as a carry.
    """

    name = "sign_magnitude"
    description = "unsigned multiplication of magnitudes, sign applied in the accumulator's adder"

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return magnitude_product_shape(weight, activation)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weight = weight = SignMagnitudeDecoder(fmt=self.weight)
        m.submodules.activation = activation = SignMagnitudeDecoder(fmt=self.activation)
        m.d.comb += [
            weight.code.eq(self.w),
            activation.code.eq(self.a),
            self.term.eq(weight.magnitude * activation.magnitude),
            self.negate.eq(weight.negative ^ activation.negative),
        ]
        return m


class SignMagnitudeEarly(MultiplierArchitecture):
    """Multiply unsigned magnitudes and negate the product in the multiplier itself."""

    name = "sign_magnitude_early"
    description = "unsigned multiplication of magnitudes, product negated in the multiplier"

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return signed_product_shape(weight, activation)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.magnitude = inner = SignMagnitude(
            weight=self.weight, activation=self.activation
        )
        flipped = Signal(self.term.shape())
        m.d.comb += [
            inner.w.eq(self.w),
            inner.a.eq(self.a),
            flipped.eq(inner.term ^ inner.negate.replicate(len(self.term))),
            self.term.eq(flipped + inner.negate),
            self.negate.eq(0),  # an undriven signal would be exported as an input
        ]
        return m
