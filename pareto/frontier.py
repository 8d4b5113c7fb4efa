"""The Pareto frontier: least area, greatest quality."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Point", "frontier"]


@dataclass(frozen=True)
class Point:
    """One format: area in um^2 (less is better) and a quality (more is better)."""

    format: str
    area_um2: float
    quality: float


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other dominates, by ascending area.

    A point is dominated by one that is no larger and no worse, and differs in at least one of the
    two; equal points stay together.
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda each: (each.area_um2, -each.quality, each.format)):
        best = kept[-1] if kept else None
        if best is None or point.quality > best.quality or _equal(point, best):
            kept.append(point)
    return kept


def _equal(one: Point, other: Point) -> bool:
    return (one.area_um2, one.quality) == (other.area_um2, other.quality)
