"""Searches for the smallest MAC, by the same rules for every format.

A recipe is a fixed sequence of synthesis steps. Of the recipes without a clock, the quick recipe
has the fewest steps. Some recipes end in an annealing, a random search that changes the netlist
gate by gate. A sketch is a short annealing of a MAC's addend. The addend is everything before the
accumulator's adder: the multiplier, and the gates that invert the multiplier's output if it must be
negated.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.candidates import likely, promising
from halfbyte.area.search.clock_search import search_for_clock
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.measure_jobs import MeasureJob
from halfbyte.area.search.proof_jobs import ProofJob
from halfbyte.area.search.records import MappedRecord, SynthesisRecord
from halfbyte.area.search.sketches import Sketch, SketchJob
from halfbyte.area.search.synthesis_jobs import Scored, SynthesisJob, netlist_path
from halfbyte.area.synthesis.recipes import (
    ANNEAL,
    CLOSE_RATIO,
    FINALISTS,
    HOPELESS_RATIO,
    LONG,
    MAX_ANNEALED_BITS,
    QUICK,
    RECIPES,
    SECOND_ARCHITECTURES,
    SKETCH,
    annealing,
    recipes_for,
)
from halfbyte.area.timing.delay import typical_slew
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import Progress, ToolError, build_dir
from halfbyte.rtl import MacSpec

__all__ = ["map_designs", "synthesize"]

_Job = TypeVar("_Job", SketchJob, SynthesisJob)

_log = logging.getLogger(__name__)


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
    """The records of the smallest netlist of each design, in the order of ``designs``.

    The module :mod:`halfbyte.area.search.candidates` says which architectures are promising, and
    which of these are likely to be the smallest. A sketch is made for every likely architecture.
    The architecture with the smallest sketch, and the second one if it is close, are annealed for
    longer. The smaller of the two is annealed for longer still. If the codes are too wide for
    annealing, every likely architecture gets the quick recipe. The best one, and the second if it
    is close, get longer recipes. With ``every`` or a clock, each promising architecture gets the
    quick recipe, too. Each result is stored at once, and stored results are not computed again.

    Parameters
    ----------
    designs : sequence of MacSpec
        The MACs to synthesize.
    technology : Technology
        The technology to whose cells the netlists are mapped.
    clock_ps : float, optional
        A clock period to meet. The record is then that of the smallest netlist that meets it. If no
        netlist meets it, the record is that of the fastest (its ``wns_ps`` is negative).
    saved_carries : bool
        Try carry-save accumulators at a clock that no other netlist meets. Their ``acc`` comes from
        a final addition and not from a register (:class:`halfbyte.rtl.Mac`).
    operands : Operands, optional
        The operands on which energies are measured; by default the first shipped set.
    every : bool
        Return the records of all netlists of each design, the best first, not only the best.
    effort : int
        Multiplies the length of the annealing.
    prove : bool
        Prove that every returned netlist is correct. Without this, ``proof`` is None.
    jobs : int, optional
        Number of jobs that run at the same time; by default one for each core.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    ProofError
        A netlist or its RTL is wrong; the message has the counterexample.
    ToolError
        Yosys or ABC failed with every recipe of a design; script and log are kept in
        ``build/failed``. If only some recipes fail, a warning names them.
    UserError
        ``clock_ps`` is given, but the technology has no timing tables.
    """
    if clock_ps is not None:
        typical_slew(technology)  # raises if there are no tables
    operands = operands or load_operands(shipped_operands()[0])
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)
    try:
        sketches = _attempt(runner, _sketches(designs, technology))
        firsts = [
            job
            for design in designs
            for job in _first_stage(design, sketches, technology, every or clock_ps is not None)
        ]
        scored = _attempt(runner, firsts)
        seconds = [job for design in designs for job in _second_stage(_of(design, scored))]
        seconds += [job for design in designs for job in _annealed(_of(design, sketches), effort)]
        scored += _attempt(runner, seconds)
        thirds = [job for design in designs for job in _longer(_of(design, scored), effort)]
        scored += _attempt(runner, thirds)
        groups = _by_design(designs, scored, runner.failures)
        if clock_ps is not None:
            groups = search_for_clock(designs, groups, clock_ps, runner, saved_carries)
        chosen = [entry for group in groups for entry in (group if every else group[:1])]
        measured = runner.run([MeasureJob(*entry, operands) for entry in chosen])
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
        job.record(whole, multiplier, proof, figures, operands)
        for (job, whole), multiplier, proof, figures in zip(
            chosen, multipliers, proofs if prove else [None] * len(chosen), measured, strict=True
        )
    ]


def _attempt(runner: JobRunner, jobs: Sequence[_Job]) -> list[tuple[_Job, Any]]:
    """The jobs with their results, in order; jobs that failed are left out."""
    results = runner.attempt(jobs)
    return [(job, results[job.key]) for job in jobs if job.key in results]


def _netlist(result: MappedRecord) -> Path:
    return netlist_path(result.netlist or "")


def _multipliers(jobs: Sequence[SynthesisJob], runner: JobRunner) -> list[MappedRecord]:
    """Synthesize the multiplier of each job alone, with the job's recipe.

    If this recipe fails, the quick recipe is used.
    """
    alone = [job.of_multiplier() for job in jobs]
    found = runner.attempt(alone)
    rest = [replace(job, recipe=QUICK, clock_ps=None) for job in alone if job.key not in found]
    others = iter(runner.run(rest))
    return [found[job.key] if job.key in found else next(others) for job in alone]


def _report(runner: JobRunner) -> None:
    """Log a warning that names the recipes that failed."""
    recipes = dict.fromkeys(job.label for job, _ in runner.failures.values())
    if recipes:
        _log.warning(
            "%d syntheses failed in Yosys or ABC and are left out (%s); their logs are in %s",
            len(runner.failures),
            ", ".join(recipes),
            build_dir() / "failed",
        )


def _by_design(
    designs: Sequence[MacSpec],
    scored: Sequence[Scored],
    failures: Mapping[str, tuple[Any, ToolError]],
) -> list[list[Scored]]:
    """The jobs of each design with their results, the smallest first.

    Raises ToolError if all jobs of a design failed.
    """
    groups = []
    for design in designs:
        group = _of(design, scored)
        if not group:
            candidates = design.candidates()
            failed = (each for each in failures.values() if each[0].design in candidates)
            raise next(error for _, error in failed)
        groups.append(group)
    return groups


def _of(design: MacSpec, scored: Sequence[tuple[_Job, Any]]) -> list[tuple[_Job, Any]]:
    """The jobs of a design with their results, the smallest first; ties have a fixed order."""
    candidates = design.candidates()
    return sorted(
        (entry for entry in scored if entry[0].design in candidates),
        key=lambda entry: (entry[1].area_um2, *entry[0].order),
    )


def _sketches(designs: Sequence[MacSpec], technology: Technology) -> list[SketchJob]:
    """Jobs that sketch every likely architecture of the designs whose codes are not too wide."""
    return [
        SketchJob(candidate, SKETCH, technology)
        for design in designs
        if design.code_bits <= MAX_ANNEALED_BITS
        for candidate in likely(design)
    ]


def _first_stage(
    design: MacSpec,
    sketches: Sequence[tuple[SketchJob, Sketch]],
    technology: Technology,
    thorough: bool,
) -> list[SynthesisJob]:
    """Jobs for the first complete MACs of a design.

    If the design has sketches, the architectures with the best ones are synthesized as complete
    MACs. These stay candidates, since a longer annealing may give a larger netlist. A design has no
    sketches if its codes are too wide or if ABC failed in all of them. Its architectures then get
    the quick recipe. In a thorough search, every sketched architecture is synthesized as a MAC, and
    every promising architecture gets the quick recipe.
    """
    group = _of(design, sketches)
    sketched = [job for job, _ in group] if thorough else _finalists(group)
    is_wide = design.code_bits > MAX_ANNEALED_BITS
    quick = likely(design) if is_wide and not thorough else promising(design)
    return [
        *(SynthesisJob(job.design, SKETCH, technology) for job in sketched),
        *(SynthesisJob(each, QUICK, technology) for each in quick if thorough or not sketched),
    ]


def _second_stage(group: Sequence[Scored]) -> list[SynthesisJob]:
    """Jobs with longer recipes for the architectures that were best with the quick recipe."""
    quick = [entry for entry in group if entry[0].recipe == QUICK]
    return [
        replace(job, recipe=recipe)
        for job, result in quick[:SECOND_ARCHITECTURES]
        if result.area_um2 <= HOPELESS_RATIO * quick[0][1].area_um2
        for recipe in recipes_for(result.cells)
    ]


def _finalists(sketches: Sequence[tuple[SketchJob, Sketch]]) -> list[SketchJob]:
    """The best of a design's sketches, and the second best if it is nearly as small."""
    return [
        job
        for job, sketch in sketches[:FINALISTS]
        if sketch.area_um2 <= CLOSE_RATIO * sketches[0][1].area_um2
    ]


def _annealed(sketches: Sequence[tuple[SketchJob, Sketch]], effort: int) -> list[SynthesisJob]:
    """Jobs that anneal the finalists for longer than their sketches."""
    return [
        SynthesisJob(job.design, annealing(ANNEAL, effort), job.technology)
        for job in _finalists(sketches)
    ]


def _longer(group: Sequence[Scored], effort: int) -> list[SynthesisJob]:
    """A job that anneals, for longer, the architecture whose annealed netlist is the smallest."""
    annealed = [job for job, _ in group if job.recipe == annealing(ANNEAL, effort)]
    return [replace(job, recipe=annealing(LONG, effort)) for job in annealed[:1]]


def map_designs(
    designs: Sequence[MacSpec],
    recipe: str,
    technology: Technology,
    *,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[Path]:
    """Synthesize designs with the recipe named ``recipe``; returns the netlists' Verilog files.

    The recipe must be one without a clock, and no design may have the architecture ``auto``. Raises
    ToolError if Yosys or ABC fails.
    """
    (chosen,) = (each for each in RECIPES if each.name == recipe)
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)
    try:
        results = runner.run([SynthesisJob(design, chosen, technology) for design in designs])
    finally:
        runner.end()
    return [_netlist(result) for result in results]
