"""Reads the results of a simulation, and decides whether they confirm the design.

The bench in the simulator writes a report for each scenario. A plan says how many products a
scenario must check.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import ParseError

from cocotb_tools.check_results import get_results

from halfbyte.base import ToolError
from halfbyte.sim.errors import SimulationError
from halfbyte.sim.plan import PlanLike

__all__ = ["RESULTS", "confirmed"]

RESULTS = "results.xml"


def confirmed(
    folder: Path, plans: Mapping[str, PlanLike], *, log: Path
) -> dict[str, dict[str, object]]:
    """Check that every planned product was compared and agreed; return the report of each scenario.

    A run of cocotb passes even if no test matched the filter. So its verdict alone proves nothing,
    and the reports are compared with the plans.

    Raises
    ------
    SimulationError
        A result differs (the message describes it), a test failed, or the number of tests or of
        checked products is not the planned one.
    ToolError
        The simulator ended without results.
    """
    reports = {
        scenario: json.loads(path.read_text())
        for scenario in plans
        if (path := folder / f"{scenario}.report.json").is_file()
    }
    mismatches = [report["mismatch"] for report in reports.values() if report["mismatch"]]
    if mismatches:
        raise SimulationError("\n".join([*mismatches, f"log: {log}"]))
    try:
        tests, failed = get_results(folder / RESULTS)
    except (RuntimeError, OSError, ParseError):
        raise ToolError(
            f"The simulator ended without results; log: {log}", (), _text(log)
        ) from None
    if failed:
        raise SimulationError(f"{failed} of {tests} tests failed; log: {log}", (), _text(log))
    checked = {scenario: report["products"] for scenario, report in reports.items()}
    planned = {scenario: plan.products for scenario, plan in plans.items()}
    if tests != len(plans) or checked != planned or not sum(checked.values()):
        raise SimulationError(
            f"The simulation ran {tests} tests of {len(plans)} and checked {sum(checked.values())} "
            f"products of {sum(planned.values())}; log: {log}"
        )
    return reports


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.is_file() else ""
