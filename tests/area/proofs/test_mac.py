"""The RTL and the netlists of MACs are proved correct. Faulty RTL and netlists are refuted."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from halfbyte.area import load_technology
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.faults import altered_table, faulty_macs, faulty_multipliers
from halfbyte.area.proofs.mac import (
    PROVED,
    REFUTED,
    prove_mac,
    prove_multiplier,
    prove_multiplier_netlist,
    prove_netlist,
)
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.formats import Overflow, load
from halfbyte.rtl import MacSpec, applicable_architectures

pytestmark = pytest.mark.yosys


def make_mac(name, architecture, *, activation=None, **options):
    fmt = load(name)
    other = load(activation) if activation else fmt
    return MacSpec(fmt, other, architecture, **options)


@pytest.fixture(scope="module")
def small():
    """Specifications and circuits, by name, of MACs and multipliers for E2M1+SP.

    There is one of each kind for every architecture. *Altered* units have a wrong value in the
    format's table.
    """
    fmt = load("e2m1_sp")
    macs, multipliers = {}, {}
    for architecture in applicable_architectures(fmt, fmt):
        altered = altered_table(fmt, fmt, architecture)
        mac = make_mac("e2m1_sp", architecture)
        wrong = replace(mac, weight=altered, acc_width=mac.width)
        macs |= {
            f"mac_{architecture}": mac,
            f"narrow_{architecture}": replace(
                mac, acc_width=7, overflow=Overflow.SATURATE, enable=True
            ),
            f"altered_mac_{architecture}": wrong,
        }
        multipliers |= {
            f"alone_{architecture}": mac.multiplier(),
            f"altered_alone_{architecture}": wrong.multiplier(),
        }
    components = {name: mac.component() for name, mac in macs.items()}
    return macs | multipliers, lower(components | multipliers)


ARCHITECTURES = applicable_architectures(load("e2m1_sp"), load("e2m1_sp"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rtl_equals_its_specification(architecture, small):
    parts, circuits = small
    for kind in ("mac", "narrow"):
        name = f"{kind}_{architecture}"
        proof = prove_mac(circuits[name], parts[name])
        assert (proof.status, proof.code_pairs) == (PROVED, 256)
        assert proof.queries > 0
    name = f"alone_{architecture}"
    proof = prove_multiplier(circuits[name], parts[name])
    assert (proof.status, proof.queries) == (PROVED, 0)  # simulation alone is complete here


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_faults_are_refuted(architecture, small):
    parts, circuits = small
    mac, alone = parts[f"mac_{architecture}"], parts[f"alone_{architecture}"]
    faults = faulty_macs(circuits[f"mac_{architecture}"], circuits[f"altered_mac_{architecture}"])
    assert set(faults) == {
        "table entry off by one",
        "dropped carry",
        "swapped operand",
        "missing clear",
    }
    for fault, circuit in faults.items():
        assert prove_mac(circuit, mac).status == REFUTED, fault
        proof = prove_netlist(circuits[f"mac_{architecture}"], circuit, mac)
        assert proof.status == REFUTED, fault
    faults = faulty_multipliers(
        circuits[f"alone_{architecture}"], circuits[f"altered_alone_{architecture}"]
    )
    assert len(faults) == 3
    for fault, circuit in faults.items():
        assert prove_multiplier(circuit, alone).status == REFUTED, fault


@pytest.mark.parametrize("segment", [1, 4])
def test_carry_save_accumulators_are_proved_and_faults_refuted(segment):
    mac = make_mac("e2m1_sp", "exponent_shift", segment=segment, enable=True)
    rtl = lower({"mac": mac.component()})["mac"]
    assert prove_mac(rtl, mac).status == PROVED
    assert prove_netlist(rtl, rtl, mac).status == PROVED
    faults = faulty_macs(rtl, None)
    assert "dropped saved carries" in faults
    for fault, circuit in faults.items():
        proof = prove_mac(circuit, mac)
        assert proof.status == REFUTED, fault
        assert proof.counterexample.expected != proof.counterexample.seen
        assert prove_netlist(circuit, rtl, mac).status == REFUTED, fault


def test_counterexamples_are_true(small):
    """The expected and seen values in the message follow from the format and the fault."""
    parts, circuits = small
    mac = parts["mac_sign_magnitude"]
    fmt = mac.weight
    proof = prove_mac(circuits["mac_sign_magnitude"].tied("clear"), mac)
    found = proof.counterexample
    product = fmt.integers[found.w] * fmt.integers[found.a]
    assert (found.clear, found.enable) == (1, 1)
    assert (found.expected, found.seen) == (product, found.before + product)
    pattern = (
        rf"w = code {found.w:04b} \({fmt.values[found.w]}\), a = code {found.a:04b} "
        rf"\({fmt.values[found.a]}\), clear 1, enable 1, acc before {found.before} "
        rf"\(\S+\): acc should be {found.expected} \(\S+\), but is {found.seen} \(\S+\)"
    )
    assert re.fullmatch(pattern, str(found))


def test_a_fault_in_one_state_of_many_is_found(small):
    """The fault is in the logic of the top bit, where only some sums show it."""
    parts, circuits = small
    mac, circuit = parts["mac_sign_magnitude"], circuits["mac_sign_magnitude"]
    top = circuit.outputs["acc"][-1]
    (data,) = (each.data for each in circuit.registers if each.output == top)
    (driver,) = (gate for gate in circuit.gates if gate.output == data)
    for net in driver.inputs:
        assert prove_mac(circuit.rewired({net: "0"}), mac).status == REFUTED


@pytest.mark.parametrize(
    ("name", "architecture", "width"),
    [
        ("int8", "twos_complement", 24),
        ("e4m3", "exponent_shift", 45),
        ("nf4", "sign_magnitude", 23),
    ],
)
def test_wide_formats_are_proved(name, architecture, width):
    mac = make_mac(name, architecture)
    assert mac.width == width
    altered = altered_table(mac.weight, mac.weight, architecture)
    wrong = replace(mac, weight=altered, acc_width=width)
    circuits = lower({"right": mac.component(), "wrong": wrong.component()})
    proof = prove_mac(circuits["right"], mac)
    assert (proof.status, proof.code_pairs) == (PROVED, 4**mac.weight.bits)
    assert prove_mac(circuits["wrong"], mac).status == REFUTED


def test_macs_of_two_different_formats_are_proved():
    mixed = make_mac("e2m1_sp", "twos_complement", activation="int5", terms=3)
    circuits = lower({"mixed": mixed.component()})
    assert prove_mac(circuits["mixed"], mixed).status == PROVED
    assert prove_mac(circuits["mixed"].tied("carry"), mixed).status == REFUTED


def mapped(mac, technology, folder):
    """Circuits of a MAC and of its multiplier alone, from RTL and from synthesized netlists."""
    files = {}
    for name, module in (("mac", MAC), ("alone", MULTIPLIER)):
        synthesize_rtlil(mac.rtlil(module), technology, QUICK, folder / name, top=module)
        files[f"{name}_netlist"] = (folder / name / "netlist.v", module)
    components = {"rtl": mac.component(), "alone": mac.multiplier()}
    return lower(components, files, technology.cells)


@pytest.mark.parametrize("technology", ["sky130hd", "sg13g2", "asap7"])
def test_netlists_equal_their_rtl_in_every_technology(technology, tmp_path):
    """Netlists are proved correct. A netlist with a gate whose output is stuck at 1 is refuted."""
    technology = load_technology(technology)
    mac = make_mac("apot4", "sign_magnitude")
    circuits = mapped(mac, technology, tmp_path)
    netlist, rtl = circuits["mac_netlist"], circuits["rtl"]
    assert len(netlist.registers) == mac.width
    assert prove_netlist(netlist, rtl, mac).status == PROVED
    alone = circuits["alone_netlist"], circuits["alone"], mac.multiplier()
    assert prove_multiplier_netlist(*alone).status == PROVED
    gates = [gate for gate in netlist.gates if gate.inputs]  # without constants
    for gate in gates[:: len(gates) // 8]:
        wrong = netlist.rewired({gate.output: "1"})
        assert prove_netlist(wrong, rtl, mac).status == REFUTED, gate


def test_a_netlist_in_a_full_library_is_proved(library_files, tmp_path):
    from halfbyte.area import from_liberty

    technology = from_liberty(library_files("sky130hd"))
    mac = make_mac("e1m2", "sign_magnitude")
    circuits = mapped(mac, technology, tmp_path)
    assert prove_netlist(circuits["mac_netlist"], circuits["rtl"], mac).status == PROVED


def test_netlist_of_another_format_is_refuted(tmp_path):
    technology = load_technology("sky130hd")
    mac = make_mac("int4", "sign_magnitude")
    other = make_mac("e1m2", "sign_magnitude", acc_width=mac.width)
    synthesize_rtlil(other.rtlil(), technology, QUICK, tmp_path)
    files = {"netlist": (Path(tmp_path / "netlist.v"), MAC)}
    circuits = lower({"rtl": mac.component()}, files, technology.cells)
    proof = prove_netlist(circuits["netlist"], circuits["rtl"], mac)
    assert proof.status == REFUTED
    assert proof.counterexample.w in range(16)
