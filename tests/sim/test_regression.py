"""Whole regressions, from RTL through build and simulation to a record.

A regression simulates a MAC with several kinds of accumulator at once, in several scenarios, and
compares all sums with the golden model.
"""

import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.rtl import MacSpec
from halfbyte.sim import SimulationError, run_many, run_regression, runner
from halfbyte.sim.process import Processes

pytestmark = pytest.mark.simulator

CYCLES = 5000


def _spec(name: str, architecture: str, activation: str = "", **options: int) -> MacSpec:
    return MacSpec(load(name), load(activation or name), architecture, **options)


def test_a_default_regression_checks_everything(sim_build: Path) -> None:
    record = run_regression(_spec("e2m1_sp", "sign_magnitude"), seed=11)
    assert record.passed
    assert (record.format, record.activation) == ("e2m1_sp", "e2m1_sp")
    assert (record.acc_width, record.terms, record.seed) == (17, 256, 11)
    scenarios = record.scenarios
    assert scenarios["pairs"] == 8 * 2**8
    assert scenarios["extremes"] == 8 * 2 * 256
    covered = record.coverage
    assert covered.code_pairs == covered.all_code_pairs == 256
    assert all(covered.corners.values())
    # There are eight MACs. Five add every product. The three MACs with ``enable`` add three of four
    # products, on average.
    assert scenarios["random"] == pytest.approx(7.25 * 100_000, rel=0.01)
    assert record.products == sum(scenarios.values())
    assert record.products_per_second > 0
    assert record.waves is None
    assert record.versions["verilator"]
    assert not list((sim_build / "sim" / "e2m1_sp-e2m1_sp-sign_magnitude-256").iterdir())


def test_many_designs_give_records_in_their_order() -> None:
    designs = [
        _spec("int5", "sign_magnitude"),
        _spec("sf4", "sign_magnitude", "int8", terms=10),
        _spec("e3m0", "exponent_shift", terms=1),
    ]
    seen: list[tuple[int, int]] = []
    records = run_many(
        designs,
        cycles=CYCLES,
        jobs=2,
        on_progress=lambda done, total, _label: seen.append((done, total)),
    )
    assert [record.format for record in records] == ["int5", "sf4", "e3m0"]
    assert [record.scenarios["pairs"] for record in records] == [8 * 2**10, 8 * 2**12, 8 * 2**8]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_unchanged_design_is_not_built_again_but_simulated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = _spec("e3m0", "product_table")
    first = run_regression(spec, cycles=CYCLES)
    monkeypatch.setattr("halfbyte.sim.build._verilator", None)
    second = run_regression(spec, cycles=CYCLES)
    assert second.seed != first.seed
    assert second.scenarios["pairs"] == first.scenarios["pairs"] == 8 * 2**8


@pytest.mark.slow
def test_waves_are_written_and_named(sim_build: Path) -> None:
    record = run_regression(_spec("e3m0", "product_table"), cycles=10, waves=True)
    path = Path(record.waves)
    assert path.parent.parent == sim_build / "sim"
    text = path.read_text()
    assert "$enddefinitions" in text
    assert "mac_saturate" in text


def test_a_failing_design_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    right, checked = runner.run_regression, []

    def regression(spec: MacSpec, **options: object) -> dict[str, object]:
        checked.append(spec.weight.name)
        if spec.weight.name == "int5":
            raise SimulationError("int5 differs")
        return right(spec, **{**options, "cycles": 10})

    monkeypatch.setattr(runner, "run_regression", regression)
    designs = [_spec(name, "product_table") for name in ("int5", "e3m0")]
    with pytest.raises(SimulationError, match=r"^Designs that fail: 1 of 2\nint5 differs"):
        run_many(designs)
    assert checked == ["int5", "e3m0"]


def test_an_interrupt_ends_running_simulations(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    statuses, started = [], tmp_path / "started"

    def regression(spec: MacSpec, *, processes: Processes, **_options: object) -> None:
        if spec.weight.name == "int5":
            while not started.exists():  # ends only when the other design runs
                time.sleep(0.05)
            return
        code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
        command = [sys.executable, "-c", code]
        log = tmp_path / "log"
        statuses.append(processes.run(command, folder=tmp_path, environment={}, log=log))

    def interrupt(*_progress: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_regression", regression)
    designs = [_spec(name, "product_table") for name in ("int5", "e3m0")]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_many(designs, jobs=2, on_progress=interrupt)
    while not statuses and time.monotonic() - start < 30:  # set by a thread
        time.sleep(0.05)
    assert time.monotonic() - start < 30
    assert statuses == [-signal.SIGKILL]


def test_architecture_auto_is_refused() -> None:
    with pytest.raises(UserError, match="can resolve architecture auto"):
        run_regression(_spec("sf4", "auto"))


@pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="Icarus Verilog is optional and not on PATH"
)
def test_icarus_agrees() -> None:
    record = run_regression(
        _spec("e2m1_sp", "product_table"), simulator="icarus", cycles=CYCLES, waves=True
    )
    assert record.passed
    assert record.versions["icarus"]
    assert Path(record.waves).suffix == ".fst"
