"""What an exploration says: for each format its smallest design, beside how well it quantizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from statistics import fmean

from halfbyte.area import SynthesisRecord
from halfbyte.base import Progress, UserError, unheard
from halfbyte.formats import Format, bundled
from halfbyte.formats.codebooks import distance_to_optimum_db
from halfbyte.pareto.frontier import Point, dominator, frontier
from halfbyte.pareto.parents import Parent

__all__ = ["Candidate", "Findings", "find"]

_DIGITS = 9  # of a distance in dB


@dataclass(frozen=True, eq=False)
class Candidate:
    """A format of an exploration.

    Parameters
    ----------
    format : Format
        Its values.
    base : Format or None
        The format of the exploration that has zero where this one has its supernormal value; itself
        for such a base, None where there is none.
    record : SynthesisRecord
        The smallest of its designs.
    distances : mapping of str to float
        SQNR lost to the best levels there are, in dB, by parent's name.
    """

    format: Format
    base: Format | None
    record: SynthesisRecord
    distances: Mapping[str, float]

    @property
    def supernormal(self) -> Fraction | None:
        """The value that the base has not; None for a base, and without one."""
        if self.base is None or self.base is self.format:
            return None
        return self.format.values[len(self.format.values) // 2]

    @property
    def refinement(self) -> Fraction:
        """How many of the format's quanta make one of its base's."""
        return self.base.quantum / self.format.quantum if self.base else Fraction(1)

    @property
    def area_um2(self) -> float:
        """Of the smallest design."""
        return self.record.area_um2


@dataclass(frozen=True, eq=False)
class Findings:
    """An exploration with its accuracies; the first parent is the one that decides."""

    parents: tuple[Parent, ...]
    candidates: tuple[Candidate, ...]
    block: int

    @cached_property
    def _points(self) -> dict[str, Point]:
        """Area, and minus the distance to the optimum of the first parent, by format."""
        name = self.parents[0].name
        return {
            each.format.name: Point(each.format.name, each.area_um2, -each.distances[name])
            for each in self.candidates
        }

    @cached_property
    def _by_name(self) -> dict[str, Candidate]:
        return {each.format.name: each for each in self.candidates}

    @cached_property
    def frontier(self) -> tuple[Candidate, ...]:
        """The candidates that no other dominates, by ascending area; of equal ones the first."""
        best: dict[tuple[float, float], Candidate] = {}
        for point in frontier(list(self._points.values())):
            best.setdefault((point.cost, point.quality), self._by_name[point.format])
        return tuple(best.values())

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The frontier, and what has the values of a shipped format, by ascending area."""
        shipped = {fmt.values for fmt in bundled()}
        chosen = [
            each
            for each in self.candidates
            if each in self.frontier or each.format.values in shipped
        ]
        return tuple(sorted(chosen, key=lambda each: (each.area_um2, each.format.name)))

    def with_records(self, records: Mapping[str, SynthesisRecord]) -> "Findings":
        """The same with other records of some formats, for what else is known of their designs."""
        candidates = tuple(
            replace(each, record=records.get(each.format.name, each.record))
            for each in self.candidates
        )
        return replace(self, candidates=candidates)

    def dominator(self, candidate: Candidate) -> Candidate | None:
        """The smallest candidate that is no larger and no less accurate; None if none is."""
        found = dominator(self._points[candidate.format.name], self._points.values())
        return self._by_name[found.format] if found else None


def find(
    formats: Sequence[Format],
    records: Sequence[SynthesisRecord],
    parents: Sequence[Parent],
    block: int = 128,
    on_progress: Progress = unheard,
) -> Findings:
    """Join an exploration's records with the accuracy of their formats.

    Parameters
    ----------
    formats : sequence of Format
        The weight formats; those without a record are left out.
    records : sequence of record
        Of any number of designs of each format, all in one technology.
    parents : sequence of Parent
        What the formats represent; at least one.
    block : int
        Values that share a scale.

    Raises
    ------
    UserError
        No records, records of several technologies or activation formats, or a block or nu that is
        out of range.
    """
    smallest = _smallest(records)
    chosen = [fmt for fmt in formats if fmt.name in smallest]
    distances: dict[str, dict[str, float]] = {fmt.name: {} for fmt in chosen}
    for index, parent in enumerate(parents):
        on_progress(index, len(parents), parent.title)
        for fmt, distance in zip(chosen, _distances(chosen, parent, block), strict=True):
            distances[fmt.name][parent.name] = distance
    bases = _bases(chosen)
    candidates = tuple(
        Candidate(fmt, bases[fmt.name], smallest[fmt.name], distances[fmt.name]) for fmt in chosen
    )
    return Findings(tuple(parents), candidates, block)


def _smallest(records: Sequence[SynthesisRecord]) -> dict[str, SynthesisRecord]:
    """The smallest design of each format; of equal ones the first by architecture and recipe."""
    if not records:
        raise UserError("A report needs at least one design that was synthesized")
    kinds: tuple[tuple[str, set[str | int]], ...] = (
        ("technology", {record.technology for record in records}),
        ("number of terms", {record.terms for record in records}),
    )
    for what, found in kinds:
        if len(found) > 1:
            raise UserError(
                f"A report compares formats in one {what}: explore a space that has only one"
            )
    if any(record.activation != record.format for record in records):
        raise UserError("A report compares formats for both operands: `activations: [same]`")
    smallest: dict[str, SynthesisRecord] = {}
    for record in sorted(records, key=lambda each: (each.area_um2, each.architecture, each.recipe)):
        smallest.setdefault(record.format, record)
    return smallest


def _distances(formats: Sequence[Format], parent: Parent, block: int) -> list[float]:
    """Mean over the parent's distributions; a distribution at a time, which is kept meanwhile."""
    columns = [
        [distance_to_optimum_db(fmt, distribution, nu, block) for fmt in formats]
        for distribution, nu in parent.distributions
    ]
    # Mirrored formats differ in the last digits of their sums: that must make none the better one.
    return [round(fmean(values), _DIGITS) for values in zip(*columns, strict=True)]


def _bases(formats: Sequence[Format]) -> dict[str, Format | None]:
    """For each format the one that differs from it in nothing but a second zero."""

    def rest(fmt: Format) -> tuple[Fraction, ...]:
        half = len(fmt.values) // 2
        return (*fmt.values[:half], *fmt.values[half + 1 :])

    plain = {rest(fmt): fmt for fmt in formats if fmt.values[len(fmt.values) // 2] == 0}
    return {fmt.name: plain.get(rest(fmt)) for fmt in formats}
