"""The RTL of the BF16 MAC is proved to follow IEEE 754. Faulty RTL is refuted.

The proof of the addition has one case for each small difference of the exponents, and one for all
large differences of each sign. Only some cases are tested here.
"""

import math
import random
from fractions import Fraction

import pytest
from amaranth.hdl import Module, Value

from halfbyte.area.netlists.aig import Aig
from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.bf16 import FAR, SUM_CASES, prove_sum, prove_wiring
from halfbyte.area.proofs.binary32 import EXPONENT, rounded
from halfbyte.area.proofs.words import Words
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.bf16.product import Product

pytestmark = pytest.mark.yosys


class LosesSticky(Accumulate):
    """Drops the sticky bit, which stands for the bits that alignment shifts out."""

    @staticmethod
    def _shifted_right(m: Module, word: Value, distance: Value) -> Value:
        aligned = Accumulate._shifted_right(m, word, distance)
        return aligned & ~1


class CountsTooFew(Accumulate):
    """Keeps only four bits of the count of leading zeros, so that 16 becomes 0."""

    @staticmethod
    def _leading_zeros(m: Module, word: Value) -> Value:
        return Accumulate._leading_zeros(m, word)[:4]


@pytest.fixture(scope="module")
def circuits() -> dict[str, Circuit]:
    """The circuits of the MAC, its two stages and two faulty stages, by name."""
    parts = {"mac": Bf16Mac(), "product": Product(), "accumulate": Accumulate()}
    faulty = {"sticky": LosesSticky(), "zeros": CountsTooFew()}
    return lower({**parts, **faulty}, fused=True)


def test_the_sum_is_rounded_once_in_some_cases_of_each_kind(circuits: dict[str, Circuit]) -> None:
    names = ["product far above", "product far below", "exponents -9", "exponents +0"]
    found = prove_sum(circuits["accumulate"], only=names)
    assert {name: verdict.equal for name, verdict in found.items()} == dict.fromkeys(names, True)


def test_every_difference_of_exponents_is_a_case() -> None:
    near = [int(name.split()[1]) for name in SUM_CASES if name.startswith("exponents")]
    assert near == list(range(-FAR, FAR))
    assert len(SUM_CASES) == len(near) + 2


@pytest.mark.parametrize(
    ("fault", "case"), [("sticky", "exponents +20"), ("zeros", "exponents +0")]
)
def test_faults_are_refuted(circuits: dict[str, Circuit], fault: str, case: str) -> None:
    verdict = prove_sum(circuits[fault], only=[case])[case]
    assert verdict.equal is False
    assert verdict.model


def test_the_mac_is_made_of_its_stages(circuits: dict[str, Circuit]) -> None:
    assert prove_wiring(*(circuits[name] for name in ("mac", "product", "accumulate"))).equal
    wrong = prove_wiring(*(circuits[name] for name in ("mac", "product", "sticky")))
    assert wrong.equal is False


def test_the_specification_rounds_as_fractions_do() -> None:
    generator = random.Random(7)
    aig = Aig()
    integer, exponent = aig.word(40), aig.word(EXPONENT)
    magnitude = rounded(aig, integer, exponent)
    for _ in range(150):
        value = generator.getrandbits(generator.choice([1, 20, 24, 25, 40]))
        # FP32's last bit is 2**-149. With the power -189, all 40 bits of the integer are below it.
        power = generator.choice([-200, -190, -189, -185, -180, -160, -150, -20, 0, 95, 104])
        bits = Words.constant(value, 40) + Words.constant(power, EXPONENT)
        model = dict(zip([*integer, *exponent], bits, strict=True))
        (seen,) = aig.evaluate([magnitude], model, ())
        assert seen == by_fractions(Fraction(value) * Fraction(2) ** power), (value, power)


def by_fractions(exact: Fraction) -> int:
    """Bits of the FP32 number nearest to ``exact``, which is 0 or positive; ties go to even."""
    if not exact:
        return 0
    exponent = max(math.floor(math.log2(exact)) + 2, -126)
    while exponent > -126 and Fraction(2) ** exponent > exact:
        exponent -= 1
    count = round(exact / Fraction(2) ** (exponent - 23)) + ((exponent + 126) << 23)
    return min(count, 0xFF << 23)
