"""Ranks of formats by one number, and pairs of formats whose order depends on the technology."""

from halfbyte.area import SynthesisRecord
from halfbyte.pareto.ranking import order_changes, rank_by
from tests.factory import sample


def records(**areas):
    """Records with these areas by format."""
    return [sample(SynthesisRecord, format=name, area_um2=area) for name, area in areas.items()]


def test_ranks_count_from_the_least_and_share_a_place():
    assert rank_by(records(a=3.0, b=1.0, c=3.0), "area_um2") == {"a": 2, "b": 1, "c": 2}


def test_an_unknown_number_has_no_rank():
    assert rank_by(records(a=3.0, b=None), "area_um2") == {"a": 1, "b": None}
    columns = {"x": records(a=1.0, b=None), "y": records(a=2.0, b=1.0)}
    assert order_changes(columns, "area_um2") == []


def test_a_change_names_the_better_format_in_each_technology():
    columns = {
        "sky130hd": records(a=100.0, b=110.0, c=300.0),
        "asap7": records(a=2.0, b=1.0, c=9.0),
        "sg13g2": records(a=10.0, b=20.0, c=30.0),
    }
    (change,) = order_changes(columns, "area_um2")
    assert (change.criterion, change.first, change.second) == ("area", "a", "b")
    assert change.first_better == ("sky130hd", "sg13g2")
    assert change.second_better == ("asap7",)


def test_differences_below_one_percent_do_not_count():
    columns = {"x": records(a=100.0, b=100.9), "y": records(a=2.0, b=1.0)}
    assert order_changes(columns, "area_um2") == []
