"""A stronger cell with less area than a weaker one is reported: its area is probably wrong."""

from dataclasses import replace

from halfbyte.area import load_technology
from halfbyte.area.cells.strengths import doubtful_areas

WEAK, STRONG = "sg13g2_inv_1", "sg13g2_inv_4"


def test_a_stronger_cell_with_less_area_is_doubted():
    cells = load_technology("sg13g2").cells
    load = 10 * cells[WEAK].inputs["A"]
    assert not list(doubtful_areas(cells.values(), 30.0, load))
    slip = replace(cells[STRONG], area=cells[WEAK].area / 2)
    (doubt,) = doubtful_areas({**cells, STRONG: slip}.values(), 30.0, load)
    assert (doubt.strong.name, doubt.strong.area) == (STRONG, slip.area)
    assert f"{STRONG} is a stronger version of sg13g2_inv_" in str(doubt)
