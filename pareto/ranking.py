"""Rank formats in several technologies or units, and find the pairs that change their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from halfbyte.pareto.hardware import HardwareRecord

__all__ = ["CRITERIA", "Change", "figure_of", "order_changes", "rank_by"]

# Fields of records by which formats are ranked, and names for them; less is better in all fields.
CRITERIA = {"area_um2": "area", "delay_ps": "delay", "glitch_energy_fj": "energy"}
# If the numbers of two formats differ by at most this share of the larger one, their order is not
# compared: another sequence of synthesis commands can reverse it.
RESOLUTION = 0.01


@dataclass(frozen=True)
class Change:
    """Two formats, each better than the other in some columns of a comparison.

    ``first_better`` and ``second_better`` name the columns: technologies, perhaps with a clock, or
    units.
    """

    criterion: str
    first: str
    second: str
    first_better: tuple[str, ...]
    second_better: tuple[str, ...]


def figure_of(record: HardwareRecord, field: str) -> float | None:
    """The number in a field of a record; None if it is not known."""
    figure: float | None = getattr(record, field)
    return figure


def rank_by(records: Sequence[HardwareRecord], field: str) -> dict[str, int | None]:
    """The rank of each format by the number in ``field``: 1 for the least, None if not known."""
    known = {
        each.format: figure for each in records if (figure := figure_of(each, field)) is not None
    }
    order = sorted(known.values())
    return {
        each.format: order.index(known[each.format]) + 1 if each.format in known else None
        for each in records
    }


def order_changes(columns: Mapping[str, Sequence[HardwareRecord]], field: str) -> list[Change]:
    """The pairs of formats whose order differs between columns.

    A column has the records of one technology, or of one unit; ``columns`` gives them by its name.
    All columns have the same formats. For a pair, only those columns are compared in which both
    numbers are known and differ by more than 1 %.
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
