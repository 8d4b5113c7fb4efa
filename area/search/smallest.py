"""The search for the smallest MAC: every architecture, the same recipes for all, records kept."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.jobs import JobRunner, Progress
from halfbyte.area.search.synthesis_jobs import ProofJob, SynthesisJob, netlist_path
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
from halfbyte.formats import Overflow
from halfbyte.rtl import MacSpec

__all__ = ["map_designs", "synthesize"]

_Scored = tuple[SynthesisJob, dict[str, Any]]


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
) -> list[dict[str, Any]]:
    """Records (``design.md``, "Result record") of the smallest netlist of each design, in order.

    Every architecture that fits is tried with the quick recipe, then the best two of each design
    with a longer one, then the best is annealed: the same rule for every format. Results are stored
    as they come, and what is in the store is not computed again.

    Parameters
    ----------
    designs : sequence of MacSpec
        What to synthesize.
    technology : Technology
        The cells to use.
    clock_ps : float, optional
        A clock period to meet. The record is then that of the smallest netlist that meets it, or,
        if none does, of the fastest (its ``wns_ps`` is negative).
    saved_carries : bool
        At a clock that nothing else meets, try accumulators whose carries are saved. Their ``acc``
        comes from a final addition and not from a register (:class:`halfbyte.rtl.Mac`).
    operands : Operands, optional
        What the energies are measured on; the shipped set of the default model if not given.
    every : bool
        Return the records of all that was tried, the best first, not only the best.
    effort : int
        By how much the annealing is longer than by default.
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
        Yosys or ABC failed; script and log stand in ``build/failed``.
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
            for candidate in design.candidates()
        ]
        scored = list(zip(firsts, runner.run(firsts), strict=True))
        seconds = [job for group in _by_design(designs, scored) for job in _second_stage(group)]
        scored += zip(seconds, runner.run(seconds), strict=True)
        thirds = [
            job for group in _by_design(designs, scored) for job in _third_stage(group, effort)
        ]
        scored += zip(thirds, runner.run(thirds), strict=True)
        groups = _by_design(designs, scored)
        if clock_ps is not None:
            groups = _for_clock(designs, groups, clock_ps, runner, saved_carries)
        chosen = [entry for group in groups for entry in (group if every else group[:1])]
        multipliers = runner.run([job.of_multiplier() for job, _ in chosen])
        proofs = runner.run(
            [
                ProofJob(job, netlist_path(whole["netlist"]), netlist_path(multiplier["netlist"]))
                for (job, whole), multiplier in zip(chosen, multipliers, strict=True)
                if prove
            ]
        )
    finally:
        runner.end()
    return [
        job.record(whole, multiplier, proof)
        for (job, whole), multiplier, proof in zip(
            chosen, multipliers, proofs if prove else [None] * len(chosen), strict=True
        )
    ]


def _label(job: SynthesisJob) -> tuple[str, int, str]:
    return job.design.architecture, job.design.segment or 0, job.recipe.name


def _by_design(designs: Sequence[MacSpec], scored: Sequence[_Scored]) -> list[list[_Scored]]:
    """What was tried for each design, the smallest first; equals in a fixed order."""

    def rank(entry: _Scored) -> tuple[float, str, int, str]:
        return entry[1]["area_um2"], *_label(entry[0])

    groups = []
    for design in designs:
        candidates = design.candidates()
        groups.append(
            sorted((entry for entry in scored if entry[0].design in candidates), key=rank)
        )
    return groups


def _for_clock(
    designs: Sequence[MacSpec],
    groups: Sequence[list[_Scored]],
    clock_ps: float,
    runner: JobRunner,
    saved_carries: bool,
) -> list[list[_Scored]]:
    """What was tried for each design at a clock, the best first: see :mod:`.clocked`.

    ``groups`` are the results without a clock; where the smallest meets it, nothing else is tried.
    Saved carries, whose sum comes later, are tried where nothing else meets the clock.
    """

    def best_first(entries: Iterable[_Scored]) -> list[_Scored]:
        return sorted(
            entries,
            key=lambda entry: (*clocked.rank(entry[1], clock_ps), *_label(entry[0])),
        )

    groups = [
        [(replace(job, clock_ps=clock_ps), result) for job, result in group] for group in groups
    ]
    open_ = [
        place for place, group in enumerate(groups) if not clocked.meets(group[0][1], clock_ps)
    ]
    searched = list(open_)
    kinds = [(_every_structure, False), (_saved_carries, True)]
    for first, saved in kinds if saved_carries else kinds[:1]:
        for stage in (first, partial(_every_recipe, saved), partial(_other_targets, saved)):
            jobs = {place: stage(designs[place], best_first(groups[place])) for place in open_}
            results = iter(runner.run([job for each in jobs.values() for job in each]))
            for place, each in jobs.items():
                groups[place] += [(job, next(results)) for job in each]
        open_ = [
            place for place in open_ if not clocked.meets(best_first(groups[place])[0][1], clock_ps)
        ]
    return [best_first(group) if place in searched else group for place, group in enumerate(groups)]


def _every_structure(design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    pattern = group[0][0]
    return [
        replace(pattern, design=candidate, recipe=recipe)
        for candidate in design.candidates()
        for recipe in clocked.FIRST
    ]


def _saved_carries(design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    if design.overflow is not Overflow.WRAP:
        return []
    timed = next(job for job, _ in group if job.recipe.clocked)
    return [
        replace(timed, design=replace(timed.design, segment=segment), recipe=recipe)
        for segment in clocked.SEGMENTS
        if segment < design.width
        for recipe in clocked.SAVED
    ]


def _timed(group: Sequence[_Scored], saved: bool) -> list[SynthesisJob]:
    """What was mapped for the clock, with saved carries or without, the best first."""
    return [
        job for job, _ in group if job.recipe.clocked and (job.design.segment is not None) == saved
    ]


def _every_recipe(saved: bool, design: MacSpec, group: Sequence[_Scored]) -> list[SynthesisJob]:
    timed = _timed(group, saved)
    return [
        replace(timed[0], design=structure, recipe=recipe)
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
        if result["area_um2"] <= HOPELESS_RATIO * group[0][1]["area_um2"]
        for recipe in recipes_for(result["cells"])
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
    return [netlist_path(result["netlist"]) for result in results]
