"""Defines the record of a run of ``make gpu-record``: how each part ended, and its results.

A part is one check or one benchmark of the kernels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from halfbyte.base import JsonObject, Record

__all__ = ["PartEntry", "RunRecord"]


@dataclass(frozen=True, kw_only=True)
class PartEntry(Record):
    """One part of a run."""

    title: str
    """Title of the part."""
    status: str
    """``running``, ``complete``, ``cut short`` or ``failed``."""
    seconds: float | None
    """Time that the part took, in s; null while it runs."""
    error: str | None
    """The last lines of the error output of a part that failed; else null."""
    results: tuple[JsonObject, ...] = ()
    """Results in the order in which they came: comparisons, timings or the machine."""


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    """The record of one run: its parts, and when it began."""

    date: str
    """When the run began, in UTC."""
    parts: Mapping[str, PartEntry] = field(default_factory=dict)
    """Parts of the run by name, in the order in which they ran."""

    def with_part(self, name: str, part: PartEntry) -> "RunRecord":
        """A copy with ``part``, which replaces the part of that name or comes last."""
        return RunRecord(date=self.date, parts={**self.parts, name: part})

    @property
    def is_good(self) -> bool:
        """Whether every part is complete, and no number differs from the golden model's."""
        return all(
            part.status == "complete" and not any(each.get("different") for each in part.results)
            for part in self.parts.values()
        )
