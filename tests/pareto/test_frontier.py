"""The Pareto frontier of points with a cost and a quality is compared with its definition."""

from hypothesis import given
from hypothesis import strategies as st

from halfbyte.pareto.frontier import Point, dominator, frontier

figures = st.integers(0, 6).map(float)
points = st.lists(st.tuples(figures, figures), min_size=1, max_size=12).map(
    lambda pairs: [Point(f"p{index}", *pair) for index, pair in enumerate(pairs)]
)


def dominates(one, other):
    no_worse = one.cost <= other.cost and one.quality >= other.quality
    return no_worse and (one.cost, one.quality) != (other.cost, other.quality)


@given(points)
def test_keeps_exactly_the_points_that_no_other_dominates(points):
    expected = {p.format for p in points if not any(dominates(other, p) for other in points)}
    assert {p.format for p in frontier(points)} == expected


@given(points)
def test_dominator_is_the_cheapest_point_that_dominates(points):
    for point in points:
        better = [other for other in points if dominates(other, point)]
        found = dominator(point, points)
        assert (found is None) == (not better)
        if found is not None:
            assert found in better
            assert found.cost == min(other.cost for other in better)


@given(points)
def test_is_sorted_by_cost(points):
    kept = frontier(points)
    assert kept == sorted(kept, key=lambda p: (p.cost, p.quality, p.format))


def test_empty_has_no_frontier():
    assert frontier([]) == []
