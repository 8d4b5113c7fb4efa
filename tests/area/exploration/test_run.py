"""Tests runs over a space: what they compute, share with other runs, repeat and report.

A space defines many designs. A trial is one of them, stored under its key. A worker computes tasks
of a few trials each.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from cloudpickle import register_pickle_by_value

import halfbyte.area.exploration.run as module
from halfbyte.area import SynthesisRecord, load_technology, synthesize
from halfbyte.area.exploration import MacTrial, ResultStore, explore, parse_space
from halfbyte.area.exploration.worker import compute
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.area.search.measure_jobs import synthesize_named
from halfbyte.area.synthesis.recipes import QUICK, Recipe
from halfbyte.area.timing.operands import load_operands
from halfbyte.base import ToolError
from halfbyte.formats import load
from halfbyte.rtl import MacSpec
from tests.factory import sample

SPACE = parse_space(
    "name: small\n"
    "formats: [int4, e1m2]\n"
    "families: [supernormal: {base: e2m1, from: 2, to: 5, step: 1/2}]\n"
    "architectures: [sign_magnitude]\n"
)
KEYS = [trial.key() for trial in SPACE.trials()]


@pytest.fixture
def store(tmp_path):
    store = ResultStore(tmp_path / "explore.sqlite")
    yield store
    store.close()


class FakeWorkers:
    """Runs tasks in this process, in pairs. Both tasks fail if one has a key in ``deadly``."""

    def __init__(self, deadly=()):
        self.deadly = set(deadly)
        self.started = Counter()

    def __call__(self, tasks):
        pair = []
        for _, (chosen, _), _ in tasks:
            self.started.update(key for key, _ in chosen)
            pair.append(chosen)
            if len(pair) == 2:
                yield from self.finish(pair)
        yield from self.finish(pair)

    def finish(self, pair):
        """Yield the results of all tasks in ``pair`` and empty it."""
        if any(key in self.deadly for chosen in pair for key, _ in chosen):
            raise RuntimeError("a process is gone\nwith a long story")
        while pair:
            yield [module.Outcome(key, sample(SynthesisRecord)) for key, _ in pair.pop(0)]


def run_with(workers, store, monkeypatch, per_task=2):
    """Run all trials of ``SPACE`` on fake workers."""
    monkeypatch.setattr(module, "DESIGNS_PER_TASK", per_task)
    run = module._Run({trial.key(): trial for trial in SPACE.trials()}, store, lambda *_: None)
    run.work(workers)
    return run


def test_everything_missing_is_computed_once(store, monkeypatch):
    store.add({KEYS[0]: {"area_um2": 1}})
    workers = FakeWorkers()
    run = run_with(workers, store, monkeypatch)
    assert workers.started == Counter(KEYS[1:])
    assert run.computed == len(KEYS) - 1
    assert set(store.get(KEYS)) == set(KEYS)
    assert store.get(KEYS[:1]) == {KEYS[0]: {"area_um2": 1}}


@pytest.mark.parametrize("culprit", range(len(KEYS)))
def test_only_a_design_that_kills_its_worker_is_lost(store, monkeypatch, culprit):
    workers = FakeWorkers(deadly=[KEYS[culprit]])
    run = run_with(workers, store, monkeypatch)
    assert set(run.failed) == {KEYS[culprit]}
    assert run.failed[KEYS[culprit]] == "its worker died 3 times (RuntimeError: a process is gone)"
    assert set(store.get(KEYS)) == set(KEYS) - {KEYS[culprit]}
    assert max(workers.started.values()) == 3
    assert store.claim([KEYS[culprit]]) == {KEYS[culprit]}  # the next run can claim it


def test_workers_that_never_work_end_the_run(store, monkeypatch):
    workers = FakeWorkers(deadly=KEYS)
    with pytest.raises(ToolError, match=r"failed 7 times in a row.*a process is gone; 0 of \d+ "):
        run_with(workers, store, monkeypatch, per_task=1)


def test_designs_of_another_run_are_waited_for_or_taken_over(store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_OTHERS_POLL_SECONDS", 0.02)
    other = ResultStore(tmp_path / "explore.sqlite")
    assert len(other.claim(KEYS[:3])) == 3

    def finish_one_and_die():
        time.sleep(0.2)
        other.add({KEYS[0]: {"area_um2": 7}})
        time.sleep(0.2)
        other.close()

    thread = threading.Thread(target=finish_one_and_die)
    thread.start()
    workers = FakeWorkers()
    run = run_with(workers, store, monkeypatch)
    thread.join()
    assert workers.started == Counter(KEYS[1:])
    assert run.computed == len(KEYS) - 1
    assert store.get(KEYS[:1]) == {KEYS[0]: {"area_um2": 7}}


def test_units_that_share_a_record_keep_their_own_number_of_terms(store):
    few, many = (
        next(
            parse_space(
                f"{{name: unit, formats: [e2m1], units: [dot], lanes: [4], terms: [{terms}]}}"
            ).trials()
        )
        for terms in (250, 256)
    )
    assert few.key() == many.key()
    stored = sample(DotRecord, terms=250).as_json()
    assert module._read(stored, many, store).terms == 256


def test_a_worker_with_another_version_refuses():
    trial = next(SPACE.trials())
    with pytest.raises(RuntimeError, match="another version of Python, halfbyte, Amaranth or Yos"):
        compute([("0" * 64, trial)], os.getpid())


@pytest.mark.yosys
def test_records_are_the_same_as_from_a_search(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    fmt, technology = load("e2m1"), load_technology("sky130hd")
    design = MacSpec(fmt, fmt, "exponent_shift")
    every = synthesize([design], technology, every=True, prove=False)
    (expected,) = [record for record in every if record.recipe == QUICK.name]
    operands = load_operands("minilm")
    record = synthesize_named(design, QUICK, technology, operands=operands, multiplier=True)
    record, expected = record.as_json(), expected.as_json()
    differing = {key for key in record if record[key] != expected[key]}
    assert differing <= {"seconds", "netlist", "multiplier_netlist"}
    assert record["delay_ps"] > 0
    plain = synthesize_named(design, QUICK, technology).as_json()
    unknown = {key for key in plain if plain[key] is None and record[key] is not None}
    assert {"multiplier_um2", "accumulator_um2", "delay_ps", "energy_fj"} <= unknown
    same = set(plain) - unknown - {"seconds"}
    assert {key: plain[key] for key in same} == {key: record[key] for key in same}


class Deadly(MacTrial):
    """Kills the process that computes it."""

    def compute(self):
        os.kill(os.getpid(), signal.SIGKILL)


register_pickle_by_value(sys.modules[__name__])


class SpaceWithBadDesigns:
    """The trials of ``SPACE``, one in which Yosys fails, and one that kills its worker."""

    @staticmethod
    def trials():
        good = list(SPACE.trials())
        broken = Recipe("broken", "", ("nonsense",))
        deadly = Deadly(good[1].design, QUICK, good[1].technology, multiplier=True)
        return [*good[:2], replace(good[0], recipe=broken), deadly, *good[2:]]


@pytest.mark.yosys
@pytest.mark.slow
def test_processes_survive_bad_designs_and_resume(store, monkeypatch):
    monkeypatch.setattr(module, "DESIGNS_PER_TASK", 2)
    steps = []
    found = explore(
        SpaceWithBadDesigns(), store, jobs=2, on_progress=lambda *step: steps.append(step[:2])
    )
    reasons = {failure.label: failure.reason for failure in found.failures}
    assert len(reasons) == 2
    assert "No such command" in reasons["int4, sign_magnitude, broken, sky130hd"] or (
        "nonsense" in reasons["int4, sign_magnitude, broken, sky130hd"]
    )
    assert "its worker died 3 times" in reasons["e1m2, sign_magnitude, resub, sky130hd"]
    assert [record.format for record in found.records] == [
        trial.design.weight.name for trial in SPACE.trials()
    ]
    assert found.computed == len(KEYS)
    assert steps[0] == (0, len(KEYS) + 2)
    assert steps[-1] == (len(KEYS) + 2, len(KEYS) + 2)
    again = explore(SPACE, store, jobs=2)
    assert (again.computed, again.records) == (0, found.records)


PROGRAM = """
import sys
from pathlib import Path
from halfbyte.area.exploration import ResultStore, explore, parse_space
if __name__ == "__main__":
    store = ResultStore(Path(sys.argv[1]))
    space = parse_space(Path(sys.argv[2]).read_text())
    explore(space, store, jobs=2, on_progress=lambda *step: print(*step, flush=True))
"""
TEXT = """
name: small
families: [supernormal: {base: e2m1, from: -3, to: 12, step: 1}]
architectures: [sign_magnitude]
"""


@pytest.mark.yosys
@pytest.mark.slow
def test_killed_run_keeps_whole_records_and_the_next_run_continues(store, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "space.yaml").write_text(TEXT)
    command = [sys.executable, "program.py", str(store.path), "space.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    while int(process.stdout.readline().split()[0]) == 0:
        pass
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    keys = [trial.key() for trial in parse_space(TEXT).trials()]
    kept = store.get(keys)
    assert 0 < len(kept) < len(keys)
    found = explore(parse_space(TEXT), store, jobs=2)
    assert found.computed == len(keys) - len(kept)
    assert {key: record for key, record in store.get(keys).items() if key in kept} == kept
    assert not found.failures
