"""The regression catches mutants of MACs, and names those that it does not catch.

A regression simulates a MAC in several scenarios and compares all sums with the golden model.
A mutant is a MAC with one small change. A mutant that can give a wrong result is called a fault.
"""

from dataclasses import replace

import numpy as np
import pytest

from halfbyte.area.proofs.mutation import SELECT_BITS, is_equivalent, mutate
from halfbyte.formats import load
from halfbyte.rtl import MacSpec, variants
from halfbyte.sim import SimulationError
from halfbyte.sim.mutants import run_mutants
from halfbyte.sim.plan import Plan
from halfbyte.sim.runner import make_plans
from halfbyte.sim.wrapper import TIMESCALE, layout_of, top_verilog

pytestmark = [pytest.mark.simulator, pytest.mark.yosys]

COUNT = 40
TERMS = 16


@pytest.fixture(scope="module")
def bench():
    """Verilog with mutants of three MACs, the plans of the scenarios, and the numbers of faults."""
    fmt = load("e1m2")
    macs = variants(MacSpec(fmt, fmt, "sign_magnitude", TERMS))
    macs = {name: macs[name] for name in ("lossless", "saturate", "saved")}
    layout = layout_of(macs, title="mutants", seed=1)
    by_module = {f"mac_{name}": spec for name, spec in macs.items()}
    mutated = mutate(by_module, count=COUNT, seed=1)
    faults = [
        mutant.number
        for mutant in mutated.mutants
        if not is_equivalent(mutated, mutant, by_module[mutant.unit])
    ]
    verilog = "\n".join([TIMESCALE, mutated.verilog, top_verilog(layout, mutant_bits=SELECT_BITS)])
    plans = make_plans(macs, layout, cycles=2000)
    return verilog, plans, faults


def test_all_faults_are_caught(bench):
    verilog, plans, faults = bench
    assert len(faults) > COUNT
    caught = run_mutants(verilog, plans, faults, name="mutants")
    assert list(caught) == faults
    assert None not in caught.values()
    assert {"pairs", "clears"} <= set(caught.values())


def first_cycles(plan: Plan, cycles: int) -> Plan:
    """The plan of a scenario, cut off after ``cycles`` cycles."""
    return replace(plan, stimulus=plan.stimulus[:cycles], expected=plan.expected[:, :cycles])


def test_a_regression_with_holes_lets_mutants_live(bench):
    """With only the first pairs of codes, no sum has more than one product."""
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
