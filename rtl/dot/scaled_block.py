"""A block's exact sum times its two scales, as a normalized binary number."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import ScaleCode
from halfbyte.rtl.dot.adders import PLAIN, AdderStyle
from halfbyte.rtl.dot.tree import Bit, SignedColumns, add_words

__all__ = ["ScaleDecoder", "ScaledBlock", "normalized"]

FP32_BIAS = 127


def normalized(m: Module, word: Value) -> tuple[Value, Value]:
    """``word`` shifted left until its top bit is 1, and by how many bits; 0 stays 0."""
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
    """A scale's code as significand and exponent; combinational.

    Parameters
    ----------
    scale : :class:`ScaleCode`
        What it is a code of.

    Members
    -------
    code : ``In(scale.bits)``
        The code.
    significand : ``Out(scale.mantissa_bits + 1)``
        An integer, in units of two to ``scale.quantum_exponent`` plus the exponent.
    exponent : ``Out(scale.exponent_bits)``
        Of the significand, above the least, plus 1 if there are subnormals.
    is_nan : ``Out(1)``
        High if it is no number.
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
            # A subnormal has the exponent of the field 1.
            self.exponent.eq(Cat(field[0] | ~is_normal, field[1:])),
        ]
        return m


class ScaledBlock(wiring.Component):
    """A block's sum times both scales, normalized; combinational and exact.

    Parameters
    ----------
    sum_width : :class:`int`
        Bits of the sum, two's complement.
    significand_bits : :class:`int`
        Bits that hold the largest magnitude of the sum times both significands.
    scale : :class:`ScaleCode`, optional
        Of both scales.
    quantum_exponent : :class:`int`
        The sum is in units of two to this power.
    style : :class:`AdderStyle`
        Of the full adders.

    Members
    -------
    total : ``In(signed(sum_width))``
        The block's sum.
    w_scale, a_scale : ``In(scale.bits)``
        The scales' codes, if there are scales.
    negative, exponent, significand : ``Out``
        The result, with the exponent biased by 127 and one bit before the point: the top bit of the
        significand is 1, unless it is 0 as a whole and the exponent means nothing.
    is_nan : ``Out(1)``
        High if a scale is no number.
    """

    def __init__(
        self,
        *,
        sum_width: int,
        significand_bits: int,
        scale: ScaleCode | None,
        quantum_exponent: int,
        style: AdderStyle = PLAIN,
    ) -> None:
        self.scale, self.style = scale, style
        self.offset = quantum_exponent + FP32_BIAS + significand_bits - 1
        if scale:
            self.offset += 2 * (scale.quantum_exponent - scale.has_subnormals)
        highest = self.offset + (2 << scale.exponent_bits if scale else 0)
        self.exponent_bits = max(
            10, 1 + max(highest.bit_length(), (significand_bits - self.offset).bit_length())
        )
        ports = {"w_scale": In(scale.bits), "a_scale": In(scale.bits)} if scale else {}
        super().__init__(
            {
                "total": In(signed(sum_width)),
                **ports,
                "negative": Out(1),
                "exponent": Out(signed(self.exponent_bits)),
                "significand": Out(significand_bits),
                "is_nan": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Magnitude: the bits up to the lowest 1 stay, the others are inverted
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
        constant = self.offset + 1 - (1 << len(zeros))
        exponent = add_words(
            m, self.style, self.exponent_bits, *exponents, ~zeros, constant=constant
        )
        m.d.comb += [self.significand.eq(significand), self.exponent.eq(exponent)]
        return m

    def _multiplied(self, m: Module, one: Value, other: Value) -> Value:
        """The product of unsigned numbers, from the NANDs of all pairs of bits."""
        columns = SignedColumns(len(one) + len(other), style=self.style)
        for x, left in enumerate(one):
            for y, right in enumerate(other):
                columns.add(x + y, Bit(~(left & right), negative=True))
                columns.add_integer(1 << x + y)
        product = Signal(columns.width)
        m.d.comb += product.eq(columns.total(m))
        return product
