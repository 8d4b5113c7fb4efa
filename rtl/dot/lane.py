"""One lane of a dot-product unit: a product as bits that go straight into the tree."""

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
    """The values of a lane's bits: their sum is the product of the codes.

    Parameters
    ----------
    weights : tuple of int
        What each bit adds if it is 1, in units of ``weight.quantum * activation.quantum``. If a
        weight is neither a power of two nor minus a power of two, its bits are counted over all
        lanes first.
    constant : int
        A constant that is added to the bits.
    """

    weights: tuple[int, ...]
    constant: int = 0

    def value(self, bits: int) -> int:
        """The product that ``bits`` stand for, bit 0 first."""
        chosen = (weight for place, weight in enumerate(self.weights) if bits >> place & 1)
        return self.constant + sum(chosen)

    @property
    def single(self) -> tuple[int, ...]:
        """The bits that go straight into the tree."""
        return tuple(place for place, weight in enumerate(self.weights) if _is_power(weight))

    @property
    def counted(self) -> tuple[int, ...]:
        """The bits that are counted over all lanes."""
        return tuple(place for place, weight in enumerate(self.weights) if not _is_power(weight))


def _is_power(weight: int) -> bool:
    return abs(weight).bit_count() == 1


def lane_architectures(weight: Format, activation: Format) -> list[str]:
    """Names of the architectures of a lane that fit the two formats."""
    plain = [PARTIAL_PRODUCTS] if plain_integers_refusal(weight, activation) is None else []
    return [*plain, *applicable_architectures(weight, activation)]


def lane_bits(weight: Format, activation: Format, architecture: str) -> LaneBits:
    """The values of a lane's bits; raises ArchitectureError if the architecture does not fit."""
    if architecture != PARTIAL_PRODUCTS:
        check_architecture(architecture, weight, activation)
        shape = ARCHITECTURES[architecture].term_shape(weight, activation)
        return _term_bits(shape.width, shape.signed)
    reason = plain_integers_refusal(weight, activation)
    if reason is not None:
        raise ArchitectureError(f"Architecture {architecture} does not fit: {reason}")
    return _nand_bits(weight.bits, activation.bits)


class Lane(wiring.Component):
    """The product of two codes, as bits for the tree; combinational.

    A product in sign and magnitude gives the m bits of the magnitude, inverted if the product is
    negative, and the sign. The sign's weight, ``-(2**m - 1)``, corrects the inversion. A lane has
    no carries. Partial products are the NANDs of all pairs of bits.

    Parameters
    ----------
    weight, activation : :class:`Format`
        Operand formats.
    architecture : :class:`str`
        ``partial_products`` for two's complement codes, or a multiplier's.

    Members
    -------
    w, a : ``In(weight.bits)``, ``In(activation.bits)``
        Operand codes.
    bits : ``Out(len(meaning.weights))``
        The product; ``meaning`` has the value of each bit.

    Raises
    ------
    ArchitectureError
        The architecture is unknown or does not fit.
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
    """The values of NANDs: ``x = 1 - ~x``. A product with one sign bit counts as negative."""
    products = [
        (-1 if (x == w_bits - 1) != (y == a_bits - 1) else 1) << x + y
        for x in range(w_bits)
        for y in range(a_bits)
    ]
    return LaneBits(tuple(-product for product in products), sum(products))


def _term_bits(width: int, is_signed: bool) -> LaneBits:
    """The values of a term's bits, inverted if the term is negated, and of the ``negate`` bit.

    Terms in two's complement are never negated, so they have no such bit.
    """
    weights = [1 << place for place in range(width)]
    if is_signed:
        return LaneBits((*weights[:-1], -weights[-1]))
    return LaneBits((*weights, 1 - (1 << width)))
