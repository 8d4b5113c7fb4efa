"""Runs one simulation of given Verilog, in a new folder.

A scenario is a sequence of inputs with one purpose. Its plan holds the inputs and the expected
results.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from halfbyte.base import build_dir, write_atomically
from halfbyte.sim.build import build
from halfbyte.sim.plan import FOLDER_VARIABLE, PlanLike
from halfbyte.sim.process import Processes
from halfbyte.sim.results import RESULTS, confirmed
from halfbyte.sim.simulator import clean_environment, cocotb_libraries
from halfbyte.sim.worker import Job
from halfbyte.sim.wrapper import TOP

__all__ = ["Outcome", "Run", "simulate", "simulation_run"]

TEST_MODULE = "halfbyte.sim.tb_mac"
# The waveform file that each simulator writes when cocotb's runner asks for waves.
_WAVES = {"verilator": "dump.vcd", "icarus": f"{TOP}.fst"}
# How long folders of failed or killed runs are kept.
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Outcome:
    """The bench's reports by scenario, the waveform file if requested, and the build time in s."""

    reports: dict[str, dict[str, Any]]
    waves: Path | None
    build_seconds: float

    @property
    def checked(self) -> dict[str, int]:
        """Number of products that each scenario checked."""
        return {scenario: report["products"] for scenario, report in self.reports.items()}


@dataclass(frozen=True)
class Run:
    """A finished simulation: its folder, its log, and the build time in s."""

    folder: Path
    log: Path
    build_seconds: float


@contextmanager
def simulation_run(
    verilog: str,
    plans: Mapping[str, PlanLike],
    *,
    name: str,
    test_module: str,
    simulator: str = "verilator",
    waves: bool = False,
    processes: Processes | None = None,
    test_filter: str | None = None,
    files: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """Build the simulation and run the tests of ``test_module`` in a new folder.

    The folder lies under ``build_dir()/sim/name``. It holds the plan of each scenario, the log, and
    ``files`` (text by file name). It is kept only if the simulation or the caller's ``with`` block
    raises an error.

    Raises ToolError as :func:`build` does.
    """
    processes = processes or Processes()
    start = time.monotonic()
    built = build(verilog, simulator=simulator, waves=waves, processes=processes)
    build_seconds = time.monotonic() - start
    with _run_folder(build_dir().resolve() / "sim" / name) as folder:
        for scenario, plan in plans.items():
            plan.save(folder, scenario)
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        job = Job(
            simulator=simulator,
            build_folder=str(built),
            run_folder=str(folder),
            results=str(folder / RESULTS),
            top=TOP,
            test_module=test_module,
            waves=waves,
            test_filter=test_filter,
        )
        environment = clean_environment(
            LD_LIBRARY_PATH=str(cocotb_libraries()), **{FOLDER_VARIABLE: str(folder)}
        )
        log = folder / "simulation.log"
        command = [sys.executable, "-m", "halfbyte.sim.worker", job.to_json()]
        processes.run(command, folder=folder, environment=environment, log=log)
        yield Run(folder, log, build_seconds)


def simulate(
    verilog: str,
    plans: Mapping[str, PlanLike],
    *,
    name: str,
    test_module: str = TEST_MODULE,
    simulator: str = "verilator",
    waves: bool = False,
    processes: Processes | None = None,
    test_filter: str | None = None,
    junit: Path | None = None,
) -> Outcome:
    """Simulate module ``bench`` in ``verilog`` against the plans.

    ``name`` names the folder of the design. ``test_filter`` is a regular expression; if it is
    given, only tests whose names match run. cocotb's results are written to ``junit`` as JUnit XML,
    even if a test fails.

    Raises SimulationError and ToolError as :func:`confirmed` and :func:`simulation_run` do.
    """
    with simulation_run(
        verilog,
        plans,
        name=name,
        test_module=test_module,
        simulator=simulator,
        waves=waves,
        processes=processes,
        test_filter=test_filter,
    ) as run:
        if junit and (run.folder / RESULTS).is_file():
            write_atomically(junit, (run.folder / RESULTS).read_text())
        reports = confirmed(run.folder, plans, log=run.log)
        kept = _keep_waves(run.folder, simulator) if waves else None
    return Outcome(reports, kept, run.build_seconds)


def _keep_waves(folder: Path, simulator: str) -> Path:
    """Move the waveform file out of ``folder``, which will be removed; return its new path."""
    written = folder / _WAVES[simulator]
    return written.replace(folder.parent / f"waves{written.suffix}")


@contextmanager
def _run_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, which is removed unless the ``with`` block raises an error.

    Folders that earlier runs have left behind are removed, too, once they are a day old.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob("run-*"):
        with suppress(OSError):  # another process may remove the same folder
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                rmtree(old)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix="run-"))
    yield folder
    rmtree(folder)
