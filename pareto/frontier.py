"""The Pareto frontier: least area, greatest quality."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Point", "dominator", "frontier"]


@dataclass(frozen=True)
class Point:
    """One format: area in um^2 (less is better) and a quality (more is better)."""

    format: str
    area_um2: float
    quality: float


def _dominates(one: Point, other: Point) -> bool:
    """Whether ``one`` is no larger, no worse, and differs in at least one of the two."""
    return (
        one.area_um2 <= other.area_um2
        and one.quality >= other.quality
        and (one.area_um2, one.quality) != (other.area_um2, other.quality)
    )


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other dominates, by ascending area; equal points stay together."""
    kept = [point for point in points if dominator(point, points) is None]
    return sorted(kept, key=lambda point: (point.area_um2, -point.quality, point.format))


def dominator(point: Point, points: Iterable[Point]) -> Point | None:
    """The smallest point that dominates ``point``, the best of them if several; None if none does.

    A point is dominated by one that is no larger and no worse, and differs in at least one of the
    two.
    """
    better = (each for each in points if _dominates(each, point))
    return min(better, key=lambda each: (each.area_um2, -each.quality, each.format), default=None)
