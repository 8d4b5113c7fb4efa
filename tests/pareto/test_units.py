"""Formats in dot-product units and arrays: published claims, levels, and explorations.

The claims are those of Dotzel et al. (2024), the paper. A level is a kind of hardware, such as MAC,
unit or array. Areas are compared within a level.
"""

import csv
import json

import pytest

from halfbyte.area import SynthesisRecord
from halfbyte.area.proofs.results import DotProof, MacProof
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import UserError
from halfbyte.base.figures import FIGURE_KINDS
from halfbyte.formats import load
from halfbyte.golden.scales import ScaleFormat
from halfbyte.pareto.claims import claims
from halfbyte.pareto.hardware import area_parts, file_tag, unit_title
from halfbyte.pareto.levels import Level, level_rows, spread, write_levels
from halfbyte.pareto.unit_exploration import best_blocks, find_units, on_frontier
from halfbyte.pareto.unit_exploration_report import write_units
from tests.factory import sample

MACS = {"int4": 1000.0, "e2m1": 1000.0, "e2m1_sp": 1090.0}
LANES = {"int4": 400.0, "e2m1": 450.0, "e2m1_sp": 540.0}


def mac(name):
    return sample(
        SynthesisRecord, format=name, activation=name, area_um2=MACS[name], proof=sample(MacProof)
    )


def unit(name, per_lane, kind=DotRecord, **figures):
    """A record of a unit of 32 lanes, with its area per lane in µm²."""
    figures = {"lanes": 32, "scale": "e8m0", "block": 32, "terms": None, **figures}
    return sample(
        kind, format=name, activation=name, area_um2=32 * per_lane, um2_per_lane=per_lane,
        lane_um2=200.0, register_um2=640.0, proof=sample(DotProof), **figures,
    )  # fmt: skip


def array(name, **figures):
    """A record of an array of 4 x 2 units."""
    figures = {"return_um2": 0.0, **figures}
    return unit(
        name, LANES[name] + 60, ArrayRecord, rows=4, columns=2, um2_per_mac=LANES[name] + 60,
        unit_um2=32 * LANES[name], element_registers_um2=32 * 50.0, skew_um2=256 * 10.0, **figures,
    )  # fmt: skip


# Fields of the record of a weight-stationary array.
WEIGHTS = {"dataflow": "weight", "depth": 5, "return_um2": 256 * 8.0}


UNITS = {name: unit(name, area) for name, area in LANES.items()}


def test_parts_add_up_to_the_area_per_lane():
    assert area_parts(UNITS["e2m1"]) == {
        "lanes": 200.0, "tree and accumulation": 230.0, "registers": 20.0,
    }  # fmt: skip
    parts = area_parts(array("e2m1"))
    assert parts == {"units": 450.0, "registers": 50.0, "skew": 10.0}
    parts = area_parts(array("e2m1", **WEIGHTS))
    assert parts == {"units": 450.0, "registers": 42.0, "skew": 10.0, "return": 8.0}


def test_hardware_has_a_title_and_a_name_for_files():
    assert (unit_title(mac("int4")), file_tag(mac("int4"))) == ("MAC", "")
    gathered = unit("int4", 1.0, lanes=8)
    assert unit_title(gathered) == "unit of 8 lanes, e8m0 scales in blocks of 32"
    assert file_tag(gathered) == "dot8_e8m0_block32"
    assert unit_title(array("int4")) == "array of 4 x 2 units of 32 lanes, e8m0 scales"
    assert file_tag(array("int4")) == "array4x2_lanes32_e8m0"
    kept = array("int4", **WEIGHTS)
    assert unit_title(kept) == f"{unit_title(array('int4'))}, weight-stationary"
    assert file_tag(kept) == "array4x2_lanes32_e8m0_weight5"
    assert unit_title(unit("int4", 1.0, lanes=1, scale=None, block=None)) == "unit of 1 lane"


def test_the_papers_claims_are_answered_at_every_level():
    (sp,) = claims({name: mac(name) for name in MACS}, None)[1:]
    assert sp.question == "What does SP (+5) cost over E2M1?"
    (sp,) = claims(UNITS, None)
    assert sp.question == "What does SP (+5) cost over E2M1 in a unit of 32 lanes, e8m0 scales?"
    assert sp.ours == "+20.0 % of the unit, +2.0 % of the chip"
    assert "ours: lanes +0.0 %, tree and accumulation +20.0 %, registers +0.0 %" in sp.why
    (sp,) = claims({name: array(name) for name in LANES}, None)
    assert sp.question.endswith("in an array of 4 x 2 units of 32 lanes, e8m0 scales?")
    assert sp.ours == "+17.6 % of the array, +1.8 % of the chip"


def levels():
    """MACs and units of three formats, as two levels."""
    return [
        Level("mac", "MAC", tuple(mac(name) for name in MACS)),
        Level("unit", "unit", tuple(UNITS.values())),
    ]


def test_levels_are_relative_to_e2m1():
    rows = {row["format"]: row for row in level_rows(levels())}
    assert rows["int4"]["mac_over_e2m1"] == 1.0
    assert rows["int4"]["unit_over_e2m1"] == pytest.approx(400 / 450, abs=1e-4)
    assert rows["e2m1_sp"]["unit_um2_per_lane"] == 540.0
    with pytest.raises(UserError, match="compared with e2m1: add it"):
        level_rows([Level("mac", "MAC", (mac("int4"),))])


def test_levels_are_drawn_and_written(tmp_path):
    written = write_levels(levels(), [load(name) for name in MACS], tmp_path)
    assert {path.suffix for path in written} == {
        *(f".{kind}" for kind in FIGURE_KINDS), ".csv", ".json",
    }  # fmt: skip
    texts = {path.suffix: path.read_text() for path in written if path.suffix in (".csv", ".svg")}
    rows = list(csv.DictReader(texts[".csv"].splitlines()))
    assert [row["format"] for row in rows] == list(MACS)
    svg = texts[".svg"]
    for label in ("E2M1+SP  1.09", "E2M1+SP  1.20", "INT4  0.89"):
        assert label in svg
    bare = [Level("unit", "unit", (unit("e2m1", 1.0), sample(DotRecord, format="int4")))]
    with pytest.raises(UserError, match="not proved: int4"):
        write_levels(bare, [load("e2m1")], tmp_path)


@pytest.mark.parametrize(
    ("figures", "name"), [({"dataflow": "output"}, "levels_text"), (WEIGHTS, "levels_text_weight")]
)
def test_levels_name_the_dataflow_of_their_arrays(tmp_path, figures, name):
    arrays = Level("array", "array", tuple(array(each, **figures) for each in LANES))
    written = write_levels([*levels(), arrays], [load(each) for each in LANES], tmp_path)
    assert {path.stem for path in written} == {name}
    rows = json.loads((tmp_path / f"{name}.json").read_text())
    assert {row["dataflow"] for row in rows} == {figures["dataflow"]}
    caption = " ".join((tmp_path / f"{name}.txt").read_text().split())
    assert ("scales, weight-stationary" in caption) == name.endswith("weight")


def test_labels_keep_their_order_and_distance():
    found = spread({"a": 1.0, "b": 1.01, "c": 5.0}, 0.5)
    assert list(found) == ["a", "b", "c"]
    assert found["b"] - found["a"] >= 0.5 - 1e-9
    assert found["a"] + found["b"] == pytest.approx(2.01)  # both have moved equally far
    assert found["c"] == 5.0


def explored():
    """Records of units with blocks of 16 and 32, and of one unit without scales."""
    records = [
        unit("e2m1", area, lanes=lanes, block=block)
        for block, of_lanes in {
            16: {8: 900.0, 16: 800.0},
            32: {8: 700.0, 16: 605.0, 32: 600.0},
        }.items()
        for lanes, area in of_lanes.items()
    ]
    return [*records, unit("e2m1", 420.0, lanes=32, scale=None, block=None, terms=256)]


def decibels(fmt, block, rule):
    """Stand-in for the measured SQNR of results, in dB."""
    assert fmt.name == "e2m1"
    return {
        (16, ScaleFormat.E8M0_RCEIL): 20.0,
        (32, ScaleFormat.E8M0_RCEIL): 18.0,
        (128, ScaleFormat.FP32): 19.0,
    }[block, rule]


def test_the_best_lanes_and_blocks_of_a_format():
    found = find_units([load("e2m1")], explored(), decibels)
    by_block = {(each.scale, each.block): each for each in found}
    wide = by_block["e8m0", 32]
    assert (wide.lanes, wide.um2_per_lane, wide.enough_lanes) == (32, 600.0, 16)
    # The net SQNR is lower by 6.02 dB for each bit that the block's scale adds to a stored value.
    assert wide.net_db == pytest.approx(18 - 6.02 * 8 / 32)
    assert by_block["e8m0", 16].net_db == pytest.approx(20 - 6.02 * 8 / 16)
    best = {(each.scale, each.block) for each in best_blocks(found)}
    # Blocks of 16 have a net SQNR of 16.99 dB, blocks of 32 only 16.495 dB.
    assert best == {("e8m0", 16), (None, 128)}
    # The unit without scales has the highest net SQNR, 17.495 dB, and the smallest area.
    assert on_frontier(found) == [by_block[None, 128]]


def test_units_that_cannot_be_compared_are_refused():
    for change, message in (
        ({"technology": "other"}, "in one technology"),
        ({"activation": "int8"}, "share a format"),
        ({"terms": 7}, "the same number of terms"),
    ):
        fields = {"format": "e2m1", "activation": "e2m1", **change}
        mixed = [*explored(), sample(DotRecord, **fields)]
        with pytest.raises(UserError, match=message):
            find_units([load("e2m1")], mixed, decibels)
    with pytest.raises(UserError, match="at least one unit"):
        find_units([load("e2m1")], [], decibels)


def test_an_exploration_of_units_is_written(tmp_path):
    found = find_units([load("e2m1")], explored(), decibels)
    written = write_units("A title", found, explored(), "a model", tmp_path)
    assert {path.name for path in written} == {
        *(f"units.{kind}" for kind in FIGURE_KINDS), "units.csv", "units.json", "best_units.md",
    }  # fmt: skip
    rows = json.loads((tmp_path / "units.json").read_text())
    assert len(rows) == len(explored())
    assert "| E2M1 | e8m0 | 16 | 16 | 800.0 | 16 |" in (tmp_path / "best_units.md").read_text()
    assert "layers of a model" in " ".join((tmp_path / "units.txt").read_text().split())
