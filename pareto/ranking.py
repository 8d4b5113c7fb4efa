"""Formats ranked side by side in several technologies, and where the order changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

__all__ = ["CRITERIA", "Change", "order_changes", "rank_by"]

# Fields of the records that formats are ranked by; less is better in all of them.
CRITERIA = {"area_um2": "area", "delay_ps": "delay", "energy_fj": "energy"}
# Closer figures than this are no ranking: another recipe can turn them round.
RESOLUTION = 0.01
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """Two formats of which one is better in some technologies, and worse in others.

    ``first_better`` and ``second_better`` name the technologies (or the technology with a clock).
    """

    criterion: str
    first: str
    second: str
    first_better: tuple[str, ...]
    second_better: tuple[str, ...]


def rank_by(records: Sequence[Record], field: str) -> dict[str, int | None]:
    """Rank of each format, the least first from 1; None where the figure is not known."""
    known = {each["format"]: each[field] for each in records if each[field] is not None}
    order = sorted(known.values())
    return {
        each["format"]: order.index(known[each["format"]]) + 1 if each["format"] in known else None
        for each in records
    }


def order_changes(columns: Mapping[str, Sequence[Record]], field: str) -> list[Change]:
    """The pairs of formats whose order differs between columns by more than 1 %.

    ``columns`` holds the records of each technology, by its name; all of the same formats.
    """
    formats = [each["format"] for each in next(iter(columns.values()))]
    figures = {
        column: {each["format"]: each[field] for each in records}
        for column, records in columns.items()
    }
    changes = []
    for first, second in combinations(formats, 2):
        better: dict[bool, list[str]] = {True: [], False: []}
        for column, of in figures.items():
            if of[first] is None or of[second] is None:
                continue
            if abs(of[first] - of[second]) > RESOLUTION * max(of[first], of[second]):
                better[of[first] < of[second]].append(column)
        if better[True] and better[False]:
            changes.append(
                Change(CRITERIA[field], first, second, tuple(better[True]), tuple(better[False]))
            )
    return changes
