"""Tables of README and documentation against the record of the release, and against each other."""

import json
import re

import pytest

from halfbyte.formats import load
from tests.docs.blocks import ROOT

(RELEASE,) = (ROOT / "docs" / "records").glob("release-*.json")
UNITS = "docs/dot_units.md"
# Columns of the table of levels: MAC, array of MACs, integer unit, unit with scales, array of such.
MAC, INTEGER, SCALED = 0, 2, 3
SUPERNORMAL = {"SP (+5)": "E2M1+SP", "SR (+8)": "E2M1+SR"}


def table(page, column):
    """The cells of each row of a table from ``column`` on, by the first cell of the row.

    The table is the only one of the page with that column.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    grids = [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()]
        for found in re.finditer(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    ]
    (grid,) = (each for each in grids if column in each[0])
    place = grid[0].index(column)
    return {cells[0]: cells[place:] for cells in grid[2:]}


@pytest.fixture(scope="module")
def released():
    """Area of the MACs in the record of the release, by title."""
    areas = json.loads(RELEASE.read_text())["areas_um2"]
    return {load(name).title: area for name, area in areas.items()}


@pytest.fixture(scope="module")
def levels():
    """Area and ratio of each level by title, as the table of units shows them."""
    return {
        title: [
            (float(area.replace(",", "")), ratio.strip("()")) for area, ratio in map(str.split, row)
        ]
        for title, row in table(UNITS, "MAC").items()
    }


@pytest.mark.parametrize(
    ("page", "column"), [("README.md", "area µm²"), (UNITS, "MAC, µm²"), (UNITS, "MAC")]
)
def test_areas_of_macs_are_those_of_the_release(released, page, column):
    shown = table(page, column)
    assert {"INT4", "E2M1", "E2M1+SP"} <= shown.keys()
    for title, (area, *_) in shown.items():
        expected = released[title.partition(",")[0]]
        assert area.split()[0] == f"{expected:,.1f}", title


def test_ratios_are_those_of_the_areas(levels):
    for title, row in levels.items():
        for (area, ratio), (baseline, _) in zip(row, levels["E2M1"], strict=True):
            # The areas are rounded to a tenth.
            assert float(ratio) == pytest.approx(area / baseline, abs=0.0008), title


@pytest.mark.parametrize(
    ("page", "column", "places"),
    [("README.md", "integer", (INTEGER, SCALED)), (UNITS, "µm² per lane", (SCALED,))],
)
def test_areas_of_units_are_those_of_the_table_of_levels(levels, page, column, places):
    shown = table(page, column)
    assert len(shown) >= 4
    for title, row in shown.items():
        for seen, place in zip(row, places, strict=False):
            assert int(seen) == pytest.approx(levels[title][place][0], abs=0.56), title


def test_costs_of_super_values_are_those_of_the_table_of_levels(levels):
    for title, row in table("docs/explanation/paper.md", "MAC").items():
        for seen, (_, ratio) in zip(row, levels[SUPERNORMAL[title]], strict=True):
            cost = float(seen.removesuffix(" %"))
            assert cost == pytest.approx(100 * (float(ratio) - 1), abs=0.11), title
