"""Tables in the README and the documentation have the numbers of the committed records.

A level is a kind of hardware: a MAC, a dot-product unit or an array. A record of levels holds the
area per lane of each level. A lane computes one product per cycle.
"""

import json
import re

import pytest

from halfbyte.area import load_technology
from halfbyte.formats import load
from tests.docs.blocks import ROOT

RECORDS = ROOT / "docs" / "records"
LEVELS = ("mac", "array_of_macs", "unit", "unit_scaled", "array")
KEYS = {
    "format", "activation", "dataflow", "depth", "technology", "corner", "terms",
    "halfbyte_version", "amaranth_version", "pyosys_version", "card_version",
    *(f"{level}_{figure}" for level in LEVELS for figure in ("um2_per_lane", "over_e2m1")),
}  # fmt: skip


def levels(technology):
    """The rows of a technology's record of levels, by the title of the format."""
    rows = json.loads((RECORDS / f"levels_{technology}.json").read_text())
    return {load(row["format"]).title: row for row in rows}


def table(page, column):
    """The cells of each row from ``column`` on, by the first cell of the row.

    The table is the only one on the page with that column.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    grids = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()]
        for found in re.finditer(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    ]
    (grid,) = (each for each in grids if column in each[0])
    place = grid[0].index(column)
    return {cells[0]: cells[place:] for cells in grid[2:]}


def both(digits):
    """Cells with the area per lane of every level, and its ratio to that of E2M1."""
    return lambda row: [
        f"{row[f'{level}_um2_per_lane']:,.{digits}f} ({row[f'{level}_over_e2m1']:.3f})"
        for level in LEVELS
    ]


def whole(*names):
    """Cells with the areas per lane of some levels, as whole numbers."""
    return lambda row: [f"{row[f'{level}_um2_per_lane']:.0f}" for level in names]


def percent(row):
    """Cells with the additional area relative to E2M1 in per cent, at every level."""
    return [f"{100 * (row[f'{level}_over_e2m1'] - 1):+.1f} %" for level in LEVELS]


@pytest.mark.parametrize(
    ("page", "column", "technology", "cells"),
    [
        ("README.md", "integer", "sky130hd", whole("unit", "unit_scaled")),
        ("docs/dot_units.md", "MAC", "sky130hd", both(1)),
        ("docs/dot_units.md", "MAC, SG13G2", "sg13g2", both(1)),
        ("docs/dot_units.md", "MAC, ASAP7", "asap7", both(2)),
        ("docs/dot_units.md", "µm² per lane", "sky130hd", whole("unit_scaled")),
        ("docs/explanation/paper.md", "MAC", "sky130hd", percent),
    ],
)
def test_tables_of_units_are_those_of_the_record(page, column, technology, cells):
    titles = {"SP (+5)": "E2M1+SP", "SR (+8)": "E2M1+SR"}
    known = levels(technology)
    shown = table(page, column)
    assert len(shown) >= 2
    for title, seen in shown.items():
        expected = cells(known[titles.get(title, title)])
        assert seen[: len(expected)] == expected, title


def test_areas_of_macs_are_those_of_the_release():
    (path,) = RECORDS.glob("release-*.json")
    areas = {
        load(name).title: area for name, area in json.loads(path.read_text())["areas_um2"].items()
    }
    for page, column in (("README.md", "area µm²"), ("docs/dot_units.md", "MAC, µm²")):
        shown = table(page, column)
        assert {"INT4", "E2M1", "E2M1+SP"} <= shown.keys()
        for title, (area, *_) in shown.items():
            assert area == f"{areas[title.partition(',')[0]]:,.1f}", title
    for title, row in levels("sky130hd").items():
        assert row["mac_um2_per_lane"] == areas[title], title


@pytest.mark.parametrize("path", sorted(RECORDS.glob("levels_*.json")), ids=lambda path: path.stem)
def test_a_record_of_levels_says_what_it_was_measured_with(path):
    constraints = (ROOT / "constraints.txt").read_text()
    for row in json.loads(path.read_text()):
        assert row.keys() == KEYS
        technology = load_technology(row["technology"])
        assert path.stem == f"levels_{technology.name}"
        assert (row["corner"], row["terms"]) == (technology.corner, 256)
        # The numbers are only valid for these versions of the technology card and the tools.
        assert technology.content_hash.startswith(row["card_version"])
        for tool in ("amaranth", "pyosys"):
            assert f"\n{tool}=={row[f'{tool}_version']}\n" in constraints
