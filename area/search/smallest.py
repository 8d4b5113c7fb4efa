"""The search for the smallest MAC: every architecture, the same recipes for all, records kept."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.candidates import promising
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.proof_jobs import ProofJob
from halfbyte.area.search.records import MappedRecord, SynthesisRecord
from halfbyte.area.search.synthesis_jobs import SynthesisJob, netlist_path
from halfbyte.area.synthesis import clocked
from halfbyte.area.synthesis.recipes import (
    HOPELESS_RATIO,
    MAX_ANNEALED_BITS,
    QUICK,
    RECIPES,
    SECOND_ARCHITECTURES,
    annealing,
    recipes_for,
)
from halfbyte.area.timing.delay import typical_slew
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import Progress, ToolError, UserError, build_dir
from halfbyte.formats import Overflow
from halfbyte.rtl import MacSpec

__all__ = ["map_designs", "synthesize"]

_log = logging.getLogger(__name__)
_Scored = tuple[SynthesisJob, MappedRecord]


def synthesize(
    designs: Sequence[MacSpec],
    technology: Technology,
    *,
    clock_ps: float | None = None,
    saved_carries: bool = True,
    operands: Operands | None = None,
    every: bool = False,
    effort: int = 1,
    prove: bool = True,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[SynthesisRecord]:
    """The records of the smallest netlist of each design, in order.

    Every promising architecture is tried with the quick recipe. The best two of each design are
    then tried with a longer one, and the better of these is annealed. The rule is the same for
    every format. Each result is stored at once, and stored results are not computed again.

    Parameters
    ----------
    designs : sequence of MacSpec
        What to synthesize.
    technology : Technology
        The cells to use.
    clock_ps : float, optional
        A clock period to meet. The record is then that of the smallest netlist that meets it. If no
        netlist meets it, the record is that of the fastest (its ``wns_ps`` is negative).
    saved_carries : bool
        Try carry-save accumulators at a clock that no other netlist meets. Their ``acc`` comes from
        a final addition and not from a register (:class:`halfbyte.rtl.Mac`).
    operands : Operands, optional
        What the energies are measured on; the shipped set of the default model if not given.
    every : bool
        Return the records of all that was tried, the best first, not only the best.
    effort : int
        Factor by which the annealing is longer than by default.
    prove : bool
        Prove every netlist that is returned; otherwise ``proof`` is None.
    jobs : int, optional
        Processes at a time; all cores by default.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    ProofError
        A netlist or its RTL was refuted; the message has the counterexample.
    ToolError
        Yosys or ABC failed with every recipe; script and log are kept in ``build/failed``. Where
        only some recipes fail, a warning says which.
    UserError
        There is a clock, and the technology has no timing tables.
    """
    if clock_ps is not None:
        typical_slew(technology)  # raises if there are no tables
    operands = operands or load_operands(shipped_operands()[0])
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)
    try:
        firsts = [
            SynthesisJob(candidate, QUICK, technology, operands=operands)
            for design in designs
            for candidate in promising(design)
        ]
        scored = _attempt(runner, firsts)
        seconds = [
            job
            for group in _by_design(designs, scored, runner.failures)
            for job in _second_stage(group)
        ]
        scored += _attempt(runner, seconds)
        thirds = [
            job
            for group in _by_design(designs, scored, runner.failures)
            for job in _third_stage(group, effort)
        ]
        scored += _attempt(runner, thirds)
        groups = _by_design(designs, scored, runner.failures)
        if clock_ps is not None:
            groups = _for_clock(designs, groups, clock_ps, runner, saved_carries)
        chosen = [entry for group in groups for entry in (group if every else group[:1])]
        multipliers = _multipliers([job for job, _ in chosen], runner)
        proofs = runner.run(
            [
                ProofJob(job, _netlist(whole), _netlist(multiplier))
                for (job, whole), multiplier in zip(chosen, multipliers, strict=True)
                if prove
            ]
        )
    finally:
        runner.end()
    _report(runner)
    return [
        job.record(whole, multiplier, proof)
        for (job, whole), multiplier, proof in zip(
            chosen, multipliers, proofs if prove else [None] * len(chosen), strict=True
        )
    ]


def _attempt(runner: JobRunner, jobs: Sequence[SynthesisJob]) -> list[_Scored]:
    """The jobs with their results, in order; jobs whose tool failed are left out."""
    results = runner.attempt(jobs)
    return [(job, results[job.key]) for job in jobs if job.key in results]


def _netlist(result: MappedRecord) -> Path:
    return netlist_path(result.netlist or "")


def _multipliers(jobs: Sequence[SynthesisJob], runner: JobRunner) -> list[MappedRecord]:
    """The multipliers alone, by the recipe of each MAC; by the quick one if that fails."""
    alone = [job.of_multiplier() for job in jobs]
    found = runner.attempt(alone)
    rest = [replace(job, recipe=QUICK, clock_ps=None) for job in alone if job.key not in found]
    others = iter(runner.run(rest))
    return [found[job.key] if job.key in found else next(others) for job in alone]


def _report(runner: JobRunner) -> None:
    """Warn of recipes that failed."""
    recipes = dict.fromkeys(job.label for job, _ in runner.failures.values())
    if recipes:
        _log.warning(
            "%d syntheses failed in Yosys or ABC and are left out (%s); their logs stand in %s",
            len(runner.failures),
            ", ".join(recipes),
            build_dir() / "failed",
        )


def _label(job: SynthesisJob) -> tuple[str, int, str]:
    return job.design.architecture, job.design.segment or 0, job.recipe.name


def _by_design(
    designs: Sequence[MacSpec],
    scored: Sequence[_Scored],
    failures: Mapping[str, tuple[Any, ToolError]],
) -> list[list[_Scored]]:
    """What was tried for each design, the smallest first; ties have a fixed order.

    Raises ToolError for a design with which everything failed.
    """

    def rank(entry: _Scored) -> tuple[float, str, int, str]:
        return entry[1].area_um2, *_label(entry[0])

    groups = []
    for design in designs:
        candidates = design.candidates()
        group = sorted((entry for entry in scored if entry[0].design in candidates), key=rank)
        if not group:
            failed = (each for each in failures.values() if each[0].design in candidates)
            raise next(error for _, error in failed)
        groups.append(group)
    return groups


def _for_clock(
    designs: Sequence[MacSpec],
    groups: Sequence[list[_Scored]],
    clock_ps: float,
    runner: JobRunner,
    saved_carries: bool,
) -> list[list[_Scored]]:
    """What was tried for each design at a clock, the best first: see :mod:`.clocked`.

    ``groups`` are the results without a clock. If the smallest of them meets the clock, nothing
    else is tried. Carry-save accumulators, whose sum comes later, are tried only where nothing else
    meets the clock.
    """

    def best_first(entries: Iterable[_Scored]) -> list[_Scored]:
        return sorted(
            entries,
            key=lambda entry: (
                *clocked.rank(entry[1].area_um2, _delay(entry[1]), clock_ps),
                *_label(entry[0]),
            ),
        )

    groups = [
        [(replace(job, clock_ps=clock_ps), result) for job, result in group] for group in groups
    ]
    open_ = [place for place, group in enumerate(groups) if _delay(group[0][1]) > clock_ps]
    searched = list(open_)
    kinds = [(_every_structure, False), (_saved_carries, True)]
    for first, saved in kinds if saved_carries else kinds[:1]:
        for stage in (first, partial(_every_recipe, saved), partial(_other_targets, saved)):
            jobs = {place: stage(designs[place], best_first(groups[place])) for place in open_}
            found = runner.attempt([job for each in jobs.values() for job in each])
            for place, each in jobs.items():
                groups[place] += [(job, found[job.key]) for job in each if job.key in found]
        open_ = [place for place in open_ if _delay(best_first(groups[place])[0][1]) > clock_ps]
    return [best_first(group) if place in searched else group for place, group in enumerate(groups)]


def _delay(result: MappedRecord) -> float:
    """The delay of a netlist in ps; raises UserError if it is not known."""
    measured = result.measured
    if measured is None or measured.delay_ps is None:
        raise UserError(f"a clock needs delays: {measured and measured.not_measured}")
    return measured.delay_ps


def _every_structure(design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    pattern = group[0][0]
    return [
        replace(pattern, design=candidate, recipe=recipe)
        for candidate in promising(design)
        for recipe in clocked.FIRST
    ]


def _saved_carries(design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    if design.overflow is not Overflow.WRAP:
        return []
    timed = next((job for job, _ in group if job.recipe.clocked), None)
    if timed is None:  # every recipe has failed
        return []
    return [
        replace(timed, design=replace(timed.design, segment=segment), recipe=recipe)
        for segment in clocked.SEGMENTS
        if segment < design.width
        for recipe in clocked.SAVED
    ]


def _timed(group: Sequence[_Scored], saved: bool) -> list[SynthesisJob]:
    """What was mapped for the clock, the best first; with saved carries if ``saved`` is set."""
    return [
        job for job, _ in group if job.recipe.clocked and (job.design.segment is not None) == saved
    ]


def _every_recipe(saved: bool, design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    timed = _timed(group, saved)
    return [
        replace(job, design=structure, recipe=recipe)
        for job in timed[:1]
        for structure in list(dict.fromkeys(job.design for job in timed))[: clocked.STRUCTURES]
        for recipe in clocked.SECOND
        if recipe not in clocked.FIRST
    ]


def _other_targets(saved: bool, design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    return [
        replace(job, recipe=recipe)
        for job in _timed(group, saved)[: clocked.FINALISTS]
        for recipe in clocked.retargeted(job.recipe)
    ]


def _second_stage(group: Sequence[_Scored]) -> list[SynthesisJob]:
    return [
        replace(job, recipe=recipe)
        for job, result in group[:SECOND_ARCHITECTURES]
        if result.area_um2 <= HOPELESS_RATIO * group[0][1].area_um2
        for recipe in recipes_for(result.cells)
    ]


def _third_stage(group: Sequence[_Scored], effort: int) -> list[SynthesisJob]:
    best = group[0][0]
    if best.design.code_bits > MAX_ANNEALED_BITS:
        return []
    return [replace(best, recipe=annealing(effort))]


def map_designs(
    designs: Sequence[MacSpec],
    recipe: str,
    technology: Technology,
    *,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[Path]:
    """The netlists (Verilog) of designs with a named architecture, all by one recipe."""
    (chosen,) = (each for each in RECIPES if each.name == recipe)
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)
    try:
        results = runner.run([SynthesisJob(design, chosen, technology) for design in designs])
    finally:
        runner.end()
    return [_netlist(result) for result in results]
