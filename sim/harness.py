"""Code that the cocotb tests share: the clock, the report for the runner, and runs of mutants.

A scenario is a sequence of inputs with one purpose. A mutant is a design with one fault.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cocotb.clock import Clock

from halfbyte.sim.plan import CAUGHT, MUTANTS
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["Check", "Report", "catch_mutants", "reported", "start_clock"]

CLOCK_PERIOD_NS = 10
Check = Callable[[], Awaitable[object]]
"""Runs one scenario; raises MismatchError at the first difference."""


@dataclass
class Report:
    """What a test found in one scenario.

    Parameters
    ----------
    products : int
        Number of results that were compared and agreed.
    mismatch : str, optional
        The difference that ended the test.
    cycles : tuple of int
        Clock cycles of each part of the scenario, if the bench counts them.
    """

    products: int = 0
    mismatch: str | None = None
    cycles: tuple[int, ...] = ()


def start_clock(dut: Any) -> None:
    """Start the clock ``dut.clk``, low at first."""
    Clock(dut.clk, CLOCK_PERIOD_NS, unit="ns").start(start_high=False)


@contextmanager
def reported(folder: Path, scenario: str) -> Iterator[Report]:
    """Write the scenario's report to ``folder`` when the ``with`` block ends, even by an error.

    The block fills in the report. :func:`halfbyte.sim.results.confirmed` compares the report with
    the plan.
    """
    report = Report()
    try:
        yield report
    except MismatchError as error:
        report.mismatch = str(error)
        raise
    finally:
        (folder / f"{scenario}.report.json").write_text(json.dumps(asdict(report)))


async def _first_mismatch(checks: Mapping[str, Check]) -> str | None:
    """Run the checks in order; return the first scenario with a mismatch, or None."""
    for scenario, check in checks.items():
        try:
            await check()
        except MismatchError:
            return scenario
    return None


async def catch_mutants(dut: Any, folder: Path, checks: Mapping[str, Check]) -> None:
    """Run the scenarios on each mutant, in order, until a scenario shows a mismatch.

    ``folder`` holds the file :data:`MUTANTS` with the numbers of the mutants. The file
    :data:`CAUGHT` is written to the same folder. It maps each mutant to the scenario that caught
    it, or to null.
    """
    start_clock(dut)
    caught = {}
    for mutant in json.loads((folder / MUTANTS).read_text()):
        dut.mutant.value = mutant
        caught[mutant] = await _first_mismatch(checks)
    (folder / CAUGHT).write_text(json.dumps(caught))
