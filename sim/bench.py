"""The test bench around the MACs: clock, driver, monitor and scoreboard.

A scenario is a sequence of inputs with one purpose. Its plan holds the inputs and the results that
the golden model gives for them.
"""

from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from halfbyte.sim.harness import reported, start_clock
from halfbyte.sim.plan import Plan
from halfbyte.sim.scoreboard import MismatchError, Scoreboard

__all__ = ["Testbench"]


class Testbench:
    """Drives one scenario into the module ``bench`` and compares all accumulators in every cycle.

    Inputs change after the rising edge; registered outputs are read on the falling edge. There
    is no reset: every scenario begins with a clear, which starts a new sum.

    Parameters
    ----------
    dut : cocotb handle
        Module ``bench`` with ports clk, stimulus, acc (see :class:`halfbyte.sim.plan.Layout`).
    folder : Path
        The folder with the plan. The report is written there, too.
    scenario : str
        Name of the scenario.
    """

    # Without this, pytest would take this class for a class of tests.
    __test__ = False

    def __init__(self, dut: Any, folder: Path, scenario: str) -> None:
        self._dut = dut
        self._plan = Plan.load(folder, scenario)
        self._folder, self._scenario = folder, scenario
        self.scoreboard = Scoreboard(self._plan, scenario)

    async def run(self) -> None:
        """Start the clock, run :meth:`check`, and report how many products were checked."""
        start_clock(self._dut)
        with reported(self._folder, self._scenario) as report:
            try:
                await self.check()
            finally:
                report.products = self.scoreboard.products

    async def check(self) -> None:
        """Drive all inputs, and compare the results of every cycle; the clock must run."""
        self.scoreboard.cycles = 0
        await RisingEdge(self._dut.clk)
        driver = cocotb.start_soon(self._drive())
        try:
            await self._monitor()
            await driver
        finally:
            driver.cancel()

    async def _drive(self) -> None:
        """Apply one word of stimulus after each rising edge."""
        rising, stimulus = RisingEdge(self._dut.clk), self._dut.stimulus
        for word in self._plan.stimulus.tolist():
            stimulus.value = word
            await rising

    async def _monitor(self) -> None:
        """Read the accumulators on each falling edge, from the first one that has a result."""
        falling, acc, scoreboard = FallingEdge(self._dut.clk), self._dut.acc, self.scoreboard
        for _ in range(self._plan.layout.latency):
            await falling
        while scoreboard.left:
            await falling
            value = acc.value
            try:
                word = value.to_unsigned()
            except ValueError:  # X or Z, which only some simulators produce
                raise MismatchError(scoreboard.report(str(value))) from None
            scoreboard.check(word)
