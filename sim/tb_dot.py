"""cocotb tests of a dot-product unit: every scenario against the golden model."""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock

from halfbyte.sim.dot.bench import play
from halfbyte.sim.dot.plan import DOT_SCENARIOS, DotPlan
from halfbyte.sim.plan import FOLDER_VARIABLE
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["agrees_with_golden_model"]

CLOCK_PERIOD_NS = 10


@cocotb.test()
@cocotb.parametrize(scenario=DOT_SCENARIOS)
async def agrees_with_golden_model(dut: Any, scenario: str) -> None:
    """The accumulator equals the golden model's after every cycle."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plan = DotPlan.load(folder, scenario)
    Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns").start(start_high=False)
    checked, mismatch = 0, None
    try:
        checked = await play(dut, plan, folder)
    except MismatchError as error:
        mismatch = str(error)
        raise
    finally:
        report = {"products": checked * plan.lanes, "mismatch": mismatch}
        (folder / f"{scenario}.report.json").write_text(json.dumps(report))
    assert checked * plan.lanes == plan.products
