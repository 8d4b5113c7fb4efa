"""Dot-product units are proved correct. Faulty units are refuted.

A lane multiplies one pair of codes. A tree of full adders reduces the products of all lanes to two
rows of bits. The final adder adds these rows.
"""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import pytest

from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.dot import (
    prove_accumulator,
    read_trees,
    wrong_product,
    wrong_sum,
)
from halfbyte.area.proofs.dot_faults import fault_verdicts
from halfbyte.area.proofs.equivalence import Verdict
from halfbyte.area.proofs.linear import TreeCell, reduce_to_inputs
from halfbyte.formats import SCALE_CODES, Overflow, Ties, load
from halfbyte.rtl.dot import Accumulator, AdderStyle, DotSpec, FinalAdder

pytestmark = pytest.mark.yosys
E2M1, INT4 = load("e2m1"), load("int4")
INVERTED = AdderStyle(total_inverted=True, carry_inverted=True)


def full_adder(number, inputs):
    """A full adder; its outputs are the nets ``s<number>`` (sum) and ``c<number>`` (carry)."""
    return TreeCell(inputs, {f"s{number}": 0b10010110, f"c{number}": 0b11101000})


def test_a_full_adder_is_replaced_by_its_inputs():
    form = reduce_to_inputs([full_adder(0, ("x", "y", "z"))], ["s0", "c0"])
    assert (form.weights, form.constant, form.steps) == ({"x": 1, "y": 1, "z": 1}, 0, 1)


def test_swapped_outputs_are_not_a_sum():
    form = reduce_to_inputs([full_adder(0, ("x", "y", "z"))], ["c0", "s0"])
    assert form.weights == {"c0": 1, "s0": 2}


def test_inverters_and_constants_are_counted():
    cells = [TreeCell(("x",), {"n": 0b01}), full_adder(0, ("n", "1", "z"))]
    form = reduce_to_inputs(cells, ["s0", "c0"])
    assert (form.weights, form.constant) == ({"x": 3, "z": 1}, 2)


@pytest.mark.parametrize("style", [AdderStyle(), INVERTED])
@pytest.mark.parametrize("lanes", [1, 5])
@pytest.mark.parametrize(
    ("fmt", "architecture"), [(INT4, "partial_products"), (E2M1, "exponent_shift")]
)
@pytest.mark.parametrize("overflow", Overflow)
def test_an_integer_unit_is_proved(fmt, architecture, lanes, style, overflow):
    spec = DotSpec(fmt, fmt, lanes, architecture, acc_width=20, adders=style, overflow=overflow)
    tree = read_trees(spec)[0]
    wrong, steps = wrong_sum(tree, spec)
    assert wrong is None
    assert steps > 8 * lanes
    assert prove_accumulator(tree, spec).equal


@pytest.mark.parametrize("style", [AdderStyle(), INVERTED])
@pytest.mark.parametrize("final", [FinalAdder.PREFIX, FinalAdder.BALANCED])
@pytest.mark.parametrize(
    ("fmt", "architecture"), [(INT4, "partial_products"), (E2M1, "exponent_shift")]
)
def test_the_rows_of_a_final_adder_are_proved(fmt, architecture, final, style):
    spec = DotSpec(fmt, fmt, 9, architecture, acc_width=17, final_adder=final, adders=style)
    assert wrong_sum(read_trees(spec)[0], spec)[0] is None


def test_a_balanced_tree_leaves_late_bits_to_the_final_adder():
    """No carry ripples through the tree, so the fullest column decides the tree's depth."""
    spec = DotSpec(INT4, INT4, 32, "partial_products", acc_width=32)
    depths = {
        final: depth_of(read_trees(replace(spec, final_adder=final))[0])
        for final in (FinalAdder.PREFIX, FinalAdder.BALANCED)
    }
    assert depths[FinalAdder.BALANCED] <= 15 < depths[FinalAdder.PREFIX]


def depth_of(tree):
    """The largest number of full adders on a path from an input of the tree to an output row."""
    driver = {net: cell for cell in tree.cells for net in cell.outputs}

    @cache
    def depth(net):
        cell = driver.get(net)
        return (len(cell.inputs) == 3) + max(map(depth, cell.inputs)) if cell else 0

    return max(depth(net) for row in tree.rows for net in row)


def test_the_tree_of_scaled_blocks_is_proved():
    spec = DotSpec(
        E2M1,
        E2M1,
        2,
        "sign_magnitude",
        accumulator=Accumulator.FP32,
        scale=SCALE_CODES["e4m3"],
        block=6,
    )
    assert wrong_sum(read_trees(spec)[0], spec)[0] is None


@pytest.fixture(scope="module")
def unit():
    spec = DotSpec(INT4, INT4, 2, "partial_products", acc_width=12)
    return spec, read_trees(spec)[0]


def test_swapped_wires_are_detected(unit):
    spec, tree = unit
    lanes = [list(bits) for bits in tree.lanes]
    lanes[0][1], lanes[1][2] = lanes[1][2], lanes[0][1]
    assert "the weight of net" in wrong_sum(replace(tree, lanes=lanes), spec)[0]


def test_an_adder_that_drops_its_carry_is_detected(unit):
    spec, tree = unit
    cells = list(tree.cells)
    index = next(place for place, cell in enumerate(cells) if len(cell.outputs) == 2)
    cells[index] = replace(cells[index], outputs=dict.fromkeys(cells[index].outputs, 0b10010110))
    assert wrong_sum(replace(tree, cells=cells), spec)[0] is not None


def test_a_missing_clear_is_detected(unit):
    spec, tree = unit
    around = tree.around.rewired({tree.around.inputs["clear"][0]: "0"})
    assert prove_accumulator(replace(tree, around=around), spec).equal is False


def test_a_fault_on_which_the_solver_gives_up_is_undecided(unit, monkeypatch):
    spec, tree = unit
    proof = SimpleNamespace(status="undecided")
    faults = "halfbyte.area.proofs.dot_faults"
    monkeypatch.setattr(f"{faults}.prove_accumulator", lambda *_: Verdict(None, 1, 1))
    monkeypatch.setattr(f"{faults}.prove_circuits", lambda *_: proof)
    lane = lower({"lane": spec.lane()})["lane"]
    found = fault_verdicts(spec, tree, lane, tree.around, None)
    assert found.pop("missing clear") == found.pop("netlist of another unit") == "undecided"
    assert set(found.values()) == {"refuted"}


def test_a_lane_for_another_value_table_is_detected():
    spec = DotSpec(E2M1, E2M1, 2, "exponent_shift")
    lane = lower({"lane": spec.lane()})["lane"]
    assert wrong_product(lane, spec) is None
    values = list(E2M1.values)
    values[3] = values[2]
    other = replace(spec, weight=replace(E2M1, values=tuple(values), ties=Ties.DOWN))
    assert wrong_product(lane, other) == "w = code 3, a = code 1: should be 2, but is 3"
