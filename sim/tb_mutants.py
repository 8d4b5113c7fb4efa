"""cocotb test of the regression itself: which mutants of the MACs it catches, one by one."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cocotb

from halfbyte.sim.bench import Testbench
from halfbyte.sim.plan import CAUGHT, FOLDER_VARIABLE, MUTANTS, SCENARIOS
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["catches_mutants"]


async def _first_mismatch(benches: Mapping[str, Testbench]) -> str | None:
    """The first scenario that shows a mismatch; None if all pass."""
    for scenario, bench in benches.items():
        try:
            await bench.check()
        except MismatchError:
            return scenario
    return None


@cocotb.test()
async def catches_mutants(dut: Any) -> None:
    """Every mutant is driven with the scenarios of the regression, in turn, until it is caught."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    benches = {scenario: Testbench(dut, folder, scenario) for scenario in SCENARIOS}
    benches[SCENARIOS[0]].start_clock()
    caught = {}
    for mutant in json.loads((folder / MUTANTS).read_text()):
        dut.mutant.value = mutant
        caught[mutant] = await _first_mismatch(benches)
    (folder / CAUGHT).write_text(json.dumps(caught))
