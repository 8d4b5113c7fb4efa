"""cocotb tests of the DFloat11 decoder.

The expected output comes from the golden model, or from a simple decoder in Python that works bit
by bit. A verdict is an output that says whether a chunk of weights was intact.
"""

import os
from pathlib import Path
from typing import Any

import cocotb

from halfbyte.sim.dfloat11.bench import Testbench
from halfbyte.sim.dfloat11.plan import SCENARIOS
from halfbyte.sim.plan import FOLDER_VARIABLE

__all__ = ["agrees_with_codec"]


@cocotb.test()
@cocotb.parametrize(scenario=SCENARIOS)
async def agrees_with_codec(dut: Any, scenario: str) -> None:
    """All weights and verdicts are as planned, invalid code tables are refused, nothing hangs."""
    bench = Testbench(dut, Path(os.environ[FOLDER_VARIABLE]), scenario)
    await bench.run()
    assert bench.checks == bench.plan.products
