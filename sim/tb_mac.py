"""cocotb tests that compare MAC units with the golden model, one test for each scenario.

A scenario is a sequence of inputs with one purpose.
"""

import os
from pathlib import Path
from typing import Any

import cocotb

from halfbyte.sim.bench import Testbench
from halfbyte.sim.plan import FOLDER_VARIABLE, SCENARIOS

__all__ = ["agrees_with_golden_model"]


@cocotb.test()
@cocotb.parametrize(scenario=SCENARIOS)
async def agrees_with_golden_model(dut: Any, scenario: str) -> None:
    """Every accumulator equals the golden model's after every cycle."""
    bench = Testbench(dut, Path(os.environ[FOLDER_VARIABLE]), scenario)
    await bench.run()
    assert bench.scoreboard.left == 0
