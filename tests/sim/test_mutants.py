"""The regression on mutants: it catches what is wrong, and says what it does not catch."""

from dataclasses import replace

import numpy as np
import pytest

from halfbyte.area.proofs.mutation import SELECT_BITS, is_equivalent, mutate
from halfbyte.formats import load
from halfbyte.rtl import Mac
from halfbyte.sim import SimulationError
from halfbyte.sim.mutants import run_mutants
from halfbyte.sim.plan import Plan
from halfbyte.sim.runner import make_plans
from halfbyte.sim.variants import variants
from halfbyte.sim.wrapper import TIMESCALE, layout_of, top_verilog

pytestmark = [pytest.mark.simulator, pytest.mark.yosys]

COUNT = 40
TERMS = 16


@pytest.fixture(scope="module")
def bench():
    """Mutants of a lossless MAC, one that saturates, one that saves carries; the real faults."""
    fmt = load("e1m2")
    lossless, _, _, saturate, _, _, saved = variants(fmt, fmt, TERMS)
    chosen = (lossless, saturate, saved)
    layout = layout_of(fmt, fmt, chosen, title="mutants", seed=1)
    macs = {
        field.name: Mac(
            weight=fmt,
            activation=fmt,
            architecture="sign_magnitude",
            terms=TERMS,
            acc_width=variant.acc_width,
            overflow=variant.overflow,
            segment=variant.segment,
        )
        for variant, field in zip(chosen, layout.fields, strict=True)
    }
    mutated = mutate(macs, count=COUNT, seed=1)
    faults = [
        mutant.number
        for mutant in mutated.mutants
        if not is_equivalent(mutated, mutant, macs[mutant.unit])
    ]
    verilog = "\n".join([TIMESCALE, mutated.verilog, top_verilog(layout, mutant_bits=SELECT_BITS)])
    plans = make_plans(fmt, fmt, chosen, layout, terms=TERMS, cycles=2000)
    return verilog, plans, faults


def test_all_mutants_are_caught(bench):
    verilog, plans, faults = bench
    assert len(faults) > COUNT
    caught = run_mutants(verilog, plans, faults, name="mutants")
    assert list(caught) == faults
    assert None not in caught.values()
    assert {"pairs", "clears"} <= set(caught.values())


def first_cycles(plan: Plan, cycles: int) -> Plan:
    return replace(plan, stimulus=plan.stimulus[:cycles], expected=plan.expected[:, :cycles])


def test_a_regression_with_holes_lets_mutants_live(bench):
    """With the first pairs of codes alone, no sum of more than one product is seen."""
    verilog, plans, faults = bench
    short = {name: first_cycles(plans["pairs"], 40) for name in plans}
    caught = run_mutants(verilog, short, faults, name="mutants")
    survivors = [number for number, scenario in caught.items() if scenario is None]
    assert 0 < len(survivors) < len(faults)


def test_a_regression_that_always_fails_proves_nothing(bench):
    verilog, plans, faults = bench
    wrong = {
        name: replace(plan, expected=plan.expected + np.int64(1)) for name, plan in plans.items()
    }
    with pytest.raises(SimulationError, match="fails without a mutant"):
        run_mutants(verilog, wrong, faults[:2], name="mutants")
