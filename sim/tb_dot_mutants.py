"""cocotb test that finds out which mutants the regression of a dot-product unit catches.

A mutant is the unit with one fault. The regression runs several scenarios, each of which is a
sequence of inputs with one purpose.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

import cocotb

from halfbyte.sim.dot.bench import play
from halfbyte.sim.dot.plan import DOT_SCENARIOS, DotPlan
from halfbyte.sim.harness import catch_mutants
from halfbyte.sim.plan import FOLDER_VARIABLE

__all__ = ["catches_mutants"]


@cocotb.test()
async def catches_mutants(dut: Any) -> None:
    """The scenarios of the regression run on every mutant, in order, until one catches it."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    checks = {
        scenario: partial(play, dut, DotPlan.load(folder, scenario), folder)
        for scenario in DOT_SCENARIOS
    }
    await catch_mutants(dut, folder, checks)
