"""The regression runs on a user's own MAC in Verilog, the *DUT* (device under test).

A regression simulates a MAC in several scenarios and compares all sums with the golden model. A
correct MAC passes, a wrong MAC fails, and a MAC with unsuitable ports is refused.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from halfbyte.base import UserError
from halfbyte.formats import Overflow, load
from halfbyte.rtl import MacSpec
from halfbyte.sim import Dut, SimulationError, run_dut
from halfbyte.sim.coverage import coverage
from halfbyte.sim.runner import make_plans
from halfbyte.sim.wrapper import layout_of

# The operands are registered, so a result comes two clock edges after its operands. All 40 bits of
# the reset must be held.
MINE = """\
module mine (input clock, input [39:0] rst_n, input [3:0] weight, input [3:0] a, input start,
             output reg signed [10:0] sum);
  reg signed [3:0] w1, a1;
  reg s1;
  wire signed [7:0] product = w1 * a1;
  wire signed [11:0] total = (s1 ? 12'sd0 : sum) + product;
  always @(posedge clock)
    if (~&rst_n) sum <= 0;
    else begin
      w1 <= weight; a1 <= a; s1 <= start;
      sum <= total[11] != total[10] ? {total[11], {10{~total[11]}}} : total[10:0];
    end
endmodule
"""
PORTS = {"clk": "clock", "w": "weight", "clear": "start", "acc": "sum"}
INT4 = load("int4")
SPEC = MacSpec(INT4, INT4, acc_width=11, overflow=Overflow.SATURATE)


def dut(folder: Path, text: str = MINE, **changes: object) -> Dut:
    """Write the MAC ``text`` to a file; return its Dut. ``changes`` replaces options of the Dut."""
    path = folder / "mine.sv"
    path.write_text(text)
    options = {"top": "mine", "ports": PORTS, "tied": {"rst_n": 1}, "latency": 2, **changes}
    return Dut((path,), **options)


@pytest.mark.simulator
def test_a_right_mac_passes_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    record = run_dut(SPEC, dut(tmp_path), cycles=2000, junit=report)
    assert (record.passed, record.module, record.level) == (True, "mine", "dut")
    assert (record.acc_width, record.overflow) == (11, "saturate")
    assert record.coverage.code_pairs == 256
    assert all(record.coverage.corners.values())
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 (our own file)
    assert (suite.get("tests"), suite.get("failures")) == ("5", "0")

    wrong = MINE.replace("{total[11], {10{~total[11]}}}", "total[10:0]")
    with pytest.raises(SimulationError, match="mine, int4 x int4: mismatch in scenario"):
        run_dut(SPEC, dut(tmp_path, wrong), cycles=2000, junit=report)
    failures = ElementTree.parse(report).getroot().iter("failure")  # noqa: S314
    assert any("expected" in failure.get("message") for failure in failures)


@pytest.mark.simulator
def test_another_latency_is_a_mismatch(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="mismatch in scenario pairs, cycle"):
        run_dut(SPEC, dut(tmp_path, latency=1), cycles=10)


@pytest.mark.simulator
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tied": {}}, "Port rst_n of mine is not connected: .* with --tie rst_n=0"),
        ({"ports": {**PORTS, "w": "wide"}}, "has no port wide: .* --port w=NAME"),
        ({"tied": {"rst_n": 1, "scan": 0}}, "has no port scan: leave out --tie scan=0"),
        (
            {"top": "other"},
            "no module other in mine.sv: name the MAC's module with --top",
        ),
    ],
)
def test_ports_that_do_not_fit_are_named(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run_dut(SPEC, dut(tmp_path, **changes))


@pytest.mark.simulator
def test_ports_of_another_width_are_refused(tmp_path: Path) -> None:
    for spec, port in (
        (MacSpec(INT4, INT4, acc_width=12), "sum of mine has 11 bits, .* it needs 12"),
        (MacSpec(load("int5"), INT4, acc_width=11), "weight of mine has 4 bits, .* needs 5"),
    ):
        with pytest.raises(UserError, match=port):
            run_dut(spec, dut(tmp_path))


def test_a_dut_is_checked_on_construction() -> None:
    for options, message in (
        ({"top": "a b"}, "plain Verilog name, not 'a b'"),
        ({"top": "m", "ports": {"q": "x"}}, "has the ports clk, w, .*, not 'q'"),
        ({"top": "m", "tied": {"rst": 2}}, "rst can be tied only to 0 or 1, not to 2"),
        ({"top": "m", "latency": 0}, "Latency must be 1 to 64 clock edges, not 0"),
    ):
        with pytest.raises(UserError, match=message):
            Dut((), **options)


def test_coverage_counts_what_happened() -> None:
    spec = MacSpec(INT4, INT4, acc_width=8, overflow=Overflow.SATURATE, enable=True)
    macs = {"mac": spec}
    plans = make_plans(macs, layout_of(macs, title="t", seed=1), cycles=500)
    everything = coverage(plans.values(), spec, 0)
    assert everything.code_pairs == 256
    assert all(everything.corners.values())
    pairs = coverage([plans["pairs"]], spec, 0).corners
    products = np.multiply.outer(INT4.integers, INT4.integers)
    assert pairs["zero"] == (products == 0).sum()
    assert pairs["minus_one"] == (products == -1).sum()
    assert pairs["above"] == pairs["held"] == pairs["clear_ignored"] == 0
    plain = MacSpec(INT4, INT4)
    macs = {"mac": plain}
    limits = make_plans(macs, layout_of(macs, title="t", seed=1), cycles=10)["limits"]
    corners = coverage([limits], plain, 0).corners
    assert "held" not in corners
    # Each limit is reached once step by step, and once by wrapping from the other limit.
    assert corners["upper_limit"] == corners["lower_limit"] == 2
