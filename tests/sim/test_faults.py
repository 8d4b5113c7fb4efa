"""A correct MAC passes the bench, and wrong MACs fail.

Most faults are in a hand-written Verilog MAC for E2M1, which shares no code with ``halfbyte.rtl``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from halfbyte.formats import Overflow, load
from halfbyte.rtl import MacSpec, variants
from halfbyte.sim import SimulationError
from halfbyte.sim.plan import Layout
from halfbyte.sim.results import confirmed
from halfbyte.sim.runner import make_plans
from halfbyte.sim.simulation import TEST_MODULE, simulate, simulation_run
from halfbyte.sim.wrapper import TIMESCALE, bench_verilog, layout_of, top_verilog

pytestmark = pytest.mark.simulator

SEED = 7
CYCLES = 2000
TERMS = 256

# All faults share one build: each simulation reads the number of its fault from a file. Number 0
# means no fault.
_CORE = """\
module choice (output integer fault);
  integer file, count;
  initial begin
    file = $fopen("fault", "r");
    count = $fscanf(file, "%d", fault);
    $fclose(file);
  end
endmodule

module core #(parameter WIDTH = 17, SATURATE = 0, HAS_ENABLE = 0) (
    input clk, input [3:0] w, input [3:0] a, input clear, input enable,
    output reg signed [WIDTH - 1:0] acc);
  wire [31:0] fault;
  choice choice_i (.fault(fault));
  function [3:0] magnitude(input [2:0] code);
    case (code)
      3'd0: magnitude = 0;
      3'd1: magnitude = 1;
      3'd2: magnitude = 2;
      3'd3: magnitude = 3;
      3'd4: magnitude = 4;
      3'd5: magnitude = fault == 1 ? 7 : 6;
      3'd6: magnitude = 8;
      3'd7: magnitude = 12;
    endcase
  endfunction
  localparam signed [31:0] HIGH = (1 <<< (WIDTH - 1)) - 1;
  wire forgets = clear & fault != 2;
  wire [31:0] w_magnitude = magnitude(w[2:0]);
  wire [31:0] a_magnitude = magnitude(fault == 4 ? w[2:0] : a[2:0]);
  wire negative = w[3] ^ a[3];
  wire signed [31:0] product = (w_magnitude * a_magnitude) ^ {32{negative}};
  wire signed [31:0] carry = {31'b0, negative & fault != 3};
  wire signed [31:0] base = forgets ? 0 : acc;
  wire signed [31:0] total = base + product + carry;
  wire signed [31:0] limited = total > HIGH ? HIGH : total < ~HIGH ? ~HIGH : total;
  always @(posedge clk)
    if (enable | !HAS_ENABLE | (clear & fault == 7))
      acc <= SATURATE & fault != 5 ? limited : total;
endmodule
"""

_SHELL = """\
module {name} (input clk, input [3:0] w, input [3:0] a, input clear, input enable,
    output signed [{high}:0] acc);
  wire [31:0] fault;
  choice choice_i (.fault(fault));
  wire signed [{width} - 1:0] sum;
  core #(.WIDTH({width}), .SATURATE({saturate}), .HAS_ENABLE({enable}))
    core_i (.clk(clk), .w(w), .a(a), .clear(clear), .enable(enable), .acc(sum));
  wire signed [31:0] whole = sum;
  wire signed [31:0] cut = (whole <<< 16) >>> 16;
  assign acc = {width} == 17 & fault == 6 ? cut : whole;
endmodule
"""


@dataclass(frozen=True)
class Fault:
    """A fault: its number in the Verilog text, and the first mismatch that it must cause."""

    number: int
    name: str
    scenario: str
    cycle: int
    mismatch: str


# In the scenario ``pairs``, the number of a cycle is ``w << 4 | a``.
FAULTS = (
    Fault(1, "table entry off by one", "pairs", 0x15,
          "mac_lossless (17 bits): expected 6, seen 7"),
    Fault(2, "missing clear", "pairs", 0x12, "mac_lossless (17 bits): expected 2, seen 3"),
    Fault(3, "dropped carry", "pairs", 0x08, "mac_lossless (17 bits): expected 0, seen -1"),
    Fault(4, "swapped operand", "pairs", 0x10, "mac_lossless (17 bits): expected 0, seen 1"),
    Fault(5, "saturate replaced by wrap", "pairs", 0x57,
          "mac_tight (7 bits): expected 63, seen -56"),
    Fault(6, "lost top bit", "extremes", 227,
          "mac_lossless (17 bits): expected 32832, seen -32704"),
    # The scenario ``clears`` has sums of eight products. In its second half, every sum except the
    # first has a clear while ``enable`` is low.
    Fault(7, "clear that ignores enable", "clears", 9 * 8 + 1,
          "mac_enabled (17 bits): expected"),
)  # fmt: skip


def _reference_verilog(macs: Mapping[str, MacSpec], layout: Layout) -> str:
    """Verilog of the bench with a hand-written MAC for each of ``macs``."""
    shells = [
        _SHELL.format(
            name=field.name,
            high=spec.width - 1,
            width=spec.width,
            saturate=int(spec.overflow is Overflow.SATURATE),
            enable=int(spec.enable),
        )
        for spec, field in zip(macs.values(), layout.fields, strict=True)
    ]
    return "\n".join([TIMESCALE, _CORE, *shells]) + top_verilog(layout)


def _check_reference(
    fault: int = 0, test_filter: str | None = None
) -> dict[str, dict[str, object]]:
    """Simulate the hand-written MAC with a fault, and return the bench's report by scenario."""
    fmt = load("e2m1")
    macs = variants(MacSpec(fmt, fmt, terms=TERMS))
    layout = layout_of(macs, title="reference", seed=SEED)
    plans = make_plans(macs, layout, cycles=CYCLES)
    with simulation_run(
        _reference_verilog(macs, layout),
        plans,
        name="reference",
        test_module=TEST_MODULE,
        test_filter=test_filter,
        files={"fault": f"{fault}\n"},
    ) as run:
        return confirmed(run.folder, plans, log=run.log)


def test_an_independent_mac_passes() -> None:
    assert _check_reference()["pairs"]["products"] == 8 * 256


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_catches_faults(fault: Fault) -> None:
    with pytest.raises(SimulationError) as caught:
        _check_reference(fault.number)
    head, codes, first, *_ = str(caught.value).splitlines()
    assert head == (
        f"reference: mismatch in scenario {fault.scenario}, cycle {fault.cycle} (seed {SEED})"
    )
    if fault.scenario == "pairs":
        w, a = divmod(fault.cycle, 16)
        values = load("e2m1").values
        assert f"w = code {w:04b} ({values[w]}), a = code {a:04b} ({values[a]})" in codes
    assert fault.mismatch in str(caught.value)
    assert "in units of 1/4" in first


def test_a_filter_that_matches_no_test_fails() -> None:
    with pytest.raises(SimulationError, match=r"ran 0 tests of 5 and checked 0 products of \d+"):
        _check_reference(test_filter="nothing_is_called_this")


def test_a_filter_that_leaves_tests_out_fails() -> None:
    with pytest.raises(SimulationError, match=r"ran 1 tests of 5 and checked 2048 products"):
        _check_reference(test_filter="pairs")


def test_catches_one_wrong_value_in_exported_rtl() -> None:
    weight, activation = load("sf4"), load("int4")
    # One value is wrong by one quantum, the smallest possible error.
    wrong = replace(
        weight,
        values=tuple(
            value + weight.quantum * (code == 11) for code, value in enumerate(weight.values)
        ),
    )
    assert wrong.quantum == weight.quantum
    macs = variants(MacSpec(weight, activation, "product_table", TERMS))
    layout = layout_of(macs, title="rtl", seed=SEED)
    faulty = {name: replace(spec, weight=wrong) for name, spec in macs.items()}
    verilog, plans = bench_verilog(faulty, layout), make_plans(macs, layout, cycles=CYCLES)
    with pytest.raises(SimulationError, match=r"scenario pairs, cycle 177 .*\n  w = code 1011"):
        simulate(verilog, plans, name="rtl")
