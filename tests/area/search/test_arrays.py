"""Synthesized systolic arrays of dot-product units: areas and energies are sums over all parts."""

from dataclasses import replace

import pytest

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.search.array_parts import PartJob
from halfbyte.area.search.arrays import synthesize_arrays
from halfbyte.area.search.dot_units import synthesize_dots
from halfbyte.area.timing.operands import load_operands
from halfbyte.formats import load
from halfbyte.rtl.array import ArraySpec, WeightArraySpec
from halfbyte.rtl.array.names import REGISTERS
from halfbyte.rtl.dot import DotSpec

pytestmark = pytest.mark.yosys
INT4 = load("int4")


def test_area_and_energy_are_sums_over_the_parts():
    spec = ArraySpec(DotSpec(INT4, INT4, 2, "partial_products", acc_width=14), 3, 2)
    technology = load_technology("sky130hd")
    options = {"prove": False, "jobs": 1}
    (unit,) = synthesize_dots([spec.unit], technology, **options)
    (array,) = synthesize_arrays([spec], technology, **options)
    elements = 6 * (unit.area_um2 + array.element_registers_um2)
    assert array.area_um2 == pytest.approx(elements + array.skew_um2)
    assert array.um2_per_mac == pytest.approx(array.area_um2 / 12, abs=1e-4)
    registers, skew = array.element_registers_fj, array.skew_fj
    assert skew > 0
    assert array.energy_fj == pytest.approx(unit.energy_fj + registers + skew, abs=0.01)
    # The registers take energy at their clock pins, and more energy when their data change.
    clock = array.clock_energy_fj - unit.clock_energy_fj
    assert 0 < clock < registers + skew
    assert (array.dataflow, array.return_um2, array.return_fj) == ("output", 0, 0)


def test_a_weight_stationary_array_is_proved_in_its_parts():
    spec = WeightArraySpec(DotSpec(INT4, INT4, 2, "partial_products", acc_width=14), 3, 2, depth=5)
    technology = load_technology("sky130hd")
    (array,) = synthesize_arrays([spec], technology, jobs=1)
    elements = 6 * (array.unit_um2 + array.element_registers_um2)
    others = array.skew_um2 + array.return_um2
    assert array.area_um2 == pytest.approx(elements + others)
    assert (array.dataflow, array.depth, array.weight_cycles) == ("weight", 5, 5)
    # A column holds the sums of five tokens (input rows) at a time, so it needs five registers for
    # each bit of a sum. Three are in its three elements, so two are outside them.
    assert array.return_um2 > 2 * 2 * 14 * technology.flip_flop.area
    assert array.proof.is_proved
    assert set(array.proof.faults.values()) == {"refuted"}
    assert "swapped bits of the addend" in array.proof.faults
    assert array.parts_proof == dict.fromkeys(spec.parts, "proved")
    parts = (array.element_registers_fj, array.skew_fj, array.return_fj)
    assert min(parts) > 0
    assert array.clock_energy_fj < array.energy_fj
    # A larger depth keeps weights in place for more cycles, so they change less often.
    (deep,) = synthesize_arrays([replace(spec, depth=51)], technology, prove=False, jobs=1)
    assert deep.unit_um2 == array.unit_um2
    assert deep.element_registers_fj < array.element_registers_fj


def test_a_library_without_voltage_and_leakages_gives_reasons_once(tmp_path):
    technology = load_technology("sky130hd")
    cells = {name: replace(cell, leakage=None) for name, cell in technology.cells.items()}
    technology = replace(technology, cells=cells, voltage=None)
    spec = ArraySpec(DotSpec(INT4, INT4, 2, "partial_products", acc_width=14), 3, 2)
    (array,) = synthesize_arrays([spec], technology, effort=0.002, prove=False, jobs=1)
    values = (array.energy_fj, array.glitch_energy_fj, array.element_registers_fj, array.skew_fj)
    assert (*values, array.leakage_nw) == (None,) * 5
    voltage, leakage = array.not_measured.split("; ")
    assert "supply voltage" in voltage
    assert leakage == "the library lacks the leakage of a cell or its unit"
    operands = load_operands("minilm")
    part = PartJob(spec, REGISTERS, technology, operands, proves=False).run()
    assert (part.data_energy_fj, part.not_measured) == (None, voltage)
