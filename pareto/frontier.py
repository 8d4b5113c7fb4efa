"""Find the Pareto frontier of points that have a cost and a quality."""

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
    """Whether ``one`` is at least as good in cost and quality, and better in one of them."""
    return (
        one.cost <= other.cost
        and one.quality >= other.quality
        and (one.cost, one.quality) != (other.cost, other.quality)
    )


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that are not dominated, by ascending cost; equal points are all kept."""
    kept = [point for point in points if dominator(point, points) is None]
    return sorted(kept, key=lambda point: (point.cost, -point.quality, point.format))


def dominator(point: Point, points: Iterable[Point]) -> Point | None:
    """The cheapest point that dominates ``point``; None if no point dominates it.

    A point dominates another if it is at least as good in cost and quality, and better in one of
    them. Of equally cheap points, the one of best quality is returned.
    """
    better = (each for each in points if _dominates(each, point))
    return min(better, key=lambda each: (each.cost, -each.quality, each.format), default=None)
