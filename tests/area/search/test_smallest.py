"""Tests the search for the smallest MAC, with real Yosys and ABC.

A recipe is a way to synthesize. Some recipes end with annealing, which replaces gates at random. A
store holds the results of earlier runs.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from halfbyte.area import ProofError, load_technology, synthesize
from halfbyte.area.search.smallest import map_designs
from halfbyte.area.synthesis.annealed import _smallest
from halfbyte.area.synthesis.recipes import RECIPES
from halfbyte.base import RecordStore, ToolError
from halfbyte.formats import Overflow, load
from halfbyte.rtl import ArchitectureError, MacSpec, applicable_architectures

CATALOGUE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "formats.md"
# Areas in um^2 of whole MACs on sky130hd, for 256 terms and without a clock. They are from an
# experiment that was made before this search existed. It used full-adder cells where they saved
# area.
FIRST_EXPERIMENT = {
    "int4": 1052,
    "apot4": 1010,
    "apot4_sp": 1150,
    "e2m1": 1150,
    "e2m1_sp": 1197,
    "e2m1_sr": 1337,
    "int5": 1501,
    "e3m0": 1545,
    "sf4": 2694,
    "sf4@6": 1831,
}


@pytest.fixture(scope="module", autouse=True)
def session_store(shared_build):
    """Share one store between the tests that do not use :func:`build`, to save syntheses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(shared_build))
        yield


@pytest.fixture
def build(monkeypatch, tmp_path):
    """The folder of an empty store, for tests of what is stored."""
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


@pytest.fixture
def filled_build(build, synthesized):
    """A new store that already holds the synthesis of :func:`small`."""
    shutil.copytree(synthesized, build)
    return build


@pytest.fixture(scope="module")
def sky130hd():
    return load_technology("sky130hd")


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory, sky130hd):
    """The folder of a store with the synthesis of :func:`small`, without a proof."""
    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        synthesize([small()], sky130hd, prove=False)
    return folder


def timeless(record):
    """The record with all run times set to 0."""
    return replace(record, seconds=0.0, proof=replace(record.proof, seconds=0.0))


def design(name, **options):
    fmt = load(name)
    return MacSpec(fmt, fmt, **options)


def small():
    """The design of a MAC that takes little time to synthesize."""
    return design("e1m2", architecture="sign_magnitude", terms=16)


@pytest.fixture(scope="module")
def experiment(sky130hd):
    """Records of the formats of the first experiment, by the formats' names."""
    records = synthesize([design(name) for name in FIRST_EXPERIMENT], sky130hd)
    return dict(zip(FIRST_EXPERIMENT, records, strict=True))


@pytest.mark.yosys
@pytest.mark.slow
def test_areas_beat_the_first_experiment(experiment):
    assert [record.format for record in experiment.values()] == [
        load(name).name for name in FIRST_EXPERIMENT
    ]
    too_large = {
        name: record.area_um2
        for name, record in experiment.items()
        if record.area_um2 > FIRST_EXPERIMENT[name]
    }
    assert not too_large


@pytest.mark.yosys
@pytest.mark.slow
def test_the_catalogue_states_the_areas(experiment):
    rows = re.findall(r"^\| `([a-z0-9_@]+)` \|(.*)\|$", CATALOGUE.read_text(), re.MULTILINE)
    table = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows[::-1]}
    stated = {name: cells for name, cells in table.items() if len(cells) > 7}
    assert set(experiment) <= set(stated)
    for name, record in experiment.items():
        _, bits, acc_width, area, gates, _, architecture, *_ = stated[name]
        assert (int(bits), int(acc_width)) == (load(name).bits, record.acc_width), name
        assert float(area.replace(",", "")) == pytest.approx(record.area_um2, abs=0.05), name
        assert float(gates) == pytest.approx(record.area_ge, abs=0.06), name
        assert architecture == record.architecture, name


@pytest.mark.yosys
def test_record_adds_up_and_says_what_was_done(sky130hd, shared_build):
    (record,) = synthesize([design("e2m1", architecture="exponent_shift")], sky130hd)
    parts = (record.multiplier_um2, record.accumulator_um2, record.register_um2)
    assert sum(parts) == pytest.approx(record.area_um2)
    assert min(parts) > 0
    assert record.register_um2 == pytest.approx(17 * sky130hd.flip_flop.area)
    assert record.area_ge == pytest.approx(record.area_um2 / sky130hd.nand2_area, abs=0.01)
    assert (record.architecture, record.acc_width) == ("exponent_shift", 17)
    assert record.recipe in {recipe.name for recipe in RECIPES}
    assert record.proof.status == record.proof.netlist == "proved"
    assert "all 256 pairs of codes" in record.proof.method
    assert record.clock_ps is record.luts is None
    assert record.versions["pyosys"]
    netlist = (shared_build / "netlists" / record.netlist).read_text()
    assert "sky130_fd_sc_hd__dfxtp_1" in netlist


@pytest.mark.yosys
def test_every_architecture_is_tried_and_the_smallest_is_first(sky130hd):
    fmt = load("e1m2")
    records = synthesize([design("e1m2", terms=4)], sky130hd, every=True)
    assert {record.architecture for record in records} == set(applicable_architectures(fmt, fmt))
    areas = [record.area_um2 for record in records]
    assert areas == sorted(areas)
    (best,) = synthesize([design("e1m2", terms=4)], sky130hd)
    assert best == records[0]


@pytest.mark.yosys
def test_results_are_reused_and_repeat_exactly(sky130hd, filled_build, tmp_path, monkeypatch):
    task = [small()]
    first = synthesize(task, sky130hd)
    start = time.monotonic()
    assert synthesize(task, sky130hd) == first  # even ``seconds``: nothing ran again
    assert time.monotonic() - start < 1
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "elsewhere"))
    _smallest.cache_clear()  # forget the annealings that this process remembers
    again = synthesize(task, sky130hd)
    assert [timeless(record) for record in again] == [timeless(record) for record in first]


@pytest.mark.yosys
@pytest.mark.parametrize("form", [".v", ".json"])
def test_a_netlist_that_was_changed_is_made_again(sky130hd, filled_build, form):
    task = [small()]
    (path,) = map_designs(task, "resub", sky130hd)
    netlist = path.with_suffix(form)
    text = netlist.read_text()
    netlist.write_text(text.replace("nand2", "nor2", 1))
    assert map_designs(task, "resub", sky130hd) == [path]
    assert netlist.read_text() == text


@pytest.mark.yosys
def test_a_netlist_that_is_gone_is_made_again(sky130hd, filled_build):
    task = [small()]
    (first,) = synthesize(task, sky130hd, prove=False)
    assert first.proof is None
    netlist = filled_build / "netlists" / first.netlist
    text = netlist.read_text()
    netlist.unlink()
    (again,) = synthesize(task, sky130hd)
    assert netlist.read_text() == text
    assert again.proof.status == "proved"


@pytest.mark.yosys
def test_a_netlist_that_is_wrong_is_refuted(sky130hd, filled_build, monkeypatch):
    monkeypatch.setattr("halfbyte.area.search.synthesis_jobs.is_kept", lambda name, digest: True)
    task = [small()]
    (record,) = synthesize(task, sky130hd, prove=False)
    netlist = filled_build / "netlists" / record.netlist
    text = netlist.read_text()
    wrong = text.replace("sky130_fd_sc_hd__nand2_1", "sky130_fd_sc_hd__nor2_1")
    assert wrong != text
    netlist.write_text(wrong)
    with pytest.raises(ProofError, match=r"'netlist = rtl' is refuted: w = code \d{4} \("):
        synthesize(task, sky130hd)


@pytest.mark.yosys
@pytest.mark.parametrize("technology", ["sg13g2", "asap7"])
def test_other_technologies_work(technology):
    card = load_technology(technology)
    (record,) = synthesize([design("int4", architecture="sign_magnitude")], card)
    assert record.technology == technology
    assert 150 < record.area_ge < 400


@pytest.mark.yosys
def test_narrow_saturating_and_mixed_macs_are_synthesized(sky130hd):
    narrow = design("e2m1", architecture="sign_magnitude", acc_width=10, overflow=Overflow.SATURATE)
    mixed = MacSpec(load("e2m1_sp"), load("int5"), "twos_complement", terms=16)
    records = synthesize([narrow, mixed], sky130hd)
    assert [record.acc_width for record in records] == [10, 13]
    assert [record.activation for record in records] == ["e2m1", "int5"]


def test_bad_designs_are_refused_before_any_work(build):
    with pytest.raises(ArchitectureError, match="a table of 65536 rows"):
        design("int8", architecture="product_table")
    with pytest.raises(ValueError, match="Number of terms must be 1 to 1048576, not 0"):
        design("e2m1", terms=0)
    assert not build.exists()


@pytest.mark.yosys
def test_failure_shows_the_log_and_keeps_the_run(sky130hd, build, monkeypatch):
    monkeypatch.setattr(
        "halfbyte.area.search.smallest.QUICK", RECIPES[0].__class__("broken", "", ("nonsense",))
    )
    with pytest.raises(ToolError, match=r"recipe broken: Yosys failed(?s:.*)nonsense"):
        synthesize([design("int5", architecture="booth")], sky130hd)
    (folder,) = (build / "failed").iterdir()
    assert (folder / "log.txt").is_file()
    assert (folder / "script.ys").is_file()


@pytest.mark.yosys
def test_interrupted_run_keeps_whole_records_and_continues(build, tmp_path):
    command = [Path(sys.executable).parent / "halfbyte", "synth", "e1m2", "--terms", "16", "--json"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background processes with interrupts ignored, so undo that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    store = build / "records" / "synth.jsonl"
    while not store.exists() or store.read_text().count("\n") < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    kept = store.read_text().splitlines()
    keys = [json.loads(line)["key"] for line in kept]
    assert len(keys) >= 3
    before = {key: RecordStore(store).get(key) for key in keys}
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert {key: RecordStore(store).get(key) for key in keys} == before


@pytest.mark.yosys
def test_a_recipe_that_fails_is_left_out_and_named(sky130hd, build, monkeypatch, caplog):
    wanted = [design("e1m2", architecture="sign_magnitude", terms=1)]
    broken = RECIPES[0].__class__("broken", "", ("nonsense",))
    monkeypatch.setattr("halfbyte.area.search.smallest.SKETCH", broken)
    (record,) = synthesize(wanted, sky130hd)
    assert record.recipe in {"resub", "deep"}  # recipes without annealing
    assert "1 syntheses failed in Yosys or ABC and are left out (e1m2 broken)" in caplog.text
    assert len(list((build / "failed").iterdir())) == 1
