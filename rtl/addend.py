"""A product, made ready for the accumulator's adder."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Format
from halfbyte.rtl.multiplier import multiplier

__all__ = ["Addend"]


class Addend(wiring.Component):
    """The product of two codes, split into its lowest bit and the rest, for an adder.

    The multiplier gives a term, and says whether the product is the term negated. To negate a term,
    its bits are inverted and 1 is added. The adder that follows adds this 1 as a carry. Negation
    never changes the lowest bit, so only the rest is inverted::

        product = odd + 2 * (rest + (negate if not odd else 0))

    If the adder adds the product to ``base``, its carry out of bit 0 is therefore
    ``base[0] if odd else negate``.

    Combinational. It is a component of its own so that synthesis can work on it alone: it depends
    only on the few bits of the codes.

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
        Bit 0 of the product, in units of ``weight.quantum * activation.quantum``.
    rest : ``Out(signed)``
        The term without its bit 0, inverted if the product is the term negated.
    negate : ``Out(1)``
        High if the product is the term negated.
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
