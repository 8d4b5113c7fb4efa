"""``prove``, ``gatesim``, ``mutants``, ``operands``, ``sim`` and ``rtl`` as a user runs them."""

import json
from pathlib import Path

import pytest

from halfbyte.area.search.synthesis_jobs import netlist_path
from halfbyte.area.timing.operands import load_operands
from halfbyte.pareto import operands

TINY = "{name: tiny, title: Tiny, values: [0, 1, 3, -2], source: us}"
OPTIONS = ("--arch", "sign_magnitude", "--terms", "4")


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """The file of a format of two bits. Its MACs are synthesized and proved in little time."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    return "tiny.yaml"


@pytest.mark.yosys
def test_prove_proves_every_unit(halfbyte, tiny):
    records = json.loads(halfbyte("prove", tiny, *OPTIONS, "--json").stdout)
    assert {record["proof"]["status"] for record in records} == {"proved"}
    assert {fault["status"] for each in records for fault in each["faults"].values()} == {"refuted"}
    # The second run shows the stored proofs.
    text = halfbyte("prove", tiny, *OPTIONS, "--counterexamples").stdout
    assert "8 of 8" in text
    assert "missing clear: w = code" in text


@pytest.mark.yosys
@pytest.mark.simulator
def test_gatesim_simulates_the_netlist_that_it_names(halfbyte, tiny):
    command = ("gatesim", tiny, *OPTIONS, "--cycles", "200", "--seed", "1")
    (record,) = json.loads(halfbyte(*command, "--json").stdout)
    assert (record["level"], record["passed"]) == ("netlist", True)
    path = netlist_path(record["netlist"])
    right = path.read_text()
    path.write_text(right.replace("acc[1]", "acc[0]"))
    done = halfbyte(*command, check=False)
    # Either the command notices the damage and restores the netlist, or the simulation fails.
    assert (path.read_text() == right) == (done.returncode == 0)
    path.write_text(right)


@pytest.mark.yosys
@pytest.mark.simulator
def test_mutants_are_caught_and_counted(halfbyte, tiny):
    command = ("mutants", tiny, *OPTIONS, "--count", "6", "--cycles", "300", "--seed", "1")
    records = json.loads(halfbyte(*command, "--json").stdout)
    assert {record["unit"] for record in records} >= {"mac_lossless", "mac_saturate"}
    assert all(record["mutants"] == 6 for record in records)
    assert all(record["caught"] + record["equivalent"] == 6 for record in records)


def test_operands_are_written_for_synth(halfbyte, monkeypatch, tmp_path):
    monkeypatch.setattr(operands, "collect_operands", load_operands)
    assert "wrote mine.npz" in halfbyte("operands", "bytelm", "-o", "mine.npz").stdout
    written = load_operands(str(tmp_path / "mine.npz"))
    assert (written.weights == load_operands("bytelm").weights).all()


def test_rtl_names_say_what_the_files_are(halfbyte, tmp_path):
    common = ("rtl", "int4", "--arch", "booth", "--acc-width", "12", "-o", "out")
    halfbyte(*common)
    halfbyte(*common, "--overflow", "saturate", "--enable")
    assert sorted(path.name for path in (tmp_path / "out").glob("mac*.v")) == [
        "mac_int4_booth_acc12_saturate_enable.v",
        "mac_int4_booth_acc12_wrap.v",
    ]


@pytest.mark.simulator
def test_sim_takes_a_user_s_own_mac(halfbyte, tiny, tmp_path):
    halfbyte("rtl", tiny, *OPTIONS, "--acc-width", "5", "--overflow", "saturate", "-o", "out")
    (verilog,) = (tmp_path / "out").glob("mac*.v")
    text = verilog.read_text().replace("clear", "restart")
    (tmp_path / "mine.v").write_text(text)
    own = ("sim", tiny, "--dut", "mine.v", "--top", verilog.stem, "--port", "clear=restart")
    own += ("--cycles", "300", "--junit", "report.xml")
    shown = halfbyte(*own, "--acc-width", "5", "--overflow", "saturate").stdout
    assert "16 of 16" in shown
    assert 'failures="0"' in (tmp_path / "report.xml").read_text()
    wrong = halfbyte(*own, "--acc-width", "5", check=False)
    assert (wrong.returncode, "mismatch in scenario" in wrong.stderr) == (1, True)
    for options, message in (
        (("--top", "x"), "--top is for --dut, not for mac: leave it out"),
        (("--dut", "none.v"), "There is no file none.v for --dut"),
        (("--dut", "mine.v", "--tie", "rst=2"), "--tie must read like rst=0 or rst_n=1"),
        (("--dut", "mine.v", "--port", "w"), "--port must read like NAME=VALUE"),
    ):
        done = halfbyte("sim", tiny, *options, check=False)
        assert (done.returncode, message in done.stderr) == (1, True)
