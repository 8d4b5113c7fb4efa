"""Changes of numbers between two sets of records."""

import pytest

from halfbyte.base import UserError
from halfbyte.pareto.difference import changes

BEFORE = {
    "format": "int4", "activation": "int4", "unit": "mac", "technology": "sky130hd", "terms": 256,
    "area_um2": 1000.0, "delay_ps": 7000.0, "energy_fj": None,
}  # fmt: skip


def test_equal_records_have_no_change():
    found = changes([BEFORE], [dict(BEFORE)])
    assert [change.figure for change in found] == ["area_um2", "delay_ps"]
    assert not any(change.exceeds(0.0) for change in found)


def test_a_change_counts_beyond_the_tolerance():
    (area, _) = changes([BEFORE], [{**BEFORE, "area_um2": 1010.0}])
    assert area.exceeds(0.0099)
    assert not area.exceeds(0.0101)
    assert area.relative == 1010.0 / 1000.0 - 1


def test_a_number_that_only_the_second_record_has_counts_at_any_tolerance():
    found = changes([BEFORE], [{**BEFORE, "energy_fj": 5.0}])
    assert [change.figure for change in found if change.exceeds(0.5)] == ["energy_fj"]


def test_a_record_in_only_one_set_counts():
    other = {**BEFORE, "format": "e2m1", "activation": "e2m1"}
    found = changes([BEFORE], [BEFORE, other])
    assert [(change.what, change.figure) for change in found if change.exceeds(0.5)] == [
        ("e2m1 mac sky130hd", "record")
    ]
    assert [change.before for change in changes([BEFORE, other], [BEFORE])][-1] == 1000.0


def test_records_with_different_clocks_are_different():
    clocked = {**BEFORE, "clock_ps": 2000.0, "area_um2": 1500.0}
    assert len(changes([BEFORE, clocked], [clocked, BEFORE])) == 4
    assert not any(change.exceeds(0) for change in changes([BEFORE, clocked], [clocked, BEFORE]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"aera_um2": 1.0}, "unknown field 'aera_um2'; did you mean area_um2"),
        ({"area_um2": -1.0}, "area_um2 of a record must be 0 or more, not -1"),
        ({"glitch_energy_fj": -0.5}, "glitch_energy_fj of a record must be 0 or more"),
        ({"unit": None}, "The record of 'int4' lacks the field unit"),
    ],
)
def test_invalid_records_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        changes([BEFORE], [{**BEFORE, **change}])


def test_every_architecture_of_a_circuit_is_compared():
    others = [{**BEFORE, "architecture": name, "area_um2": 900.0} for name in ("booth", "columns")]
    later = [others[0], {**others[1], "area_um2": 950.0}]
    assert [(each.what, each.figure) for each in changes(others, later) if each.exceeds(0)] == [
        ("int4 mac sky130hd columns", "area_um2")
    ]
    # If each set has a single architecture of the circuit, this is the best one that was found. The
    # two records are then compared even if their architectures differ.
    assert [each.figure for each in changes(others[:1], others[1:]) if each.exceeds(0)] == []


@pytest.mark.parametrize("value", [True, "12", [1]])
def test_figures_that_are_not_numbers_are_refused(value):
    with pytest.raises(UserError, match="area_um2 of a record must be a number, not"):
        changes([BEFORE], [{**BEFORE, "area_um2": value}])
