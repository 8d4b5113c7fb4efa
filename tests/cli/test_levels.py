"""``halfbyte rank --levels``: what it says of the order."""

import pytest

from halfbyte.area import SynthesisRecord
from halfbyte.cli.levels import _show
from halfbyte.pareto.levels import Level
from tests.factory import sample


def level(name, areas):
    records = (sample(SynthesisRecord, format=fmt, area_um2=area) for fmt, area in areas.items())
    return Level(name, name, tuple(records))


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (995.0, "no two formats change their order by more than 1 %"),
        (900.0, "pairs that change their order by more than 1 %: 1"),
    ],
)
def test_changes_of_order_are_said(capsys, later, said):
    levels = [
        level("mac", {"e2m1": 1000.0, "int4": 1100.0}),
        level("unit", {"e2m1": 1000.0, "int4": later}),
    ]
    _show("sky130hd", levels)
    assert said in capsys.readouterr().out
