"""Multiply two codes, and prepare the product for the accumulator's adder."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Format
from halfbyte.rtl.multiplier import multiplier

__all__ = ["Addend"]


class Addend(wiring.Component):
    """Multiply two codes, and split the product into its lowest bit and the rest; combinational.

    The multiplier gives a term, and a bit ``negate`` that is high if the product is ``-term``. A
    term is negated by inverting its bits and adding 1. The adder behind this component adds the 1
    as a carry. Negation never changes the lowest bit, so only the bits above it, ``rest``, are
    inverted::

        product = odd + 2 * (rest + (negate if not odd else 0))

    If the adder adds the product to ``base``, the carry out of the adder's bit 0 is therefore
    ``base[0] if odd else negate``.

    This is a separate component so that synthesis can optimize it alone. Its only inputs are the
    bits of the two codes.

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
    odd : ``Out(1)``
        Bit 0 of the product, in units of ``weight.quantum * activation.quantum``. A quantum is the
        largest number that divides all values of a format.
    rest : ``Out(signed)``
        The term without its bit 0, inverted if ``negate`` is high.
    negate : ``Out(1)``
        High if the product is ``-term``.
    """

    def __init__(self, *, weight: Format, activation: Format, architecture: str) -> None:
        self.weight = weight
        self.activation = activation
        self.architecture = architecture
        self.multiplier = multiplier(architecture, weight=weight, activation=activation)
        term = self.multiplier.term
        self.term_width = len(term) + (not term.shape().signed)
        super().__init__(
            {
                "w": In(weight.bits),
                "a": In(activation.bits),
                "odd": Out(1),
                "rest": Out(signed(max(1, self.term_width - 1))),
                "negate": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = product = self.multiplier
        term = Signal(signed(self.term_width))
        m.d.comb += [
            product.w.eq(self.w),
            product.a.eq(self.a),
            term.eq(product.term),
            self.odd.eq(term[0]),
            self.rest.eq((term >> 1) ^ product.negate.replicate(len(self.rest))),
            self.negate.eq(product.negate),
        ]
        return m
