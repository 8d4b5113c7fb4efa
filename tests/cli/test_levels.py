"""``halfbyte rank --levels``, which ranks formats by area at several levels of hardware.

A level is a kind of hardware: a MAC, a dot-product unit, or an array of either.
"""

import json

import pytest

from halfbyte.area import SynthesisRecord
from halfbyte.area.proofs.results import DotProof, MacProof
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.cli.levels import _show
from halfbyte.pareto.levels import Level
from halfbyte.rtl.dot import DotSpec
from tests.factory import sample


def level(name, areas):
    """A level with these areas by format, in µm²."""
    records = (sample(SynthesisRecord, format=fmt, area_um2=area) for fmt, area in areas.items())
    return Level(name, name, tuple(records))


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (995.0, "the order of the formats is the same at all levels, within 1 %"),
        (900.0, "pairs of formats whose order changes between levels by more than 1 %: 1"),
    ],
)
def test_changes_of_order_are_reported(capsys, later, said):
    levels = [
        level("mac", {"e2m1": 1000.0, "int4": 1100.0}),
        level("unit", {"e2m1": 1000.0, "int4": later}),
    ]
    _show("sky130hd", levels)
    assert said in capsys.readouterr().out


def units_of(specs, technology, **_):
    """Stand-in for synthesis of MACs and dot-product units: the areas are 1, 2, ... in order."""
    return [
        sample(
            DotRecord, format=spec.weight.name, lanes=spec.lanes, um2_per_lane=place,
            proof=sample(DotProof),
        )
        if isinstance(spec, DotSpec)
        else sample(
            SynthesisRecord, format=spec.weight.name, area_um2=place, proof=sample(MacProof)
        )
        for place, spec in enumerate(specs, 1)
    ]  # fmt: skip


def arrays_of(specs, technology, **_):
    """Stand-in for synthesis of arrays: the areas are 1, 2, ... in order."""
    return [
        sample(
            ArrayRecord, **{**spec.fields, "format": spec.unit.weight.name, "architecture": ""},
            technology=technology.name, um2_per_lane=place, proof=sample(DotProof),
        )
        for place, spec in enumerate(specs, 1)
    ]  # fmt: skip


def test_arrays_have_the_size_and_dataflow_of_the_options(halfbyte, monkeypatch):
    for place in ("area.synthesize", "area.search.dot_units.synthesize_dots"):
        monkeypatch.setattr(f"halfbyte.{place}", units_of)
    monkeypatch.setattr("halfbyte.area.search.arrays.synthesize_arrays", arrays_of)
    options = ["--dataflow", "weight", "--rows", "4", "--columns", "2", "--depth", "9", "--json"]
    records = json.loads(halfbyte("rank", "e2m1", "int4", "--levels", *options).stdout)
    keys = ("rows", "columns", "dataflow", "depth", "lanes")
    shapes = [tuple(each[key] for key in keys) for each in records if "rows" in each]
    assert shapes == [(4, 2, "weight", 9, 1)] * 2 + [(4, 2, "weight", 9, 32)] * 2
