"""A small FP32 stage is proved equal to logic that was written independently.

The stage adds a block's scaled sum to an FP32 accumulator. There is one case for each difference of
the two exponents from -29 to 29, and one for all larger differences of each sign.
"""

from dataclasses import replace
from functools import partial

import pytest
from amaranth.hdl import Module

from halfbyte.area.proofs.fp32_stage import ALL_CASES, Case, prove_fp32_stage
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.dot.adders import PLAIN, AdderStyle, FinalAdder
from halfbyte.rtl.dot.fp32_sum import Fp32Sum

pytestmark = pytest.mark.yosys


PREFIX = AdderStyle(final=FinalAdder.PREFIX)
DIFFERENCE = "the block's exponent minus the accumulator's is"


def stage(limited, kind=Fp32Sum, style=PLAIN):
    """A function that makes a stage; ``limited`` if no sum can overflow or be subnormal."""
    return partial(kind, significand_bits=8, exponent_bits=10, limited=limited, style=style)


@pytest.mark.parametrize(("limited", "style"), [(False, PREFIX), (True, PLAIN)])
def test_the_stage_is_proved_in_some_cases(limited, style):
    cases = [Case(2), Case(-9), Case(-30, beyond=True), Case(30, beyond=True)]
    proof = prove_fp32_stage(stage(limited, style=style), cases)
    assert (proof.status, proof.cases) == ("proved", 4)


def test_all_cases_cover_every_difference():
    near = {case.difference for case in ALL_CASES if not case.beyond}
    beyond = {case.difference for case in ALL_CASES if case.beyond}
    assert near == set(range(-29, 30))
    assert beyond == {-30, 30}


class NeverUp(Fp32Sum):
    """Truncates the sum instead of rounding it."""

    def _incremented(self, m, word, up, flip):
        return super()._incremented(m, word, flip, flip)


def test_a_stage_that_does_not_round_is_refuted():
    proof = prove_fp32_stage(stage(False, NeverUp), [Case(0), Case(-9)])
    assert proof.status == "refuted"
    assert proof.counterexample in (f"{DIFFERENCE} 0, exactly", f"{DIFFERENCE} -9, exactly")


class WrongWhenFar(Fp32Sum):
    """Confuses the larger and the smaller summand if their exponents are far apart."""

    def _order(self, m, *summands):
        order = super()._order(m, *summands)
        return replace(order, block_is_upper=order.block_is_upper ^ order.is_far)


@pytest.mark.parametrize("difference", [30, -30])
def test_a_stage_that_is_wrong_for_far_summands_is_refuted(difference):
    proof = prove_fp32_stage(stage(False, WrongWhenFar), [Case(difference, beyond=True)])
    assert proof.counterexample == f"{DIFFERENCE} {difference}, or farther from 0"


class AddsMinusZero(Fp32Sum):
    """The specification itself. It takes a negative sum times a scale of 0 for -0."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.sum = stage = Accumulate(significand_bits=8, exponent_bits=10)
        for name in ("negative", "exponent", "significand", "is_nan", "augend"):
            m.d.comb += getattr(stage, name).eq(getattr(self, name))
        m.d.comb += self.total.eq(stage.total)
        return m


def test_a_stage_that_takes_a_negative_sum_times_0_for_minus_0_is_refuted():
    """Then -0 plus such a block would be -0."""
    proof = prove_fp32_stage(stage(False, AddsMinusZero), [Case(2)])
    assert proof.status == "refuted"
