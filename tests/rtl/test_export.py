"""Exported Verilog and RTLIL: ports, names, repeatability, and reading by Yosys."""

import re
from dataclasses import replace

import pytest

from halfbyte.base import run_yosys
from halfbyte.formats import Overflow, load
from halfbyte.rtl import ARCHITECTURES, Mac, MacSpec, multiplier, to_rtlil, to_verilog


def make(name="e2m1_sp", **options):
    """A MAC whose weights and activations have the same format."""
    fmt = load(name)
    return Mac(MacSpec(fmt, fmt, "sign_magnitude", **options))


def ports(text):
    return re.search(r"module (\w+)\(([^)]*)\)", text)


def test_verilog_has_the_promised_ports_in_order():
    found = ports(to_verilog(make(), "mac_e2m1_sp"))
    assert found[1] == "mac_e2m1_sp"
    assert found[2] == "clk, w, a, clear, acc"
    assert ports(to_verilog(make(enable=True)))[2] == "clk, w, a, clear, enable, acc"


def test_header_states_ports_and_licence():
    text = to_verilog(make())
    assert "// w: E2M1+SP, 4 bits, quantum 1/2" in text
    assert "// acc: 17 bits, two's complement, in units of 1/4; overflow: wrap" in text
    assert "SPDX-License-Identifier: Apache-2.0" in text


def test_titles_cannot_leave_the_comment():
    fmt = replace(load("e2m1"), title="bad\nmodule evil(); endmodule")
    mac = Mac(MacSpec(fmt, fmt, "sign_magnitude"))
    assert "\nmodule evil" not in to_verilog(mac)


def test_export_is_repeatable_and_has_no_source_locations():
    assert to_rtlil(make()) == to_rtlil(make())
    assert to_verilog(make()) == to_verilog(make())
    assert "src" not in to_rtlil(make())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_multipliers_export_alone(architecture):
    refusal = ARCHITECTURES[architecture].refusal
    fmt = next(fmt for fmt in (load("e2m1"), load("int4")) if refusal(fmt, fmt) is None)
    text = to_verilog(multiplier(architecture, weight=fmt, activation=fmt), "times")
    assert ports(text)[1] == "times"
    assert ports(text)[2] == "w, a, term, negate"
    assert re.findall(r"^  (input|output) .*?(\w+);", text, re.MULTILINE) == [
        ("input", "w"),
        ("input", "a"),
        ("output", "term"),
        ("output", "negate"),
    ]


@pytest.mark.yosys
@pytest.mark.parametrize("overflow", list(Overflow))
def test_verilog_is_read_without_warnings(tmp_path, overflow):
    text = to_verilog(make(acc_width=9, overflow=overflow, enable=True), "unit")
    (tmp_path / "unit.v").write_text(text)
    script = "read_verilog unit.v\nhierarchy -check -top unit\nproc\ncheck -assert\n"
    run_yosys(script, tmp_path, "reading")
    assert "warning" not in (tmp_path / "log.txt").read_text().lower()


@pytest.mark.parametrize("name", ["", "Mac", "mac;exit", "../mac", "mac\nexit", "a" * 200])
def test_hostile_names_are_refused(name):
    with pytest.raises(ValueError, match="Module name must begin with a lower-case letter"):
        to_verilog(make(), name)


@pytest.mark.yosys
@pytest.mark.parametrize("architecture", ["product_table", "exponent_shift", "shift_add"])
def test_verilog_is_the_same_circuit_as_rtlil(tmp_path, architecture):
    """Yosys proves the exported Verilog equal to the RTLIL, for all inputs and states."""
    fmt = load("e2m1")
    mac = Mac(MacSpec(fmt, fmt, architecture))
    (tmp_path / "gold.il").write_text(to_rtlil(mac, "gold"))
    (tmp_path / "gate.v").write_text(to_verilog(mac, "gate"))
    script = """
        read_rtlil gold.il
        setattr -unset init w:*
        flatten
        read_verilog gate.v
        proc -norom
        opt_expr
        equiv_make gold gate equiv
        hierarchy -top equiv
        equiv_simple
        equiv_induct
        equiv_status -assert
    """
    run_yosys(script, tmp_path, "equivalence")
