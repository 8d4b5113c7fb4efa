"""The regression put to the test: run on mutants of the MACs, each of which it must catch."""

import json
from collections.abc import Mapping, Sequence

from halfbyte.base import ToolError
from halfbyte.sim.errors import SimulationError
from halfbyte.sim.plan import CAUGHT, MUTANTS, Plan
from halfbyte.sim.process import Processes
from halfbyte.sim.simulation import simulated

__all__ = ["NO_MUTANT", "run_mutants"]

TEST_MODULE = "halfbyte.sim.tb_mutants"
# With this on the port `mutant` the design is the unchanged one.
NO_MUTANT = 0


def run_mutants(
    verilog: str,
    plans: Mapping[str, Plan],
    mutants: Sequence[int],
    *,
    name: str,
    processes: Processes | None = None,
) -> dict[int, str | None]:
    """The scenario that catches each mutant first, None where all pass.

    One build holds all mutants: module ``bench`` has a port ``mutant`` that chooses one by its
    number. The unchanged design is run as well.

    Raises
    ------
    SimulationError
        The regression fails on the unchanged design, so that it would catch anything.
    ToolError
        The simulator ended without results, or a tool is missing or fails.
    """
    numbers = [NO_MUTANT, *mutants]
    with simulated(
        verilog,
        plans,
        name=name,
        test_module=TEST_MODULE,
        processes=processes,
        files={MUTANTS: json.dumps(numbers)},
    ) as run:
        results = run.folder / CAUGHT
        if not results.is_file():
            output = run.log.read_text(errors="replace") if run.log.is_file() else ""
            raise ToolError(f"The simulator ended without results; log: {run.log}", (), output)
        caught = {int(number): found for number, found in json.loads(results.read_text()).items()}
        if caught.keys() != set(numbers):
            raise ToolError(f"The simulator ran {len(caught)} mutants of {len(numbers)}")
        if caught.pop(NO_MUTANT):
            raise SimulationError(f"The regression fails without a mutant; log: {run.log}")
    return caught
