"""A multiplier that is a table of all products."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Shape

from halfbyte.formats import Format
from halfbyte.rtl.architecture import (
    MultiplierArchitecture,
    check_table_rows,
    magnitude_product_shape,
)
from halfbyte.rtl.decoder import essential_bits, lookup, sign_table

__all__ = ["ProductTable"]


def _address_bits(tables: Sequence[Sequence[int]]) -> int:
    """How many bits of the codes the tables depend on, in total. Each operand has one table."""
    return sum(len(essential_bits(table)) for table in tables)


class ProductTable(MultiplierArchitecture):
    """A table of the magnitudes of all products; the accumulator's adder applies the sign."""

    name = "product_table"
    description = "table of product magnitudes, sign applied in the accumulator's adder"

    @classmethod
    def refusal(cls, weight: Format, activation: Format) -> str | None:
        """Why a table of the two formats is too large, or None if it is not.

        The magnitudes and the signs of the products are in two separate tables. The larger one
        decides.
        """
        magnitudes = [[abs(integer) for integer in fmt.integers] for fmt in (weight, activation)]
        signs = [sign_table(fmt) for fmt in (weight, activation)]
        return check_table_rows(max(_address_bits(magnitudes), _address_bits(signs)))

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return magnitude_product_shape(weight, activation)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        products = [abs(w * a) for a in self.activation.integers for w in self.weight.integers]
        lookup(m, Cat(self.w, self.a), products, self.term)
        signs = [
            weight_bit ^ activation_bit
            for activation_bit in sign_table(self.activation)
            for weight_bit in sign_table(self.weight)
        ]
        if essential_bits(signs) == [
            self.weight.bits - 1,
            self.weight.bits + self.activation.bits - 1,
        ]:
            differ = self.w[-1] ^ self.a[-1]
            m.d.comb += self.negate.eq(~differ if signs[0] else differ)
        else:
            lookup(m, Cat(self.w, self.a), signs, self.negate)
        return m
