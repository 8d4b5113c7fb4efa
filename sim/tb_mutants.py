"""cocotb test that finds out which mutants the regression of the MACs catches.

A mutant is a MAC with one fault. The regression runs several scenarios, each of which is a sequence
of inputs with one purpose.
"""

import os
from pathlib import Path
from typing import Any

import cocotb

from halfbyte.sim.bench import Testbench
from halfbyte.sim.harness import catch_mutants
from halfbyte.sim.plan import FOLDER_VARIABLE, SCENARIOS

__all__ = ["catches_mutants"]


@cocotb.test()
async def catches_mutants(dut: Any) -> None:
    """The scenarios of the regression run on every mutant, in order, until one catches it."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    checks = {scenario: Testbench(dut, folder, scenario).check for scenario in SCENARIOS}
    await catch_mutants(dut, folder, checks)
