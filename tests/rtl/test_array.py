"""The specifications of systolic arrays. ``tests/sim`` tests what the arrays compute.

In an output-stationary array (:class:`ArraySpec`), each element keeps a sum. In a weight-stationary
array (:class:`WeightArraySpec`), each element keeps weights.
"""

import pytest

from halfbyte.base import UserError
from halfbyte.formats import find_scale_code, load
from halfbyte.rtl.array import ArraySpec, WeightArraySpec, make_array
from halfbyte.rtl.dot import Accumulator, DotSpec

INT4 = load("int4")
MAC = DotSpec(INT4, INT4, 1)


def test_counts_its_flip_flops():
    spec = ArraySpec(MAC, 3, 4)
    # An element has registers for both codes, the control bits clear and take, the result that
    # moves up, and its valid bit.
    assert spec.register_bits == 4 + 4 + 2 + MAC.width + 1
    # Row r delays codes and control by r cycles, and column c delays codes by c cycles.
    assert spec.skew_bits == (1 + 2) * (4 + 2) + (1 + 2 + 3) * 4
    assert (spec.elements, spec.macs) == (12, 12)


def test_control_marks_the_end_of_a_block_of_several_cycles():
    unit = DotSpec(
        INT4, INT4, 4, accumulator=Accumulator.FP32, scale=find_scale_code("e8m0"), block=8
    )
    assert ArraySpec(unit, 2, 2).control_bits == 3
    assert ArraySpec(MAC, 2, 2).control_bits == 2


def test_a_layer_with_long_sums_keeps_nearly_all_multipliers_busy():
    spec = ArraySpec(MAC, 8, 8)
    assert spec.utilization(4096, 64, 64) > 0.99
    # The results of a column need 2 * 8 - 1 = 15 cycles to leave. Shorter sums wait for them.
    assert spec.utilization(3, 64, 64) < 3 / 15


@pytest.mark.parametrize(("rows", "columns"), [(0, 4), (4, 257), (-1, 1)])
def test_refuses_sizes_that_no_array_has(rows, columns):
    with pytest.raises(UserError, match=r"An array must have 1 to 256 (rows|columns), not"):
        ArraySpec(MAC, rows, columns)


@pytest.mark.parametrize("rows", [True, 2.0, "4"])
def test_refuses_sides_that_are_not_whole_numbers(rows):
    with pytest.raises(TypeError, match="rows must be an int"):
        ArraySpec(MAC, rows, 2)


def test_a_weight_stationary_array_counts_its_flip_flops():
    spec = WeightArraySpec(MAC, 3, 4)
    # An element has registers for the activation, the load bit, the weight on its way down, and
    # the weight that stays.
    assert spec.register_bits == 4 + 1 + 4 + 4
    # Rows 0 and 1 delay activations and the load bit, by 3 cycles in all. Columns 1 to 3 delay
    # weights, by 1 to 3 cycles.
    assert spec.skew_bits == (1 + 2) * (4 + 1) + (1 + 2 + 3) * 4
    assert {name: part.count for name, part in spec.parts.items()} == {
        "registers": 12, "row_delay": 3, "column_delay": 6, "sum_return": 4, "take_delay": 3,
    }  # fmt: skip


def test_a_layer_in_weight_stationary_tiles():
    spec = WeightArraySpec(MAC, 4, 8)
    # The array takes five tokens (input rows) at a time, so six tokens take two turns. A tile of
    # weights has 4 x 8 weights, so 7 inputs and 20 outputs take 2 x 3 tiles.
    assert (spec.steps, spec.tile_inputs) == (5, 4)
    assert spec.cycles(7, 20, 6) == 2 * 3 * 2 * 5 + 2 * 4 + 8 - 1
    assert WeightArraySpec(MAC, 8, 8, depth=128).utilization(4096, 64, 128) > 0.99


@pytest.mark.parametrize("depth", [4, 6, 5000])
def test_refuses_unsuitable_depths(depth):
    with pytest.raises(
        UserError, match=r"odd number of at least 5, or at least 9, not|at most 4096"
    ):
        WeightArraySpec(MAC, 5, 2, depth=depth)
    with pytest.raises(UserError, match="With 2 rows, depth must be at least 3, not 2:"):
        WeightArraySpec(MAC, 2, 2, depth=2)


def test_refuses_a_depth_if_sums_stay_in_place():
    with pytest.raises(UserError, match="leave out depth 9 for dataflow output"):
        make_array(MAC, 2, 2, "output", 9)


def test_refuses_a_depth_that_is_not_a_whole_number():
    with pytest.raises(TypeError, match="depth must be an int"):
        WeightArraySpec(MAC, 5, 2, depth=9.0)


def test_an_element_with_weights_takes_whole_blocks():
    unit = DotSpec(
        INT4, INT4, 4, accumulator=Accumulator.FP32, scale=find_scale_code("e8m0"), block=8
    )
    with pytest.raises(UserError, match="as many lanes as the block has products, 8, not 4"):
        WeightArraySpec(unit, 2, 2)


def test_an_exact_sum_passes_its_nan_bit_on():
    unit = DotSpec(
        INT4, INT4, 1, "partial_products", accumulator=Accumulator.EXACT,
        scale=find_scale_code("e4m3"),
    )  # fmt: skip
    text = WeightArraySpec(unit, 1, 1).component().verilog("exact")
    assert f".addend_nan(sum_in[{unit.width}])" in text
    assert f"output [{unit.width}:0] sum_out" in text
