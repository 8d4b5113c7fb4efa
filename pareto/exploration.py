"""Find the smallest design of each format of an exploration, and how well the format quantizes.

An exploration synthesizes many formats, each in several designs. A *parent* is a distribution of
values, or several, that the formats should represent well. A *supernormal* value takes the code of
negative zero; the *base* of such a format has a second zero in its place. A *quantum* is the
largest step that divides all values of a format.
"""

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

_DIGITS = 9  # decimals of a distance in dB


@dataclass(frozen=True, eq=False)
class Candidate:
    """A format of an exploration.

    Parameters
    ----------
    format : Format
        The explored format.
    base : Format or None
        The explored format that has zero in place of this format's supernormal value; None if it
        was not explored. A format with zero in this place is its own base.
    record : SynthesisRecord
        The smallest of the format's designs.
    distances : mapping of str to float
        For each parent's name, the signal-to-quantization-noise ratio (SQNR) that is lost against
        the best possible values, in dB.
    """

    format: Format
    base: Format | None
    record: SynthesisRecord
    distances: Mapping[str, float]

    @property
    def supernormal(self) -> Fraction | None:
        """The supernormal value; None for a base, and for a format without a base."""
        if self.base is None or self.base is self.format:
            return None
        return self.format.values[len(self.format.values) // 2]

    @property
    def refinement(self) -> Fraction:
        """The number of the format's quanta in one quantum of its base; 1 without a base."""
        return self.base.quantum / self.format.quantum if self.base else Fraction(1)

    @property
    def area_um2(self) -> float:
        """The area of the smallest design, in um^2."""
        return self.record.area_um2


@dataclass(frozen=True, eq=False)
class Findings:
    """The candidates of an exploration, and the parents by which they are judged.

    The frontier compares the area with the distance for the first parent. ``block`` is the number
    of values that share a scale.
    """

    parents: tuple[Parent, ...]
    candidates: tuple[Candidate, ...]
    block: int

    @cached_property
    def _points(self) -> dict[str, Point]:
        """Points by format: area, and the negative distance to the first parent's optimum."""
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
        """The candidates that are not dominated, by ascending area.

        Of candidates with equal area and distance, only the first is kept.
        """
        best: dict[tuple[float, float], Candidate] = {}
        for point in frontier(list(self._points.values())):
            best.setdefault((point.cost, point.quality), self._by_name[point.format])
        return tuple(best.values())

    @property
    def shown(self) -> tuple[Candidate, ...]:
        """The frontier and the candidates with a shipped format's values, by ascending area."""
        shipped = {fmt.values for fmt in bundled()}
        chosen = [
            each
            for each in self.candidates
            if each in self.frontier or each.format.values in shipped
        ]
        return tuple(sorted(chosen, key=lambda each: (each.area_um2, each.format.name)))

    def with_records(self, records: Mapping[str, SynthesisRecord]) -> "Findings":
        """The same findings with some records replaced, for example by records with proofs."""
        candidates = tuple(
            replace(each, record=records.get(each.format.name, each.record))
            for each in self.candidates
        )
        return replace(self, candidates=candidates)

    def dominator(self, candidate: Candidate) -> Candidate | None:
        """The smallest candidate that dominates ``candidate``; None if it is not dominated."""
        found = dominator(self._points[candidate.format.name], self._points.values())
        return self._by_name[found.format] if found else None


def find(
    formats: Sequence[Format],
    records: Sequence[SynthesisRecord],
    parents: Sequence[Parent],
    block: int = 128,
    on_progress: Progress = unheard,
) -> Findings:
    """Join the records of an exploration with the accuracy of their formats.

    Parameters
    ----------
    formats : sequence of Format
        The weight formats; those without a record are left out.
    records : sequence of record
        Records of any number of designs of each format, all in one technology.
    parents : sequence of Parent
        The distributions that the formats represent; at least one.
    block : int
        Number of values that share a scale.

    Raises
    ------
    UserError
        If the list of records is empty, if technologies or numbers of terms (products per sum)
        differ, if a record's operands have different formats, or if the block or a parent's nu (the
        degrees of freedom of Student's t) is out of range.
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
    """The smallest design of each format.

    Of equally small designs, it is the first by the names of architecture and recipe.
    """
    if not records:
        raise UserError("A report needs at least one design that was synthesized")
    kinds: tuple[tuple[str, set[str | int]], ...] = (
        ("technology", {record.technology for record in records}),
        ("number of terms", {record.terms for record in records}),
    )
    for what, found in kinds:
        if len(found) > 1:
            raise UserError(
                f"A report compares formats with the same {what}, but the records have "
                f"{len(found)} different ones: explore only one at a time"
            )
    if any(record.activation != record.format for record in records):
        raise UserError(
            "A report compares MACs whose operands share a format: write `activations: [same]`"
        )
    smallest: dict[str, SynthesisRecord] = {}
    for record in sorted(records, key=lambda each: (each.area_um2, each.architecture, each.recipe)):
        smallest.setdefault(record.format, record)
    return smallest


def _distances(formats: Sequence[Format], parent: Parent, block: int) -> list[float]:
    """The distance of each format, as the mean over the parent's distributions."""
    columns = [
        [distance_to_optimum_db(fmt, distribution, nu, block) for fmt in formats]
        for distribution, nu in parent.distributions
    ]
    # Two formats that mirror each other have distances that differ in the last digits. This
    # difference must not rank them.
    return [round(fmean(values), _DIGITS) for values in zip(*columns, strict=True)]


def _bases(formats: Sequence[Format]) -> dict[str, Format | None]:
    """The base of each format, by the format's name; None if the base is not in ``formats``."""

    def rest(fmt: Format) -> tuple[Fraction, ...]:
        """All values except the one that has the code of negative zero."""
        half = len(fmt.values) // 2
        return (*fmt.values[:half], *fmt.values[half + 1 :])

    plain = {rest(fmt): fmt for fmt in formats if fmt.values[len(fmt.values) // 2] == 0}
    return {fmt.name: plain.get(rest(fmt)) for fmt in formats}
