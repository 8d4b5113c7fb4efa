"""cocotb test of the dot-product unit's regression: which mutants it catches, one by one."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock

from halfbyte.sim.dot.bench import play
from halfbyte.sim.dot.plan import DOT_SCENARIOS, DotPlan
from halfbyte.sim.plan import CAUGHT, FOLDER_VARIABLE, MUTANTS
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["catches_mutants"]

CLOCK_PERIOD_NS = 10


async def _first_mismatch(dut: Any, plans: Mapping[str, DotPlan], folder: Path) -> str | None:
    """The first scenario that shows a mismatch; None if all pass."""
    for scenario, plan in plans.items():
        try:
            await play(dut, plan, folder)
        except MismatchError:
            return scenario
    return None


@cocotb.test()
async def catches_mutants(dut: Any) -> None:
    """Every mutant is driven with the scenarios of the regression, in turn, until it is caught."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plans = {scenario: DotPlan.load(folder, scenario) for scenario in DOT_SCENARIOS}
    Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns").start(start_high=False)
    caught = {}
    for mutant in json.loads((folder / MUTANTS).read_text()):
        dut.mutant.value = mutant
        caught[mutant] = await _first_mismatch(dut, plans, folder)
    (folder / CAUGHT).write_text(json.dumps(caught))
