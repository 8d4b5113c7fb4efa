"""The FP32 stage of the BF16 MAC gives exact sums, rounded once, for products of several widths.

The stage adds a product to an FP32 number, the *augend*.
"""

import math
import random
from fractions import Fraction

import pytest
from amaranth.sim import Simulator

from halfbyte.rtl.bf16.accumulate import Accumulate

INFINITY = 0xFF << 23
SEED = 3


def value_of(word: int) -> Fraction:
    """The value of a finite FP32 number with the bits ``word``."""
    field, fraction = word >> 23 & 0xFF, word & 0x7F_FFFF
    magnitude = Fraction(fraction + ((field > 0) << 23)) * Fraction(2) ** (max(field, 1) - 150)
    return -magnitude if word >> 31 else magnitude


def rounded(exact: Fraction) -> int:
    """Bits of the FP32 number nearest to ``exact``, which is not 0; ties go to even."""
    magnitude = abs(exact)
    exponent = max(math.floor(math.log2(magnitude)) + 2, -126)
    while exponent > -126 and Fraction(2) ** exponent > magnitude:
        exponent -= 1
    count = round(magnitude / Fraction(2) ** (exponent - 23)) + ((exponent + 126) << 23)
    return min(count, INFINITY) | (exact < 0) << 31


def vectors(significand_bits: int, count: int) -> list[tuple[int, int, int, int]]:
    """Tuples (sign, exponent and significand of a product, augend).

    The augend and the product have a similar size or very different sizes.
    """
    generator = random.Random(f"{SEED} {significand_bits}")
    found = []
    for _ in range(count):
        field = generator.choice([0, 1, 2, 254, generator.randrange(255)])
        augend = generator.getrandbits(1) << 31 | field << 23 | generator.getrandbits(23)
        near = max(field, 1) + generator.randrange(-30, 31)
        exponent = generator.choice([near, near, generator.randrange(-300, 300)])
        top = 1 << significand_bits - 1
        significand = generator.choice([top, 2 * top - 1, top | generator.randrange(top), 0])
        if generator.random() < 0.2:  # nearly the augend or its negative
            exponent = 1 + field % 254
            augend = augend & ~INFINITY | exponent << 23
            significand = (augend & 0x7F_FFFF | 1 << 23) << significand_bits >> 24
        found.append((generator.getrandbits(1), exponent, significand, augend))
    return found


@pytest.mark.parametrize(("significand_bits", "exponent_bits"), [(16, 10), (21, 11), (29, 12)])
def test_agrees_with_exact_fractions(significand_bits: int, exponent_bits: int) -> None:
    unit = Accumulate(significand_bits=significand_bits, exponent_bits=exponent_bits)

    async def bench(ctx) -> None:  # type: ignore[no-untyped-def]
        for negative, exponent, significand, augend in vectors(significand_bits, 400):
            ctx.set(unit.negative, negative)
            ctx.set(unit.exponent, exponent)
            ctx.set(unit.significand, significand)
            ctx.set(unit.augend, augend)
            scale = Fraction(2) ** (exponent - 127 - (significand_bits - 1))
            exact = value_of(augend) + (-1) ** negative * significand * scale
            if exact:
                what = f"{negative} {significand:x} * 2^{exponent}, {augend:08x}"
                assert ctx.get(unit.total) == rounded(exact), what

    simulator = Simulator(unit)
    simulator.add_testbench(bench)
    simulator.run()


def test_widths_are_checked() -> None:
    with pytest.raises(ValueError, match="10 bits of exponent, not 16 and 9"):
        Accumulate(exponent_bits=9)
