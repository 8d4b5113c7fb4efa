"""Netlists are proved equal to their RTL, register by register. Faulty netlists are refuted.

The units are the parts of the DFloat11 decoder (lanes, and a loader of the code table) and the BF16
MAC. The partner of a netlist's register is the RTL's register that it implements.
"""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.netlists.circuit import CircuitError
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.mac import ProofError
from halfbyte.area.proofs.registers import MappedUnit, prove_circuits, prove_unit, read_mapped_unit
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.bf16.product import Product
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Lane, Loader

pytestmark = pytest.mark.yosys
SEED = 5


def mapped(component, name, folder):
    """Synthesize a component into ``folder``; return the technology."""
    technology = load_technology(name)
    synthesize_rtlil(to_rtlil(component, "unit"), technology, QUICK, folder, "unit")
    return technology


@pytest.fixture(scope="module")
def lane(tmp_path_factory):
    """The RTL of a lane, and its netlist in ASAP7, where a flip-flop has an inverted output."""
    folder, component = tmp_path_factory.mktemp("lane"), Lane(rows=ROWS, max_length=MAX_LENGTH)
    technology = mapped(component, "asap7", folder)
    rtl = lower({"rtl": component}, fused=True)["rtl"]
    return rtl, read_mapped_unit(folder, "unit", technology.cells)


def test_every_register_of_a_lane_has_its_partner(lane):
    rtl, unit = lane
    assert len(rtl.registers) == len(unit.circuit.registers) == len(set(unit.registers.values()))
    proof = prove_circuits(rtl, unit)
    assert (proof.status, proof.counterexample) == ("proved", None)


@pytest.mark.parametrize(
    ("unit", "name"),
    # ``tests/area/search/test_units.py`` checks the BF16 MAC in the other technologies.
    [("loader", "sg13g2"), ("loader", "asap7"), ("bf16_mac", "sg13g2")],
)
def test_netlists_equal_their_rtl(name: str, unit: str, tmp_path: Path):
    is_mac = unit == "bf16_mac"
    component = Bf16Mac() if is_mac else Loader(rows=ROWS, max_length=MAX_LENGTH)
    technology = mapped(component, name, tmp_path)
    proof = prove_unit(component, tmp_path, "unit", technology.cells)
    assert proof.status == "proved"
    assert proof.claim == "netlist = rtl"
    assert "all states were checked by SAT" in proof.method


def test_an_inverted_gate_is_refuted(lane):
    rtl, unit = lane
    gates = list(unit.circuit.gates)
    for place in random.Random(SEED).sample(range(len(gates)), 8):
        gate = gates[place]
        wrong = gate._replace(table=gate.table ^ (1 << (1 << len(gate.inputs))) - 1)
        altered = [*gates[:place], wrong, *gates[place + 1 :]]
        proof = prove_circuits(
            rtl, MappedUnit(replace(unit.circuit, gates=altered), unit.registers)
        )
        assert proof.status == "refuted", gate
        assert "should be" in proof.counterexample


def test_a_register_that_is_stuck_is_named(lane):
    rtl, unit = lane
    stuck = unit.registers["stream_crc", 7]
    registers = [
        each._replace(data="0") if each.output == stuck else each for each in unit.circuit.registers
    ]
    proof = prove_circuits(
        rtl, MappedUnit(replace(unit.circuit, registers=registers), unit.registers)
    )
    assert proof.status == "refuted"
    text = proof.counterexample
    assert text.startswith("next stream_crc[7] should be 1, but is 0, where ")
    assert "stream_crc 0x" in text


class Constant(wiring.Component):
    """A unit without inputs and registers, whose output is always ``value``."""

    out: Out(1)

    def __init__(self, value):
        self.value = value
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.out.eq(self.value)
        return m


def test_a_difference_without_inputs_and_registers_is_described():
    circuits = lower({"zero": Constant(0), "one": Constant(1)}, fused=True)
    proof = prove_circuits(circuits["one"], MappedUnit(circuits["zero"], {}))
    wanted = "output out[0] should be 1, but is 0, where all inputs and registers are 0"
    assert proof.counterexample == wanted


def test_swapped_registers_are_refuted(lane):
    rtl, unit = lane
    one, other = unit.registers["raw_crc", 3], unit.registers["raw_crc", 4]
    swapped = {bit: {one: other, other: one}.get(net, net) for bit, net in unit.registers.items()}
    assert prove_circuits(rtl, MappedUnit(unit.circuit, swapped)).status == "refuted"


def test_a_register_without_a_partner_may_have_any_value(lane):
    rtl, unit = lane
    held = unit.registers["joiner.held", 0]
    fewer = {bit: net for bit, net in unit.registers.items() if net != held}
    proof = prove_circuits(rtl, MappedUnit(unit.circuit, fewer))
    assert proof.status == "refuted"


def test_a_faulty_netlist_is_an_error_with_a_counterexample(tmp_path: Path):
    technology = mapped(Product(), "sky130hd", tmp_path)
    path = tmp_path / "netlist.json"
    text, name = path.read_text(), "sky130_fd_sc_hd__nand2_1"
    assert name in text
    path.write_text(text.replace(name, name.replace("nand2", "nor2"), 1))
    with pytest.raises(
        ProofError, match=r"the claim 'netlist = rtl' is refuted: output .* should be"
    ):
        prove_unit(Product(), tmp_path, "unit", technology.cells)


def test_another_port_is_refused(lane):
    rtl, unit = lane
    wider = replace(unit.circuit, inputs={**unit.circuit.inputs, "more": [10**6]})
    with pytest.raises(CircuitError, match=r"The ports are .*more"):
        prove_circuits(rtl, MappedUnit(wider, unit.registers))


def test_a_netlist_with_an_unknown_cell_is_refused(tmp_path: Path):
    cell = {"type": "OTHER", "connections": {"Q": [2]}}
    module = {"ports": {}, "cells": {"register": cell}, "netnames": {}}
    for name in ("netlist.json", "registers.json"):
        (tmp_path / name).write_text(json.dumps({"modules": {"unit": module}}))
    with pytest.raises(CircuitError, match="Cell OTHER is neither"):
        read_mapped_unit(tmp_path, "unit", {})
