"""Multiply the exact sum of a block by its two scales, and normalize the result.

A block is a group of products that share a scale for the weights and one for the activations.
"""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import ScaleCode, signed_width
from halfbyte.rtl.dot.tree import Bit, SignedColumns, add_words

if TYPE_CHECKING:
    from halfbyte.rtl.dot.spec import DotSpec

__all__ = ["ScaleDecoder", "ScaledBlock", "block_exponent_bits", "normalized"]

FP32_BIAS = 127
_LARGEST_EXPONENT = 255


def normalized(m: Module, word: Value) -> tuple[Value, Value]:
    """``word`` shifted left until its top bit is 1, and the distance of the shift, in bits.

    If ``word`` is 0, it stays 0, and the distance has no meaning.
    """
    zeros: list[Value] = []
    for place in reversed(range((len(word) - 1).bit_length())):
        step = 1 << place
        is_clear = Signal(name=f"clear_{step}")
        shifted = Signal(len(word), name=f"normalized_{step}")
        m.d.comb += [
            is_clear.eq(~word[-step:].any()),
            shifted.eq(Mux(is_clear, Cat(Const(0, step), word), word)),
        ]
        word = shifted
        zeros.insert(0, is_clear)
    return word, Cat(*zeros)


class ScaleDecoder(wiring.Component):
    """Split the code of a scale into significand and exponent; combinational.

    Parameters
    ----------
    scale : :class:`ScaleCode`
        The type of the scale.

    Members
    -------
    code : ``In(scale.bits)``
        Code of the scale.
    significand : ``Out(scale.mantissa_bits + 1)``
        The significand as an integer. The scale is ``significand * 2 ** (scale.quantum_exponent +
        exponent - scale.has_subnormals)``.
    exponent : ``Out(scale.exponent_bits)``
        The exponent field, or 1 for subnormals.
    is_nan : ``Out(1)``
        High if the scale is NaN.
    """

    def __init__(self, *, scale: ScaleCode) -> None:
        self.scale = scale
        super().__init__(
            {
                "code": In(scale.bits),
                "significand": Out(scale.mantissa_bits + 1),
                "exponent": Out(scale.exponent_bits),
                "is_nan": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mantissa = self.code[: self.scale.mantissa_bits]
        field = self.code[self.scale.mantissa_bits :]
        m.d.comb += self.is_nan.eq(self.code.all())
        if not self.scale.has_subnormals:
            m.d.comb += [self.significand.eq(1), self.exponent.eq(field)]
            return m
        is_normal = Signal()
        m.d.comb += [
            is_normal.eq(field.any()),
            self.significand.eq(Cat(mantissa, is_normal)),
            # A subnormal has the same exponent as the field value 1.
            self.exponent.eq(Cat(field[0] | ~is_normal, field[1:])),
        ]
        return m


def block_offset(spec: "DotSpec") -> int:
    """The constant part of a block's biased exponent, if its sum needs no shift to be normalized.

    The exponents of both scales, as :class:`ScaleDecoder` gives them, are added to it.
    """
    offset = spec.exponent_of_quantum + FP32_BIAS + spec.significand_bits - 1
    if spec.scale:
        offset += 2 * (spec.scale.quantum_exponent - spec.scale.has_subnormals)
    return offset


def block_exponent_bits(spec: "DotSpec") -> int:
    """Bits that suffice for a block's exponent and for its difference from any FP32 exponent."""
    offset = block_offset(spec)
    highest = offset + (2 << spec.scale.exponent_bits if spec.scale else 0)
    lowest = offset - spec.significand_bits
    return max(10, signed_width(lowest - _LARGEST_EXPONENT, max(highest, 0)))


class ScaledBlock(wiring.Component):
    """Multiply a block's sum by both scales and normalize it; combinational and exact.

    Parameters
    ----------
    spec : :class:`DotSpec`
        The unit, which has an FP32 accumulator.

    Members
    -------
    total : ``In(signed(spec.block_width))``
        The block's sum.
    w_scale, a_scale : ``In(scale.bits)``
        The scales' codes, if there are scales.
    negative, exponent, significand : ``Out``
        The result. The exponent is biased by 127. The significand has one bit before the binary
        point, and its top bit is 1, unless the block's sum or a scale is 0: then the whole
        significand is 0, and the exponent has no meaning. ``negative`` is the sign of the block's
        sum, even if a scale is 0.
    is_nan : ``Out(1)``
        High if a scale is NaN.
    """

    def __init__(self, spec: "DotSpec") -> None:
        self.spec, self.scale, self.style = spec, spec.scale, spec.style
        self.exponent_bits = block_exponent_bits(spec)
        ports = {f"{side}_scale": In(spec.scale.bits) for side in ("w", "a")} if spec.scale else {}
        super().__init__(
            {
                "total": In(signed(spec.block_width)),
                **ports,
                "negative": Out(1),
                "exponent": Out(signed(self.exponent_bits)),
                "significand": Out(spec.significand_bits),
                "is_nan": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Magnitude: to negate a number, keep its bits up to the lowest 1 and invert the others
        negative = self.total[-1]
        bits: list[Value] = [self.total[0]]
        is_below: Value = self.total[0]
        for place in range(1, len(self.total)):
            bits.append(self.total[place] ^ (negative & is_below))
            is_below = is_below | self.total[place]
        magnitude = Signal(len(bits))
        m.d.comb += [self.negative.eq(negative), magnitude.eq(Cat(*bits))]

        # Multiply by the significands of the scales
        product: Value = magnitude
        exponents: list[Value] = []
        if self.scale:
            decoders = []
            for side, code in (("w", self.w_scale), ("a", self.a_scale)):
                decoder = ScaleDecoder(scale=self.scale)
                m.submodules[f"{side}_scale"] = decoder
                m.d.comb += decoder.code.eq(code)
                decoders.append(decoder)
                exponents.append(decoder.exponent)
                if self.scale.mantissa_bits:
                    product = self._multiplied(m, product, decoder.significand)
            m.d.comb += self.is_nan.eq(decoders[0].is_nan | decoders[1].is_nan)
        exact = Signal(len(self.significand))
        m.d.comb += exact.eq(product)

        # Normalize
        significand, zeros = normalized(m, exact)
        constant = block_offset(self.spec) + 1 - (1 << len(zeros))
        exponent = add_words(
            m, self.style, self.exponent_bits, *exponents, ~zeros, constant=constant
        )
        m.d.comb += [self.significand.eq(significand), self.exponent.eq(exponent)]
        return m

    def _multiplied(self, m: Module, one: Value, other: Value) -> Value:
        """The product of two unsigned numbers.

        A tree adds the AND of each pair of bits, as 1 minus their NAND.
        """
        columns = SignedColumns(len(one) + len(other), style=self.style)
        for x, left in enumerate(one):
            for y, right in enumerate(other):
                columns.add(x + y, Bit(~(left & right), negative=True))
                columns.add_integer(1 << x + y)
        product = Signal(columns.width)
        m.d.comb += product.eq(columns.sum(m))
        return product
