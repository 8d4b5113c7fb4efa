"""cocotb tests that compare the BF16 MAC with the golden model, one test for each scenario.

A scenario is a sequence of inputs with one purpose.
"""

import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from halfbyte.sim.bf16.plan import SCENARIOS, Bf16Plan
from halfbyte.sim.harness import reported, start_clock
from halfbyte.sim.plan import FOLDER_VARIABLE
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["agrees_with_golden_model"]


async def _drive_and_check(dut: Any, plan: Bf16Plan, scenario: str) -> int:
    """Apply the inputs of each cycle before its rising edge, and compare the accumulator after it.

    The accumulator is read on the falling edge, and the next inputs are applied right after that.
    Returns the number of cycles that were compared.
    """
    at = plan.ports.input_offsets
    rising, falling = RisingEdge(dut.clk), FallingEdge(dut.clk)
    await rising
    for cycle, (w, a, clear, expected) in enumerate(plan.rows.tolist()):
        dut.stimulus.value = w << at["w"] | a << at["a"] | clear << at["clear"]
        await rising
        await falling
        seen = dut.result.value.to_unsigned()
        if seen != expected:
            before = f"{plan.rows[cycle - 1, 3]:08x}" if cycle else "unknown"
            raise MismatchError(
                f"BF16 MAC: mismatch in scenario {scenario}, cycle {cycle} (seed {plan.seed})\n"
                f"  w {w:04x}, a {a:04x}, clear {clear}, acc before {before}: "
                f"expected {expected:08x}, seen {seen:08x}"
            )
    return len(plan.rows)


@cocotb.test()
@cocotb.parametrize(scenario=SCENARIOS)
async def agrees_with_golden_model(dut: Any, scenario: str) -> None:
    """The accumulator equals the golden model's after every cycle."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plan = Bf16Plan.load(folder, scenario)
    start_clock(dut)
    with reported(folder, scenario) as report:
        report.products = await _drive_and_check(dut, plan, scenario)
    assert report.products == plan.products
