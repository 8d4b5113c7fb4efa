"""cocotb tests that compare a dot-product unit with the golden model, one for each scenario.

A scenario is a sequence of inputs with one purpose.
"""

import os
from pathlib import Path
from typing import Any

import cocotb

from halfbyte.sim.dot.bench import play
from halfbyte.sim.dot.plan import DOT_SCENARIOS, DotPlan
from halfbyte.sim.harness import reported, start_clock
from halfbyte.sim.plan import FOLDER_VARIABLE

__all__ = ["agrees_with_golden_model"]


@cocotb.test()
@cocotb.parametrize(scenario=DOT_SCENARIOS)
async def agrees_with_golden_model(dut: Any, scenario: str) -> None:
    """The accumulator equals the golden model's after every cycle."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plan = DotPlan.load(folder, scenario)
    start_clock(dut)
    with reported(folder, scenario) as report:
        report.products = plan.lanes * await play(dut, plan, folder)
    assert report.products == plan.products
