"""Formats ranked side by side in several technologies, and where the order changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from halfbyte.area import SynthesisRecord

__all__ = ["CRITERIA", "Change", "figure_of", "order_changes", "rank_by"]

# Fields of the records that formats are ranked by; less is better in all of them.
CRITERIA = {"area_um2": "area", "delay_ps": "delay", "glitch_energy_fj": "energy"}
# Figures that are closer than this do not rank: another recipe can turn them round.
RESOLUTION = 0.01


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


def figure_of(record: SynthesisRecord, field: str) -> float | None:
    """A figure of a record by the name of its field."""
    figure: float | None = getattr(record, field)
    return figure


def rank_by(records: Sequence[SynthesisRecord], field: str) -> dict[str, int | None]:
    """Rank of each format, the least first from 1; None where the figure is not known."""
    known = {
        each.format: figure for each in records if (figure := figure_of(each, field)) is not None
    }
    order = sorted(known.values())
    return {
        each.format: order.index(known[each.format]) + 1 if each.format in known else None
        for each in records
    }


def order_changes(columns: Mapping[str, Sequence[SynthesisRecord]], field: str) -> list[Change]:
    """The pairs of formats whose order differs between columns by more than 1 %.

    ``columns`` holds the records of each technology, by its name; all of the same formats.
    """
    formats = [each.format for each in next(iter(columns.values()))]
    figures = {
        column: {each.format: figure_of(each, field) for each in records}
        for column, records in columns.items()
    }
    changes = []
    for first, second in combinations(formats, 2):
        better: dict[bool, list[str]] = {True: [], False: []}
        for column, of in figures.items():
            one, other = of[first], of[second]
            if one is None or other is None:
                continue
            if abs(one - other) > RESOLUTION * max(one, other):
                better[one < other].append(column)
        if better[True] and better[False]:
            changes.append(
                Change(CRITERIA[field], first, second, tuple(better[True]), tuple(better[False]))
            )
    return changes
