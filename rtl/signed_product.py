"""A multiplier that gives the product in two's complement."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Format
from halfbyte.rtl.architecture import signed_product_shape
from halfbyte.rtl.multiplier import multiplier

__all__ = ["SignedProduct"]


class SignedProduct(wiring.Component):
    """Multiply two codes, and give the product as one signed number; combinational.

    A multiplier gives a term and a bit that says whether to negate the term. This component does
    the negation. A MAC does not need it, since the adder of its accumulator negates.

    Parameters
    ----------
    weight, activation : :class:`Format`
        Operand formats.
    architecture : :class:`str`
        Multiplier architecture.

    Members
    -------
    w, a : ``In(weight.bits)``, ``In(activation.bits)``
        Operand codes.
    product : ``Out(signed)``
        The product in units of ``weight.quantum * activation.quantum``, in the smallest width that
        holds all products. A quantum is the largest number that divides all values of a format.
    """

    def __init__(self, *, weight: Format, activation: Format, architecture: str) -> None:
        self.weight = weight
        self.activation = activation
        self.architecture = architecture
        super().__init__(
            {
                "w": In(weight.bits),
                "a": In(activation.bits),
                "product": Out(signed_product_shape(weight, activation)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = unit = multiplier(
            self.architecture, weight=self.weight, activation=self.activation
        )
        m.d.comb += [
            unit.w.eq(self.w),
            unit.a.eq(self.a),
            self.product.eq((unit.term ^ unit.negate.replicate(len(self.product))) + unit.negate),
        ]
        return m
