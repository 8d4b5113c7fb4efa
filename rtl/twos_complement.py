"""A multiplier of two's complement integers."""

from amaranth.hdl import Module, Shape

from halfbyte.formats import Format
from halfbyte.rtl.architecture import MultiplierArchitecture, signed_product_shape
from halfbyte.rtl.decoder import Decoder

__all__ = ["TwosComplement"]


class TwosComplement(MultiplierArchitecture):
    """Decode both codes to signed integers and multiply them; ``term`` is the signed product."""

    name = "twos_complement"
    description = "decode to signed integers, signed multiplication"

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return signed_product_shape(weight, activation)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weight = weight = Decoder(fmt=self.weight)
        m.submodules.activation = activation = Decoder(fmt=self.activation)
        m.d.comb += [
            weight.code.eq(self.w),
            activation.code.eq(self.a),
            self.term.eq(weight.integer * activation.integer),
            self.negate.eq(0),  # an undriven signal would be exported as an input
        ]
        return m
