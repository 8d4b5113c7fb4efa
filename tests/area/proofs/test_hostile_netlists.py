"""Netlists with shorts, extra ports or unconnected pins are refused with a one-line message."""

import re

import pytest

from halfbyte.area import load_technology
from halfbyte.area.netlists.circuit import CircuitError
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.mac import PROVED, prove_multiplier_netlist, prove_netlist
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.formats import load
from halfbyte.rtl import MacSpec

pytestmark = pytest.mark.yosys
BUFFER = "sky130_fd_sc_hd__buf_1"
FLIP_FLOP = "sky130_fd_sc_hd__dfxtp_1"


@pytest.fixture(scope="module")
def technology():
    return load_technology("sky130hd")


@pytest.fixture(scope="module")
def units(technology, tmp_path_factory):
    """A MAC's specification, and the netlists of its parts as texts by module name."""
    spec = MacSpec(load("e1m2"), load("e1m2"), "sign_magnitude", terms=1)
    texts = {}
    for module in spec.parts:
        folder = tmp_path_factory.mktemp(module)
        synthesize_rtlil(spec.rtlil(module), technology, QUICK, folder, module)
        texts[module] = (folder / "netlist.v").read_text()
    return spec, texts


def prove(unit, text, units, technology, folder):
    """The status of the proof that a netlist, given as text, equals its RTL."""
    spec, _ = units
    path = folder / "netlist.v"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    circuits = lower({"rtl": spec.part(unit)}, {"netlist": (path, unit)}, technology.cells)
    netlist, rtl = circuits["netlist"], circuits["rtl"]
    if unit == MAC:
        return prove_netlist(netlist, rtl, spec).status
    return prove_multiplier_netlist(netlist, rtl, spec.multiplier()).status


def with_line(text, line):
    """The text with a line added at the end of its last module."""
    head, end, rest = text.rpartition("endmodule")
    return f"{head}{line}\n{end}{rest}"


def with_port(text, declaration, name):
    """The text of the MAC's netlist with one more port."""
    return with_line(text, declaration).replace(f"module {MAC}(", f"module {MAC}({name}, ")


def test_untouched_netlists_are_proved(units, technology, tmp_path):
    for unit, text in units[1].items():
        assert prove(unit, text, units, technology, tmp_path) == PROVED
        harmless = with_line(text, f"wire spare; {BUFFER} another (.A(w[0]), .X(spare));")
        assert prove(unit, harmless, units, technology, tmp_path) == PROVED


SHORTS = {
    "assign to a register": "assign acc[2] = w[0];",
    "register to another": "assign acc[2] = acc[3];",
    "gate to a register": f"{BUFFER} short (.A(w[0]), .X(acc[2]));",
    "register to zero": "assign acc[2] = 1'b0;",
    "assign to an input": "assign w[0] = a[0];",
    "input to one": "assign clear = 1'b1;",
    "gate to an input": f"{BUFFER} short (.A(a[0]), .X(w[0]));",
    "gate to the clock": f"{BUFFER} short (.A(a[0]), .X(clk));",
    "assign to the clock": "assign clk = a[0];",
    "gate to a constant": f"wire none; assign none = 1'b0; {BUFFER} b (.A(w[0]), .X(none));",
    "gate on a literal": f"{BUFFER} b (.A(w[0]), .X(1'b1));",
    "two gates": f"wire n; {BUFFER} b (.A(w[0]), .X(n)); {BUFFER} c (.A(a[0]), .X(n));",
    "first flip-flop": f"{FLIP_FLOP} \\0first (.CLK(clk), .D(w[0]), .Q(acc[2]));",
    "last flip-flop": f"{FLIP_FLOP} zlast (.CLK(clk), .D(w[0]), .Q(acc[2]));",
}


@pytest.mark.parametrize("line", SHORTS.values(), ids=SHORTS)
def test_a_net_with_two_drivers_is_refused(line, units, technology, tmp_path):
    with pytest.raises(CircuitError, match=r"has two drivers|is the constant") as error:
        prove(MAC, with_line(units[1][MAC], line), units, technology, tmp_path)
    assert "\n" not in str(error.value)


PORTS = {
    "input that changes nothing": lambda text: with_port(text, "input enable;", "enable"),
    "output": lambda text: with_port(text, "output more; assign more = w[0];", "more"),
    "clock of two bits": lambda text: (
        re.sub(r"(input|wire) clk", r"\1 [1:0] clk", text)
        .replace(".CLK(clk)", ".CLK(clk[0])")
        .replace("clk[0]", "clk[1]", 1)
    ),
    "wider code": lambda text: text.replace("[3:0] w", "[4:0] w"),
    "wider sum": lambda text: text.replace("[6:0] acc", "[7:0] acc"),
    "acc missing": lambda text: re.sub(r"\bacc\b", "sum", text),
    "input turned into an output": lambda text: text.replace("input clear", "output clear"),
}


@pytest.mark.parametrize("change", PORTS.values(), ids=PORTS)
def test_ports_must_be_those_of_the_rtl(change, units, technology, tmp_path):
    text = change(units[1][MAC])
    assert text != units[1][MAC]
    with pytest.raises(CircuitError, match=r"The ports are .*; they should be input a\[4\]"):
        prove(MAC, text, units, technology, tmp_path)


def test_a_bidirectional_port_is_refused(units, technology, tmp_path):
    text = units[1][MAC].replace("input clear", "inout clear")
    with pytest.raises(CircuitError, match="Port clear is neither an input nor an output"):
        prove(MAC, text, units, technology, tmp_path)


def test_a_wider_term_is_refused(units, technology, tmp_path):
    text = units[1][MULTIPLIER].replace("[5:0] term", "[8:0] term")
    text = with_line(text, "assign term[8:6] = 3'b0;")
    with pytest.raises(CircuitError, match=r"The ports are .*term\[9\]"):
        prove(MULTIPLIER, text, units, technology, tmp_path)


MALFORMED = {
    "open input": (f"wire n; {BUFFER} b (.X(n));", "Pin A of .* is not connected"),
    "empty input": (f"wire n; {BUFFER} b (.A(), .X(n));", "Pin A of .* is not connected"),
    "wrong pin": (f"wire n; {BUFFER} b (.A(w[0]), .Y(n));", "has no pin Y"),
    "pins by position": (f"wire n; {BUFFER} b (n, w[0]);", "has no pin"),
    "two nets at a pin": (f"wire n; {BUFFER} b (.A(w), .X(n));", "Pin A .* one net, not 4"),
    "output of a flip-flop": (f"{FLIP_FLOP} r (.CLK(clk), .D(a[0]));", "Pin Q of a"),
    "unknown cell": ("mystery m (.A(w[0]));", "neither a Yosys gate nor a library cell"),
    "not Verilog": ("gate gate gate;", "A netlist cannot be read"),
    "a loop": (f"wire n; {BUFFER} b (.A(n), .X(n));", "loop without a register"),
}


@pytest.mark.parametrize(("line", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_netlists_give_a_one_line_error(line, message, units, technology, tmp_path):
    with pytest.raises(CircuitError, match=message) as error:
        prove(MAC, with_line(units[1][MAC], line), units, technology, tmp_path)
    assert "\n" not in str(error.value)


SHORT = "assign acc[2] = w[0];"
DIFFERENT = {
    "only for simulators": (f"`ifndef SYNTHESIS\n{SHORT}\n`endif", "without `ifndef"),
    "only for Yosys": ("`ifdef YOSYS\n`endif", "without `ifdef"),
    "an included file": ('`include "more.v"', "without `include"),
    "a macro": (f"`define W w\nwire n; {BUFFER} b (.A(`W[0]), .X(n));", "without `define"),
    "a comment": (f"// synopsys translate_off\n{SHORT}\n// synopsys translate_on", "translate_off"),
    "a long comment": (f"/* synthesis\n translate_off */ {SHORT}", "translate_off"),
    "a cell of its own": (
        f"endmodule (* blackbox *) module {BUFFER}(input A, output X); assign X = !A;",
        "this one has 2 modules",
    ),
    "a cell name twice": (
        f"wire n, m; {BUFFER} b (.A(w[0]), .X(n)); {BUFFER} b (.A(w[0]), .X(m));",
        "cannot be read: Cannot add cell",
    ),
}


@pytest.mark.parametrize(("line", "message"), DIFFERENT.values(), ids=DIFFERENT)
def test_text_that_tools_read_differently_is_refused(line, message, units, technology, tmp_path):
    with pytest.raises(CircuitError, match=message) as error:
        prove(MAC, with_line(units[1][MAC], line), units, technology, tmp_path)
    assert "\n" not in str(error.value)


def test_the_word_module_in_names_and_comments_is_harmless(units, technology, tmp_path):
    text = "`timescale 1ns/1ps\n// a module of `ifdef\n" + units[1][MAC]
    text = with_line(text, f"wire \\module ; {BUFFER} module_b (.A(w[0]), .X(\\module ));")
    assert prove(MAC, text, units, technology, tmp_path) == PROVED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "A netlist cannot be read"),
        (b"\x00\xff\x1f", "A netlist cannot be read"),
        (b"module other (); endmodule", "A netlist cannot be read"),
        (b"module mac (); part p (); endmodule module part (); endmodule", "modules of its own"),
    ],
)
def test_files_without_the_module_give_a_one_line_error(text, message, units, technology, tmp_path):
    with pytest.raises(CircuitError, match=message) as error:
        prove(MAC, text, units, technology, tmp_path)
    assert "\n" not in str(error.value)
