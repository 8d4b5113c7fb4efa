"""The axes of cost in a Pareto plot: area of MACs, units, arrays and chips, energy, delay, bits.

The lossless point in a plot is BF16 with weights that are compressed by DFloat11.
"""

import csv
import json

import pytest

from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.area import SynthesisRecord, load_technology
from halfbyte.area.proofs.results import DotProof, MacProof
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.pareto import check_axis, make_axis, write_report
from halfbyte.pareto.records import LosslessProof, LosslessRecord
from halfbyte.pareto.system import ArrayModel, ChipModel, Storage
from tests.factory import sample

NAMES = ("int4", "e2m1", "int5")
AREAS = {"int4": 1000.0, "e2m1": 1100.0, "int5": 1500.0}


def record(name, **figures):
    """A record of a MAC of this format."""
    area = AREAS[name]
    figures = {"proof": sample(MacProof), "acc_width": 17, "register_um2": 340.0, **figures}
    return sample(
        SynthesisRecord, format=name, activation=name, technology="sky130hd", terms=256,
        area_um2=area, area_ge=area / 3.75, multiplier_um2=0.3 * area, accumulator_um2=0.3 * area,
        **figures,
    )  # fmt: skip


def unit_record(name, kind=DotRecord, **figures):
    """A record of a unit of 4 lanes. Each lane has a tenth of the area of a MAC."""
    area = 4 * AREAS[name] / 10
    figures = {"area_um2": area, "lanes": 4, "um2_per_lane": area / 4, **figures}
    return sample(
        kind, format=name, activation=name, technology="sky130hd", scale="e8m0", block=4,
        lane_um2=30.0, register_um2=20.0, terms=None, proof=sample(DotProof), **figures,
    )  # fmt: skip


def array_record(name):
    """A record of an array of 2 x 2 units, with 50 um^2 of registers per lane outside the units."""
    per_mac = AREAS[name] / 10 + 50
    return unit_record(
        name, ArrayRecord, rows=2, columns=2, area_um2=16 * per_mac, um2_per_lane=per_mac,
        um2_per_mac=per_mac, unit_um2=4 * AREAS[name] / 10, glitch_energy_fj=6.0,
    )  # fmt: skip


def accuracies():
    """Evaluations of all formats, with made-up fidelities."""
    value = {"int4": 0.95, "e2m1": 0.97, "int5": 0.99}
    return [
        sample(
            EvaluationRecord,
            format=name,
            measures={
                "fidelity": sample(
                    MeasureRecord, title="fidelity", value=value[name], low=value[name],
                    high=value[name], baseline=1.0, loss=1 - value[name], loss_low=0.0,
                    loss_high=0.1,
                )
            },
        )
        for name in NAMES
    ]  # fmt: skip


def axis(name, records, **options):
    """The axis of this name for all formats."""
    options = {"chip": ChipModel(0.1, 0.6), "array": ArrayModel(), **options}
    formats = [load(each) for each in NAMES]
    return make_axis(name, formats, records, technology=load_technology("sky130hd"), **options)


RECORDS = [record(name) for name in NAMES]


def test_mac_area_is_the_area_of_the_record():
    assert [axis("mac_area", RECORDS).cost(each) for each in RECORDS] == list(AREAS.values())


def test_chip_overhead_counts_macs_and_memory_relative_to_int4():
    costs = [axis("chip_overhead", RECORDS).cost(each) for each in RECORDS]
    assert costs == pytest.approx([0, 1.0, 100 * (0.1 * 0.5 + 0.6 * 0.25)])
    other = axis("chip_overhead", RECORDS, chip=ChipModel(0.5, 0.0))
    assert [other.cost(each) for each in RECORDS] == pytest.approx([0, 5.0, 25.0])
    assert "50 % MACs, 0 % memory" in other.note
    with pytest.raises(UserError, match="a chip for int4: add int4 to the formats"):
        axis("chip_overhead", RECORDS[1:])


def test_units_and_arrays_are_compared_per_lane():
    units = [unit_record(name) for name in NAMES]
    assert [axis("lane_area", units).cost(each) for each in units] == [100.0, 110.0, 150.0]
    assert [axis("unit_area", units).cost(each) for each in units] == [400.0, 440.0, 600.0]
    assert axis("unit_area", units).lossless(lossless()) is None
    # MACs are 10 % of the chip, and a lane of E2M1 is 10 % larger than one of INT4.
    assert axis("chip_overhead", units).cost(units[1]) == pytest.approx(1.0)


def test_array_area_adds_buffers_to_the_area_of_the_array():
    model, storage = ArrayModel(rows=2, columns=2), Storage(32, 8)
    records = [array_record(name) for name in NAMES]
    found = axis("array_area", records, array=model, storage=storage)
    for each in records:
        fmt = load(each.format)
        parts = model.area(each, fmt, fmt, storage, load_technology("sky130hd"))
        assert found.cost(each) == parts.total > each.um2_per_mac == parts.units + parts.registers
    # The array is busy nearly all the time: the layer has 32 x 2048 tiles of 1024 cycles, and only
    # 6 more cycles fill and empty the array.
    for part in (
        "4096 inputs",
        "blocks of 32 with 8-bit",
        "uses 100% of the products",
        "9.631 µm² per bit",
        "1rw_32x512_8",
    ):
        assert part in found.note
    assert found.cost(record("int4")) is None
    assert axis("energy", records).cost(records[0]) == 6.0
    assert axis("energy", records).label == "Energy per product, fJ"


def test_each_unit_has_its_axes():
    check_axis("lane_area", "dot")
    with pytest.raises(
        UserError, match=r"The axis for --unit mac must be one of mac_area, .*an axis of --unit dot"
    ):
        check_axis("lane_area")
    with pytest.raises(
        UserError, match="The axis for --unit dot must be one of lane_area, unit_area, chip"
    ):
        check_axis("area", "dot")


def test_records_without_the_number_of_the_axis_are_left_out(tmp_path):
    records = [record("int4", delay_ps=2000.0), record("e2m1"), record("int5", delay_ps=2500)]
    found = axis("delay", records)
    assert [found.cost(each) for each in records] == [2000.0, None, 2500.0]
    assert found.note == "left out, because delay_ps is null: e2m1"
    formats = [load(name) for name in NAMES]
    write_report(formats, records, accuracies(), tmp_path, found)
    data = json.loads((tmp_path / "measured_fidelity_by_delay.json").read_text())
    assert [(row["format"], row["delay_ps"]) for row in data] == [("int4", 2000), ("int5", 2500)]


@pytest.mark.parametrize(
    ("name", "message"),
    [("delay", "delay_ps is null in every"), ("energy", "glitch_energy_fj is null in every")],
)
def test_an_axis_without_any_number_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        axis(name, RECORDS)


def test_effective_bits_are_those_given():
    bits = {"int4": 3.61, "e2m1": 4.04, "int5": 4.4}
    found = axis("bits", RECORDS, effective_bits=bits)
    assert [found.cost(each) for each in RECORDS] == list(bits.values())
    with pytest.raises(UserError, match="bits per weight are not known for any format"):
        axis("bits", RECORDS)


def test_plots_and_data_follow_the_axis(tmp_path):
    formats = [load(name) for name in NAMES]
    records = [array_record(name) for name in NAMES]
    found = axis("array_area", records)
    _, written = write_report(formats, records, accuracies(), tmp_path, found)
    name = "measured_fidelity_by_array_area_array2x2_lanes4_e8m0"
    assert tmp_path / f"{name}.png" in written
    rows = list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
    costs = {each.format: found.cost(each) for each in records}
    assert {row["format"]: float(row["array_um2_per_mac"]) for row in rows} == costs
    assert {(row["lanes"], row["rows"], row["scale"]) for row in rows} == {("4", "2", "e8m0")}
    svg = (tmp_path / f"{name}.svg").read_text()
    assert "Array area per MAC" in svg
    # The published accuracies were measured with FP32 scales. This array has E8M0 scales.
    assert not any(path.name.startswith("published") for path in written)


def lossless(**figures):
    """The record of the lossless point."""
    figures = {"area_um2": 9000.0, "bits_per_weight": 10.7, "codes": "fixed", **figures}
    return sample(
        LosslessRecord, format="bf16_dfloat11", macs_per_lane=16, glitch_energy_fj=9900.0,
        delay_ps=30000.0, **figures,
    )  # fmt: skip


def test_costs_of_the_lossless_point_are_those_of_its_record_and_model():
    measured = [record(name, glitch_energy_fj=1000.0, delay_ps=8000.0) for name in NAMES]
    bits = dict.fromkeys(NAMES, 4.0)
    found = {
        name: axis(name, measured, effective_bits=bits).lossless(lossless())
        for name in ("mac_area", "chip_overhead", "energy", "delay", "bits")
    }
    assert found == pytest.approx(
        {
            "mac_area": 9000,
            "chip_overhead": 100 * (0.1 * 8 + 0.6 * (10.7 / 4 - 1)),
            "energy": 9900,
            "delay": 30000,
            "bits": 10.7,
        }
    )
    array, technology = ArrayModel(rows=8, columns=4, copies=1), load_technology("sky130hd")
    bit, layer = array.sram(technology).um2_per_bit, array.layer
    buffers = layer.inputs * (4 * 10.7 + 8 * 16) * bit / 32
    cost = axis("array_area", measured, array=array).lossless(lossless())
    # Registers hold both operands, the FP32 result on its way out, and three control bits.
    assert cost == pytest.approx(9000 + (32 + 32 + 3) * technology.flip_flop.area + buffers)


def test_a_lossless_point_of_unknown_bits_has_no_cost_that_includes_memory():
    unknown = lossless(bits_per_weight=None)
    for name in ("chip_overhead", "array_area"):
        assert axis(name, RECORDS).lossless(unknown) is None


@pytest.mark.parametrize(("area", "edge"), [(9000.0, True), (2000.0, False)])
def test_the_lossless_point_is_drawn_at_its_place_or_at_the_edge(area, edge, tmp_path):
    formats = [load(name) for name in NAMES]
    point = lossless(area_um2=area)
    write_report(formats, RECORDS, accuracies(), tmp_path, lossless=point)
    rows = json.loads((tmp_path / "measured_fidelity.json").read_text())
    assert rows[-1]["format"] == "bf16_dfloat11"
    assert (rows[-1]["area_um2"], rows[-1]["fidelity"]) == (area, 1.0)
    assert rows[-1]["on_frontier"]
    svg = (tmp_path / "measured_fidelity.svg").read_text()
    assert "BF16 with DFloat11" in svg
    assert ("beyond the edge: 9,000 µm²" in svg) == edge
    assert "BF16 with DFloat11: no loss" in (tmp_path / "measured_fidelity.txt").read_text()


def test_the_lossless_point_must_be_proved_too(tmp_path):
    point = lossless(proof=sample(LosslessProof, status="undecided"))
    with pytest.raises(UserError, match="not proved: bf16_dfloat11"):
        write_report([load("int4")], RECORDS[:1], accuracies()[:1], tmp_path, lossless=point)
