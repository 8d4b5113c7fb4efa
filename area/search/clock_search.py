"""The search for MACs that meet a clock. It begins with netlists that were made without a clock.

:mod:`halfbyte.area.synthesis.clocked` says which netlists are tried, in which order, and which is
the best. A recipe is a fixed sequence of synthesis steps; some recipes work towards a clock. A
carry-save accumulator keeps carries in registers, one carry for every ``segment`` bits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from halfbyte.area.search.candidates import promising
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.measure_jobs import MeasureJob
from halfbyte.area.search.synthesis_jobs import Scored, SynthesisJob
from halfbyte.area.synthesis import clocked
from halfbyte.base import UserError
from halfbyte.formats import Overflow
from halfbyte.rtl import MacSpec

__all__ = ["search_for_clock"]


class _Delays:
    """Delays of netlists in ps; each netlist is measured only once."""

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner
        self._known: dict[str | None, float] = {}

    def measure(self, entries: Sequence[Scored]) -> None:
        """Measure the delays that are not known yet.

        Raises UserError if the delay of a netlist cannot be measured.
        """
        wanted = [entry for entry in entries if entry[1].netlist not in self._known]
        found = self._runner.run([MeasureJob(*entry) for entry in wanted])
        for (_, mapped), measured in zip(wanted, found, strict=True):
            if measured.delay_ps is None:
                raise UserError(
                    f"A clock needs a library with timing tables: {measured.not_measured}"
                )
            self._known[mapped.netlist] = measured.delay_ps

    def of(self, entry: Scored) -> float:
        """The delay of a netlist that :meth:`measure` has measured."""
        return self._known[entry[1].netlist]


def search_for_clock(
    designs: Sequence[MacSpec],
    groups: Sequence[Sequence[Scored]],
    clock_ps: float,
    runner: JobRunner,
    saved_carries: bool,
) -> list[list[Scored]]:
    """The netlists that were tried for each design at a clock, the best first.

    ``groups`` has each design's results without a clock, the smallest first. If the smallest meets
    the clock, nothing else is tried for this design. With ``saved_carries``, carry-save
    accumulators are tried for a design if nothing else meets the clock. Raises UserError if the
    library has no timing tables.
    """
    delays = _Delays(runner)

    def best_first(entries: Iterable[Scored]) -> list[Scored]:
        return sorted(
            entries,
            key=lambda entry: (
                *clocked.rank(entry[1].area_um2, delays.of(entry), clock_ps),
                *entry[0].order,
            ),
        )

    found = [
        [(replace(job, clock_ps=clock_ps), mapped) for job, mapped in group] for group in groups
    ]
    delays.measure([group[0] for group in found])
    # Indices of the designs whose smallest netlist misses the clock. The search goes on only for
    # these.
    searched = [place for place, group in enumerate(found) if delays.of(group[0]) > clock_ps]
    delays.measure([entry for place in searched for entry in found[place]])
    open_ = searched  # the indices of designs that do not meet the clock yet
    kinds = [(_every_structure, False), (_saved_carries, True)]
    for first, saved in kinds if saved_carries else kinds[:1]:
        for stage in (first, partial(_every_recipe, saved), partial(_other_targets, saved)):
            jobs = {place: stage(designs[place], best_first(found[place])) for place in open_}
            results = runner.attempt([job for each in jobs.values() for job in each])
            for place, each in jobs.items():
                found[place] += [(job, results[job.key]) for job in each if job.key in results]
            delays.measure([entry for place in open_ for entry in found[place]])
        open_ = [place for place in open_ if delays.of(best_first(found[place])[0]) > clock_ps]
    return [best_first(group) if place in searched else group for place, group in enumerate(found)]


def _every_structure(design: MacSpec, group: Sequence[Scored]) -> list[SynthesisJob]:
    """Jobs for every promising architecture with each of the recipes that are tried first."""
    pattern = group[0][0]
    return [
        replace(pattern, design=candidate, recipe=recipe)
        for candidate in promising(design)
        for recipe in clocked.FIRST
    ]


def _saved_carries(design: MacSpec, group: Sequence[Scored]) -> list[SynthesisJob]:
    """Jobs for the best architecture with carry-save accumulators, which can only wrap."""
    if design.overflow is not Overflow.WRAP:
        return []
    timed = next((job for job, _ in group if job.recipe.clocked), None)
    if timed is None:  # every recipe for a clock has failed
        return []
    return [
        replace(timed, design=replace(timed.design, segment=segment), recipe=recipe)
        for segment in clocked.SEGMENTS
        if segment < design.width
        for recipe in clocked.SAVED
    ]


def _timed(group: Sequence[Scored], saved: bool) -> list[SynthesisJob]:
    """The jobs whose recipe is for a clock, the best first.

    If ``saved``, only the jobs with carry-save accumulators are returned, otherwise only the
    others.
    """
    return [
        job for job, _ in group if job.recipe.clocked and (job.design.segment is not None) == saved
    ]


def _every_recipe(saved: bool, design: MacSpec, group: Sequence[Scored]) -> list[SynthesisJob]:
    """Jobs for the best architecture and accumulator with the recipes of the second round."""
    timed = _timed(group, saved)
    return [
        replace(job, design=structure, recipe=recipe)
        for job in timed[:1]
        for structure in list(dict.fromkeys(job.design for job in timed))[: clocked.STRUCTURES]
        for recipe in clocked.SECOND
        if recipe not in clocked.FIRST
    ]


def _other_targets(saved: bool, design: MacSpec, group: Sequence[Scored]) -> list[SynthesisJob]:
    """The jobs of the best results again, with other delay targets for ABC."""
    return [
        replace(job, recipe=recipe)
        for job in _timed(group, saved)[: clocked.FINALISTS]
        for recipe in clocked.retargeted(job.recipe)
    ]
