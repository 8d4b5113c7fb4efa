"""The Pareto frontier: least cost, greatest quality."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Point", "dominator", "frontier"]


@dataclass(frozen=True)
class Point:
    """One format: a cost such as area (less is better) and a quality (more is better)."""

    format: str
    cost: float
    quality: float


def _dominates(one: Point, other: Point) -> bool:
    """Whether ``one`` costs no more, is no worse, and differs in at least one of the two."""
    return (
        one.cost <= other.cost
        and one.quality >= other.quality
        and (one.cost, one.quality) != (other.cost, other.quality)
    )


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other dominates, by ascending cost; equal points stay together."""
    kept = [point for point in points if dominator(point, points) is None]
    return sorted(kept, key=lambda point: (point.cost, -point.quality, point.format))


def dominator(point: Point, points: Iterable[Point]) -> Point | None:
    """The cheapest point that dominates ``point``, the best if several; None if none does.

    A point is dominated by one that costs no more, is no worse, and differs in at least one of
    the two.
    """
    better = (each for each in points if _dominates(each, point))
    return min(better, key=lambda each: (each.cost, -each.quality, each.format), default=None)
