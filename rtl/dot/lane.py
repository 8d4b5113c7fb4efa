"""One lane of a dot-product unit. It computes one product, as bits for the adder tree.

The tree adds the bits of several lanes. The weight of a bit is the amount that the bit adds to the
sum; it may be negative. The operand ``weight`` is something else: the format of a neural network's
weights.
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Format
from halfbyte.rtl.architecture import ArchitectureError, plain_integers_refusal
from halfbyte.rtl.multiplier import (
    ARCHITECTURES,
    applicable_architectures,
    check_architecture,
    multiplier,
)

__all__ = ["PARTIAL_PRODUCTS", "Lane", "LaneBits", "lane_architectures", "lane_bits"]

PARTIAL_PRODUCTS = "partial_products"


@dataclass(frozen=True)
class LaneBits:
    """The weights of a lane's bits. The bits' weighted sum plus a constant is the product.

    Parameters
    ----------
    weights : tuple of int
        What each bit adds to the product if it is 1, in units of
        ``weight.quantum * activation.quantum``. A quantum is the largest number that divides all
        values of a format. If a bit's weight is neither a power of two nor minus a power of two,
        the unit first counts how many lanes have that bit set, and then adds the count times the
        weight.
    constant : int
        A constant that is added to the weighted sum.
    """

    weights: tuple[int, ...]
    constant: int = 0

    def value(self, bits: int) -> int:
        """The product that ``bits`` represent; bit 0 is the lane's first bit."""
        chosen = (weight for place, weight in enumerate(self.weights) if bits >> place & 1)
        return self.constant + sum(chosen)

    @property
    def single(self) -> tuple[int, ...]:
        """The numbers of the bits that go straight into the tree."""
        return tuple(place for place, weight in enumerate(self.weights) if _is_power(weight))

    @property
    def counted(self) -> tuple[int, ...]:
        """The numbers of the bits that are counted over all lanes first."""
        return tuple(place for place, weight in enumerate(self.weights) if not _is_power(weight))


def _is_power(weight: int) -> bool:
    """Whether ``weight`` is a power of two, or minus a power of two."""
    return abs(weight).bit_count() == 1


def lane_architectures(weight: Format, activation: Format) -> list[str]:
    """Names of the lane architectures that fit the two formats."""
    plain = [PARTIAL_PRODUCTS] if plain_integers_refusal(weight, activation) is None else []
    return [*plain, *applicable_architectures(weight, activation)]


def lane_bits(weight: Format, activation: Format, architecture: str) -> LaneBits:
    """The weights of a lane's bits. Raises ArchitectureError if no lane has the architecture."""
    if architecture != PARTIAL_PRODUCTS:
        check_architecture(architecture, weight, activation)
        shape = ARCHITECTURES[architecture].term_shape(weight, activation)
        return _term_bits(shape.width, shape.signed)
    reason = plain_integers_refusal(weight, activation)
    if reason is not None:
        raise ArchitectureError(
            f"Architecture {architecture} does not fit {weight.name} x {activation.name}: {reason}"
        )
    return _nand_bits(weight.bits, activation.bits)


class Lane(wiring.Component):
    """Multiply two codes; the product is a set of bits for the adder tree; combinational.

    If the multiplier gives a magnitude of m bits and a sign, the lane gives the magnitude's bits,
    inverted if the product is negative, and the sign. The sign's weight, ``-(2**m - 1)``, corrects
    the inversion, so the lane needs no carries to negate. With ``partial_products``, the bits are
    the NANDs of all pairs of operand bits.

    Parameters
    ----------
    weight, activation : :class:`Format`
        Operand formats.
    architecture : :class:`str`
        ``partial_products``, which fits two's complement codes, or the name of a multiplier
        architecture.

    Members
    -------
    w, a : ``In(weight.bits)``, ``In(activation.bits)``
        Operand codes.
    bits : ``Out(len(meaning.weights))``
        The bits of the product; the attribute ``meaning`` has the weight of each.

    Raises
    ------
    ArchitectureError
        The architecture is unknown, does not fit the formats, or is ``auto``.
    """

    def __init__(self, *, weight: Format, activation: Format, architecture: str) -> None:
        self.weight, self.activation, self.architecture = weight, activation, architecture
        self.meaning = lane_bits(weight, activation, architecture)
        super().__init__(
            {
                "w": In(weight.bits),
                "a": In(activation.bits),
                "bits": Out(len(self.meaning.weights)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.architecture == PARTIAL_PRODUCTS:
            m.d.comb += self.bits.eq(Cat(*(~(w & a) for w in self.w for a in self.a)))
            return m
        m.submodules.multiplier = product = multiplier(
            self.architecture, weight=self.weight, activation=self.activation
        )
        flipped = product.term ^ product.negate.replicate(len(product.term))
        m.d.comb += [product.w.eq(self.w), product.a.eq(self.a)]
        m.d.comb += self.bits.eq(
            Cat(flipped[: len(product.term)], product.negate)[: len(self.bits)]
        )
        return m


def _nand_bits(w_bits: int, a_bits: int) -> LaneBits:
    """The weights of the NANDs of all pairs of bits; ``x = 1 - ~x`` turns products into NANDs.

    A product counts as negative if exactly one of its two bits is a sign bit.
    """
    products = [
        (-1 if (x == w_bits - 1) != (y == a_bits - 1) else 1) << x + y
        for x in range(w_bits)
        for y in range(a_bits)
    ]
    return LaneBits(tuple(-product for product in products), sum(products))


def _term_bits(width: int, is_signed: bool) -> LaneBits:
    """The weights of the bits of a multiplier's output ``term``, and of its bit ``negate``.

    The term's bits are inverted if ``negate`` is high. Signed terms are never negated, so their
    lanes have no bit ``negate``.
    """
    weights = [1 << place for place in range(width)]
    if is_signed:
        return LaneBits((*weights[:-1], -weights[-1]))
    return LaneBits((*weights, 1 - (1 << width)))
