"""Liberty files may state delays in many ways.

For each way, we compute the same delay as OpenSTA. If a needed number is missing, an error names
it. A *sense* says whether an output has the same edge as the input or the opposite edge.
"""

import json
import re
import shutil
import subprocess

import pytest

from halfbyte.area.cells.technology import from_liberty
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.base import UserError
from tests.area.small_library import CELLS, CLOCKED, HEADER, OTHER_UNITS, SETUP, arc, cell, library

STA = shutil.which("sta")
# Cells by name, each with its type and the nets at its pins. Paths start at the ports and the
# register, and go through every type of cell. Net n3 drives three pins.
NETLIST = {
    "u1": ("NAND2", {"A": "a", "B": "q1", "Y": "n1"}),
    "u2": ("XOR2", {"A": "n1", "B": "b", "Y": "n2"}),
    "u3": ("INV", {"A": "n2", "Y": "n3"}),
    "u4": ("XOR2", {"A": "n3", "B": "n1", "Y": "n4"}),
    "u5": ("NAND2", {"A": "n3", "B": "n4", "Y": "n5"}),
    "u6": ("BUF", {"A": "n3", "Y": "n6"}),
    "u7": ("NAND2", {"A": "n5", "B": "n6", "Y": "n7"}),
    "r1": ("DFF", {"CK": "clk", "D": "n7", "Y": "q1"}),
}


ONE_SENSE = arc("A B", "positive_unate", edges=["rise"]) + arc(
    "A B", "negative_unate", edges=["fall"]
)
SHAPES = {
    "plain": library(),
    "default capacitance": library(
        (r"capacitance : 0.002;", ""),
        header=HEADER + "default_input_pin_cap : 0.003;",
    ),
    "capacitances by edge": library(
        (r"capacitance : 0.002;", "rise_capacitance : 0.004; fall_capacitance : 0.004;")
    ),
    "a sense for each edge of a register": library(
        DFF=CELLS["DFF"].replace(
            arc("CK", "non_unate", CLOCKED),
            arc("CK", "positive_unate", CLOCKED, ["rise"])
            + arc("CK", "negative_unate", CLOCKED, ["fall"]),
        )
    ),
    "one sense for a register": library(
        DFF=CELLS["DFF"].replace("timing_sense : non_unate", "timing_sense : positive_unate")
    ),
    "groups by edge": library(
        XOR2=cell(
            "XOR2",
            "A ^ B",
            ["A", "B"],
            arc("A B", "non_unate", "timing_type : combinational_rise;", ["rise"])
            + arc("A B", "non_unate", "timing_type : combinational_fall;", ["fall"]),
        )
    ),
    "a sense for each edge of a gate": library(XOR2=cell("XOR2", "A ^ B", ["A", "B"], ONE_SENSE)),
    "groups by sense": library(
        XOR2=cell(
            "XOR2",
            "A ^ B",
            ["A", "B"],
            arc("A B", "positive_unate", 'when : "!B";') + arc("A B", "negative_unate"),
        )
    ),
    "no sense": library((r"timing_sense : \w+;", "")),
    "delays by load only": library(
        (r'\(d\) \{ values \("([^"]*)", "[^"]*"\)', r'(load) { values ("\1")'),
        header=HEADER
        + """lu_table_template (load) { variable_1 : total_output_net_capacitance;
             index_1 ("0.001, 0.1"); }""",
    ),
    "delays by slew only": library(
        (r'\(d\) \{ values \("([^"]*)", "[^"]*"\)', r'(slew) { values ("\1")'),
        header=HEADER
        + """lu_table_template (slew) { variable_1 : input_net_transition;
             index_1 ("0.01, 0.2"); }""",
    ),
    "scalars": library(
        (r'\(d\) \{ values \("([\d.]+)[^)]*\)', r'(scalar) { values ("\1")'),
        (r'\(s\) \{ values \("([\d.]+)[^)]*\)', r'(scalar) { values ("\1")'),
    ),
    "one row": library(
        (
            r'\(d\) \{ values \("([^"]*)", "[^"]*"\)',
            r'(d) { index_1 ("0.01"); index_2 ("0.001, 0.1"); values ("\1")',
        )
    ),
    "axes exchanged": library(
        (r"input_net_transition; variable_2 : total_output_net_capacitance",
         "total_output_net_capacitance; variable_2 : input_net_transition"),
        (r'index_1 \("0.01, 0.2"\); index_2 \("0.001, 0.1"\)',
         'index_1 ("0.001, 0.1"); index_2 ("0.01, 0.2")'),
        (r'\(d\) \{ values \("([\d.]+), ([\d.]+)", "([\d.]+), ([\d.]+)"\)',
         r'(d) { values ("\1, \3", "\2, \4")'),
    ),
    "other units": library(*OTHER_UNITS),
    "one value a line": library(
        (r'values \("([^"]*)", "([^"]*)"\)', r'values ( "\1", \\\n "\2" )')
    ),
}  # fmt: skip


def delay(text, folder):
    """The delay of ``NETLIST`` in our analysis, and the slew of inputs and clock, both in ps."""
    path = folder / "small.lib"
    path.write_text(text)
    technology = from_liberty([path])
    nets = list(dict.fromkeys(net for _, pins in NETLIST.values() for net in pins.values()))
    number = {net: place for place, net in enumerate(nets, 2)}
    ports = {
        name: {"direction": "output" if name == "q1" else "input", "bits": [number[name]]}
        for name in ("a", "b", "clk", "q1")
    }
    cells = {
        name: {"type": kind, "connections": {pin: [number[net]] for pin, net in pins.items()}}
        for name, (kind, pins) in NETLIST.items()
    }
    (folder / "netlist.json").write_text(
        json.dumps({"modules": {"top": {"ports": ports, "cells": cells}}})
    )
    netlist = read_netlist(folder / "netlist.json", technology.cells, "top")
    timing = analyse_timing(netlist, technology)
    return timing.delay_ps, timing.slew_ps


def opensta_delay(folder, slew_ps, unit_ps):
    """The shortest clock period that OpenSTA finds, in ps."""
    instances = [
        f"{kind} {name} ({', '.join(f'.{pin}({net})' for pin, net in pins.items())});"
        for name, (kind, pins) in NETLIST.items()
    ]
    wires = "".join(f"wire n{number};" for number in range(1, 8))
    body = "\n".join(["module top (a, b, clk, q1); input a, b, clk; output q1;", wires, *instances])
    (folder / "top.v").write_text(f"{body}\nendmodule\n")
    period, slew = 100_000 / unit_ps, slew_ps / unit_ps
    (folder / "check.tcl").write_text(f"""
        read_liberty small.lib
        read_verilog top.v
        link_design top
        create_clock -name clk -period {period} clk
        set_clock_transition {slew} [get_clocks clk]
        set_input_delay 0 -clock clk [list [get_ports a] [get_ports b]]
        set_input_transition {slew} [list [get_ports a] [get_ports b]]
        report_checks -path_delay max -digits 6
        exit
    """)
    done = subprocess.run(
        [STA, "-no_splash", "-exit", "check.tcl"],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    slack = re.search(r"([-\d.]+)\s+slack", done.stdout)
    assert slack, done.stdout + done.stderr
    return (period - float(slack[1])) * unit_ps


@pytest.mark.skipif(STA is None, reason="OpenSTA is not installed (Debian package opensta)")
@pytest.mark.parametrize("shape", SHAPES)
def test_delays_are_those_of_opensta(shape, tmp_path):
    ours, slew = delay(SHAPES[shape], tmp_path)
    unit = 10.0 if shape == "other units" else 1000.0
    assert ours == pytest.approx(opensta_delay(tmp_path, slew, unit), rel=0.01)


def test_the_same_library_written_differently_has_the_same_delay(tmp_path):
    plain = delay(SHAPES["plain"], tmp_path)
    for shape in ("other units", "one value a line", "axes exchanged", "groups by edge"):
        assert delay(SHAPES[shape], tmp_path) == pytest.approx(plain, rel=1e-4), shape


UNKNOWN = {
    "no capacitance": (
        library((r"capacitance : 0.002;", "")),
        "cell INV: the library states no capacitance of pin A",
    ),
    "no setup time": (
        library(DFF=CELLS["DFF"].replace(SETUP, "")),
        "cell DFF: the library states no setup times",
    ),
    "no delay of one input": (
        library(NAND2=cell("NAND2", "!(A & B)", ["A", "B"], arc("A", "negative_unate"))),
        "cell NAND2: the library states no timing tables from B to Y",
    ),
    "no transitions": (
        library((r"(rise|fall)_transition", r"\1_propagation")),
        "cell INV: the library states no timing tables from A to Y",
    ),
}


@pytest.mark.parametrize(("text", "reason"), UNKNOWN.values(), ids=UNKNOWN)
def test_missing_numbers_are_errors(text, reason, tmp_path):
    with pytest.raises(UserError, match=reason):
        delay(text, tmp_path)
