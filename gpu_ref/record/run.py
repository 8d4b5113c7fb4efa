"""The record of a run: its parts, how each ended, and what it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from halfbyte.base import JsonObject, Record

__all__ = ["PartEntry", "RunRecord"]


@dataclass(frozen=True, kw_only=True)
class PartEntry(Record):
    """One part of a run."""

    title: str
    """What it measures, for people."""
    status: str
    """``running``, ``complete``, ``cut short`` or ``failed``."""
    seconds: float | None
    """How long it took, in seconds; null while it runs."""
    error: str | None
    """The last lines of a part that failed."""
    results: tuple[JsonObject, ...] = ()
    """What it gave, in its order: records of comparisons, of timings or of the machine."""


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    """What ``make gpu-record`` keeps."""

    date: str
    """When the run began, in UTC."""
    parts: Mapping[str, PartEntry] = field(default_factory=dict)
    """Its parts by name, in the order in which they ran."""

    def with_part(self, name: str, part: PartEntry) -> "RunRecord":
        """The same with this part, in its place or as the last."""
        return RunRecord(date=self.date, parts={**self.parts, name: part})

    @property
    def is_good(self) -> bool:
        """Whether every part is complete, and no number differs from the golden model's."""
        return all(
            part.status == "complete" and not any(each.get("different") for each in part.results)
            for part in self.parts.values()
        )
