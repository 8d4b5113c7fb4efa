"""Runs cocotb in a separate process: ``python -m halfbyte.sim.worker JOB``, where JOB is JSON.

cocotb's runner reads environment variables and may end the process that calls it. A separate
process protects the caller from both.
"""

import json
import sys
from dataclasses import asdict, dataclass

from cocotb_tools.runner import get_runner

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """One run of a built simulation. Paths are text; ``test_filter`` is a regular expression."""

    simulator: str
    build_folder: str
    run_folder: str
    results: str
    top: str
    test_module: str
    waves: bool
    test_filter: str | None = None

    def to_json(self) -> str:
        """The job as the worker's one argument."""
        return json.dumps(asdict(self))

    def run(self) -> None:
        """Run the simulation; cocotb writes the results file, and the bench its reports."""
        get_runner(self.simulator).test(
            test_module=self.test_module,
            hdl_toplevel=self.top,
            hdl_toplevel_lang="verilog",
            build_dir=self.build_folder,
            test_dir=self.run_folder,
            results_xml=self.results,
            waves=self.waves,
            test_filter=self.test_filter,
        )


if __name__ == "__main__":
    Job(**json.loads(sys.argv[1])).run()
