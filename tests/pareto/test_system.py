"""Models of arrays with buffers, and of chips. Areas are compared with sums done by hand."""

from dataclasses import asdict, replace

import pytest

from halfbyte.area import load_technology, technology_names
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.pareto.system import SRAM, ArrayModel, ChipModel, Layer, Storage, load_array
from tests.factory import sample

RECORD = sample(
    ArrayRecord, format="e2m1", lanes=2, unit_um2=1000.0, um2_per_mac=700.0, um2_per_lane=700.0
)
SMALL = ArrayModel(
    rows=4, columns=8, layer=Layer(inputs=512, outputs=100, tokens=50), sram_um2_per_bit=2.0
)


@pytest.fixture(scope="module")
def sky130hd():
    return load_technology("sky130hd")


def area(model, technology, activation="e2m1", storage=None):
    """The parts of the area of ``RECORD``'s array by a model."""
    formats = load("e2m1"), load(activation)
    return model.area(RECORD, *formats, storage or Storage(), technology)


def test_every_part_follows_from_the_assumptions(sky130hd):
    parts = area(SMALL, sky130hd)
    assert (parts.units, parts.registers) == (500.0, 200.0)
    # The buffers hold two copies of the 512 inputs of 8 outputs or of 4 tokens. A value takes
    # 4 bits, and 32/128 bits for its scale. A bit takes 2 um^2. The array has 64 lanes.
    assert parts.weight_buffer == pytest.approx(2 * 512 * 8 * 4.25 * 2.0 / 64)
    assert parts.activation_buffer == pytest.approx(2 * 512 * 4 * 4.25 * 2.0 / 64)
    assert parts.total == pytest.approx(sum(asdict(parts).values()))


def test_buffers_hold_no_more_than_the_layer_has(sky130hd):
    layer = Layer(inputs=512, outputs=3, tokens=1)
    parts = area(ArrayModel(rows=4, columns=8, layer=layer, sram_um2_per_bit=2.0), sky130hd)
    assert parts.weight_buffer == pytest.approx(2 * 512 * 3 * 4.25 * 2.0 / 64)
    assert parts.activation_buffer == pytest.approx(2 * 512 * 1 * 4.25 * 2.0 / 64)


def test_buffers_also_store_the_scales_of_blocks(sky130hd):
    parts = area(SMALL, sky130hd, storage=Storage(16, 8), activation="int8")
    assert parts.weight_buffer == pytest.approx(2 * 512 * 8 * 4.5 * 2.0 / 64)
    assert parts.activation_buffer == pytest.approx(2 * 512 * 4 * 8.5 * 2.0 / 64)
    rows = area(SMALL, sky130hd, storage=Storage(None))
    assert rows.weight_buffer == pytest.approx(2 * 512 * 8 * 4 * 2.0 / 64)


def test_utilization_is_the_needed_share_of_all_products():
    int4 = load("int4")
    # 13 x 13 tiles take 512 / 2 cycles each, and 2 * 4 + 8 cycles fill and empty the array.
    expected = 512 * 100 * 50 / ((13 * 13 * 256 + 16) * 4 * 8 * 2)
    assert SMALL.utilization(int4, int4, lanes=2) == pytest.approx(expected)


def test_a_weight_stationary_array_holds_the_tokens_of_its_depth(sky130hd):
    small = replace(SMALL, dataflow="weight")
    least, deep = (area(replace(small, depth=depth), sky130hd) for depth in (None, 20))
    # The buffer holds two copies of the 512 inputs of 5 or 20 tokens. A value takes 4 bits, and
    # 32/128 bits for its scale. A bit takes 2 um^2.
    assert least.activation_buffer == pytest.approx(2 * 512 * 5 * 4.25 * 2.0 / 64)
    assert deep.activation_buffer == pytest.approx(2 * 512 * 20 * 4.25 * 2.0 / 64)
    assert least.weight_buffer == area(SMALL, sky130hd).weight_buffer
    int4 = load("int4")
    # 64 x 13 tiles of inputs and outputs take 20 cycles for each of 3 tiles of tokens. The array is
    # filled and emptied in 2 * 4 + 8 - 1 cycles.
    expected = 512 * 100 * 50 / ((64 * 13 * 3 * 20 + 15) * 4 * 8 * 2)
    assert replace(small, depth=20).utilization(int4, int4, lanes=2) == pytest.approx(expected)
    of_bf16 = small.area_of_bf16(9000.0, weight_bits=16, technology=sky130hd)
    # Registers hold both operands, the weight that stays, and one control bit.
    assert of_bf16.registers == (3 * 16 + 1) * sky130hd.flip_flop.area


def test_every_known_memory_has_a_plausible_size():
    assert set(SRAM) <= set(technology_names())
    for name, density in SRAM.items():
        technology = load_technology(name)
        # A bit of memory is smaller than a flip-flop, and larger than half a NAND gate.
        assert 0.5 * technology.nand2_area < density.um2_per_bit < technology.flip_flop.area
        assert ArrayModel().sram(technology) == density
    assert SRAM["sky130hd"].um2_per_bit == pytest.approx(9.63, abs=0.005)


def test_another_library_needs_the_area_of_a_memory_bit(sky130hd):
    other = replace(sky130hd, name="mine")
    with pytest.raises(UserError, match="No SRAM macro of mine is known: state the area of a bit"):
        ArrayModel().sram(other)
    assert ArrayModel(sram_um2_per_bit=3).sram(other).um2_per_bit == 3


def test_arrays_come_from_files(tmp_path):
    path = tmp_path / "array.yaml"
    path.write_text(
        "rows: 4\ncolumns: 8\nlayer: {inputs: 512, outputs: 100, tokens: 50}\n"
        "sram_um2_per_bit: 2.0\n"
    )
    assert load_array(path) == SMALL
    path.write_text("copies: 1\n")
    assert load_array(path) == ArrayModel(copies=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: 0", "rows must be an integer from 1 to"),
        ("rows: many", "rows must be an integer from 1 to 16777216, not 'many'"),
        ("rows: true", "rows must be an integer"),
        ("row: 4", "Unknown key 'row' in an array; allowed: rows, columns, dataflow"),
        ("dataflow: sideways", "Dataflow must be output or weight, not 'sideways'"),
        ("depth: 2.5", "depth must be an integer from 1"),
        ("layer: 5", "layer must be a mapping"),
        ("layer: {inputs: -5}", "layer.inputs must be an integer from 1"),
        ("layer: {input: 5}", "Unknown key 'input' in layer; allowed: inputs, outputs, tokens"),
        ("sram_um2_per_bit: -1", "sram_um2_per_bit must be a positive area, not -1"),
        ("sram_um2_per_bit: .inf", "must be a positive area"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, text, message):
    path = tmp_path / "array.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"array.yaml: .*{message}"):
        load_array(path)


@pytest.mark.parametrize("shares", [(-0.1, 0.5), (0.6, 0.5), (1.1, 0), (float("nan"), 0.1)])
def test_shares_of_a_chip_are_from_0_to_1(shares):
    with pytest.raises(UserError, match="must be from 0 to 1, and at most 1 together"):
        ChipModel(*shares)
