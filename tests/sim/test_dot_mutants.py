"""The regression catches all mutants of dot-product units except the harmless ones.

A mutant is a unit with one small change. It is harmless if no output ever differs.
"""

import time
from dataclasses import replace

import pytest

from halfbyte.area.netlists.aig import FALSE, Aig
from halfbyte.area.proofs import dot_mutation
from halfbyte.area.proofs.dot_mutation import equivalent_dot_mutants
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.mutation import SELECT_BITS, mutate
from halfbyte.area.proofs.words import Words
from halfbyte.formats import SCALE_CODES, Overflow, load
from halfbyte.rtl.dot import Accumulator, DotSpec
from halfbyte.sim.dot.mutants import MODULE, check_dot_mutants

pytestmark = pytest.mark.yosys
COUNT = 30
E2M1 = load("e2m1")


@pytest.mark.simulator
def test_exactly_the_harmless_mutants_survive():
    spec = DotSpec(E2M1, E2M1, 1, "exponent_shift", acc_width=9, overflow=Overflow.SATURATE)
    mutated = mutate({MODULE: spec}, count=COUNT, seed=1)
    harmless = equivalent_dot_mutants(mutated, MODULE, spec)
    record = check_dot_mutants(
        spec,
        mutated.verilog,
        mutated.mutants,
        (),
        select_bits=SELECT_BITS,
        cycles=500,
        seed=1,
        start=time.monotonic(),
    )
    assert harmless
    assert record.survivors == tuple(
        mutant.change for mutant in mutated.mutants if mutant.number in harmless
    )
    assert record.caught == COUNT - len(harmless)


def test_a_mutant_that_differs_only_in_impossible_states_is_harmless(monkeypatch):
    """With UE4M3 scales, an FP32 accumulator never comes near the largest exponents."""
    scale = SCALE_CODES["e4m3"]
    spec = DotSpec(E2M1, E2M1, 1, "exponent_shift", accumulator=Accumulator.FP32, scale=scale)
    mutated = mutate({MODULE: spec}, count=20, seed=3)
    # Two mutants are enough. One never gives a wrong output. The other gives one only in states
    # that cannot occur.
    mutated = replace(mutated, mutants=mutated.mutants[14:16])
    harmless = equivalent_dot_mutants(mutated, MODULE, spec)
    monkeypatch.setattr(dot_mutation, "has_small_stage", lambda spec: False)
    assert len(equivalent_dot_mutants(mutated, MODULE, spec)) == 1 < len(harmless)


@pytest.mark.parametrize(("scale", "is_possible"), [("e4m3", False), ("e8m0", True)])
def test_minus_zero_is_a_possible_state_if_a_sum_can_be_rounded_to_0(scale, is_possible):
    scale = SCALE_CODES[scale]
    spec = DotSpec(E2M1, E2M1, 1, "exponent_shift", accumulator=Accumulator.FP32, scale=scale)
    aig = Aig()
    word = dot_mutation._numbers(aig, spec)
    is_minus_zero = Words(aig).all([*(literal ^ 1 for literal in word[:-1]), word[-1]])
    assert compare(aig, (), [(is_minus_zero, FALSE)]).equal is not is_possible
