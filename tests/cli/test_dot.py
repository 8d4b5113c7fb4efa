"""``--unit dot`` and ``--unit array`` on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from halfbyte.area.proofs.results import DotProof
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import UserError
from halfbyte.cli.app import app
from halfbyte.cli.dot import unseen_faults
from halfbyte.cli.synth import CLOCK_MISSED
from halfbyte.sim.dot.plan import DOT_SCENARIOS
from tests.factory import sample


@pytest.fixture(autouse=True)
def build(shared_build, shared_objects, monkeypatch):
    """Use the test session's store, so that tests share results of synthesis."""
    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))


def invoke(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gatesim", "--unit", "dfloat11"], "Unit must be one of mac, dot, not 'dfloat11'"),
        (["synth", "e2m1", "--unit", "dot", "--lanes", "0"], "Lanes must be 1 to 1024, not 0"),
        (["rtl", "e2m1", "--unit", "dot", "--scale", "e8m1"], "Unknown scale format 'e8m1'"),
        (
            ["prove", "e2m1", "--unit", "dot", "--scale", "e8m0", "--block", "48"],
            "Lanes must be a multiple or a divisor of the block, not 32 for blocks of 48",
        ),
        (
            ["synth", "e2m1", "--unit", "dot", "--scale", "e4m3", "--block", "1"],
            "A unit adds at most 16 blocks a cycle, not 32: take fewer lanes or larger blocks",
        ),
        (
            ["sim", "e2m1", "--unit", "dot", "--accumulator", "foo"],
            "Accumulator must be one of integer",
        ),
        (
            ["synth", "e2m1", "--unit", "dot", "--scale", "e8m0", "--accumulator", "exact"],
            "give a window of exponents",
        ),
        (
            ["synth", "e2m1", "--unit", "dot", "--accumulator", "exact", "--window", "1"],
            "A window of exponents is written LOW:HIGH",
        ),
        (
            ["synth", "e2m1", "--unit", "array", "--dataflow", "row"],
            "Dataflow must be output or weight, not 'row'",
        ),
        (
            ["rtl", "int4", "--unit", "array", "--arch", "partial_products", "--depth", "9"],
            "--depth is for --dataflow weight, not for output: leave it out",
        ),
    ],
)
def test_bad_input_ends_in_one_line(arguments, message):
    done = invoke(*arguments)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_fault_that_is_not_refuted_is_reported():
    faults = {"dropped carry": "proved", "other": "refuted"}
    proof = sample(DotProof, status="undecided", faults=faults)
    lines = unseen_faults([sample(DotRecord, format="e2m1", lanes=2, proof=proof)])
    assert lines == [
        "e2m1, 2 lanes: the unit is undecided",
        "e2m1, 2 lanes: the fault 'dropped carry' is proved",
    ]


def test_proofs_are_shown_with_their_faults(monkeypatch):
    proof = sample(DotProof, faults={"dropped carry": "refuted"})
    record = sample(DotRecord, format="int4", activation="int4", lanes=2, proof=proof)
    monkeypatch.setattr("halfbyte.area.search.dot_units.synthesize_dots", lambda *_, **__: [record])
    monkeypatch.setenv("COLUMNS", "200")
    done = invoke("prove", "int4", "--unit", "dot")
    assert done.exit_code == 0
    assert "1 of 1" in done.stdout


def test_proofs_of_an_array_name_every_part(monkeypatch):
    parts = {"registers": "proved", "sum_return": "undecided"}
    proof = sample(DotProof, faults={"dropped carry": "refuted"})
    figures = {"rows": 2, "columns": 2, "dataflow": "weight", "parts_proof": parts}
    record = sample(ArrayRecord, format="int4", activation="int4", proof=proof, **figures)
    monkeypatch.setattr("halfbyte.area.search.arrays.synthesize_arrays", lambda *_, **__: [record])
    monkeypatch.setenv("COLUMNS", "200")
    done = invoke("prove", "int4", "--unit", "array", "--dataflow", "weight")
    assert "sum_return" in done.stdout
    assert "int4: the netlist of sum return is undecided" in str(done.exception)


@pytest.mark.yosys
def test_a_unit_is_synthesized_proved_and_exported(tmp_path):
    unit = ["int4", "--unit", "dot", "--lanes", "2", "--arch", "partial_products"]
    (record,) = json.loads(invoke("synth", *unit, "--acc-width", "12", "--json").stdout)
    assert record["proof"]["status"] == "proved"
    assert set(record["proof"]["faults"].values()) == {"refuted"}
    exported = invoke("rtl", *unit, "--scale", "e4m3", "--json", "-o", tmp_path)
    (files,) = json.loads(exported.stdout)
    assert "module dot_int4_lanes2_fp32_e4m3" in Path(files["verilog"]).read_text()


@pytest.mark.yosys
@pytest.mark.simulator
def test_the_netlist_of_a_unit_is_simulated():
    unit = ["int4", "--unit", "dot", "--lanes", "2", "--arch", "partial_products"]
    done = invoke("gatesim", *unit, "--acc-width", "12", "--cycles", "500", "--json")
    (record,) = json.loads(done.stdout)
    assert record["level"] == "netlist"
    assert set(record["scenarios"]) == set(DOT_SCENARIOS)


@pytest.mark.yosys
def test_a_missed_clock_has_its_own_exit_status():
    unit = ("int4", "--unit", "dot", "--lanes", "1", "--acc-width", "10")
    done = invoke("synth", *unit, "--arch", "partial_products", "--clock", "10ps", "--json")
    assert done.exit_code == CLOCK_MISSED
    assert "clock not met: int4 misses 10 ps" in done.stderr
    (record,) = json.loads(done.stdout)
    assert record["slack_ps"] == record["wns_ps"] == pytest.approx(10 - record["delay_ps"])
