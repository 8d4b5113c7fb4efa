"""cocotb tests of a dot-product unit: every scenario against the golden model."""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from halfbyte.sim.dot.plan import DOT_SCENARIOS, DotPlan
from halfbyte.sim.plan import FOLDER_VARIABLE
from halfbyte.sim.ports import PortMap
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["agrees_with_golden_model"]

CLOCK_PERIOD_NS = 10


def _fields(word: int, ports: PortMap, inputs: bool) -> str:
    """A word split into its ports, in hexadecimal."""
    widths = ports.inputs if inputs else ports.outputs
    offsets = ports.input_offsets if inputs else ports.output_offsets
    return ", ".join(
        f"{name} {word >> offsets[name] & (1 << width) - 1:x}" for name, width in widths.items()
    )


async def _drive_and_check(dut: Any, plan: DotPlan) -> int:
    """Apply each row after a rising edge; the outputs have its result after the next one.

    Outputs are read on the falling edge after that. Returns the rows compared.
    """
    rising, falling = RisingEdge(dut.clk), FallingEdge(dut.clk)
    await rising
    for cycle, (stimulus, expected) in enumerate(plan.rows()):
        dut.stimulus.value = stimulus
        await rising
        await falling
        seen = dut.result.value.to_unsigned()
        if seen != expected:
            raise MismatchError(
                f"{plan.title}: mismatch in cycle {cycle}\n"
                f"  {_fields(stimulus, plan.ports, inputs=True)}:\n"
                f"  expected {_fields(expected, plan.ports, inputs=False)}\n"
                f"  seen     {_fields(seen, plan.ports, inputs=False)}"
            )
    return len(plan.stimulus)


@cocotb.test()
@cocotb.parametrize(scenario=DOT_SCENARIOS)
async def agrees_with_golden_model(dut: Any, scenario: str) -> None:
    """The accumulator equals the golden model's after every cycle."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plan = DotPlan.load(folder, scenario)
    Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns").start(start_high=False)
    checked, mismatch = 0, None
    try:
        checked = await _drive_and_check(dut, plan)
    except MismatchError as error:
        mismatch = str(error)
        raise
    finally:
        report = {"products": checked * plan.lanes, "mismatch": mismatch}
        (folder / f"{scenario}.report.json").write_text(json.dumps(report))
    assert checked * plan.lanes == plan.products
