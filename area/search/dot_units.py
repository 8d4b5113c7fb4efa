"""The search for the smallest dot-product unit: first the best lane, then the best recipe.

A lane is the part of a unit that multiplies one pair of codes. A recipe is a fixed sequence of
synthesis steps. The same recipes are tried for every format. The final adder adds the last two
numbers of the adder tree. If the best netlist misses a clock, other kinds of final adders are tried
too. In a unit with block scales, an FP32 stage adds each block's scaled sum to an FP32 number.
"""

import os
from collections.abc import Sequence
from dataclasses import replace

from halfbyte.area.cells.technology import Technology
from halfbyte.area.proofs.dot_unit import blocks_of_a_cycle
from halfbyte.area.proofs.results import PROVED, StageProof
from halfbyte.area.search.dot_jobs import DotJob, StageJob
from halfbyte.area.search.dot_records import DotRecord, MappedDot
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.lanes import search_lanes
from halfbyte.area.synthesis.clocked import rank
from halfbyte.area.synthesis.dot import DOT_RECIPES, adder_style
from halfbyte.area.synthesis.dot_clocked import NEAR, DotWay, first_ways, other_ways
from halfbyte.area.timing.delay import typical_slew
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import Progress, UserError
from halfbyte.rtl.dot import DotSpec
from halfbyte.rtl.dot.unit import has_small_stage
from halfbyte.rtl.spec import AUTO

__all__ = ["synthesize_dots"]

# A job with its result.
_Scored = tuple[DotJob, MappedDot]


def _with_stages(
    records: Sequence[DotRecord], specs: Sequence[DotSpec], runner: JobRunner
) -> list[DotRecord]:
    """The records, with a proof of the FP32 stage added where a unit has the small kind of stage.

    :func:`halfbyte.rtl.dot.unit.small_stage` makes this kind.
    """
    small = {spec: StageJob(spec) for spec in specs if spec.is_fp32 and has_small_stage(spec)}
    once = {job.key: job for job in small.values()}  # equal stages need only one proof
    stages = dict(zip(once, runner.run(list(once.values())), strict=True))
    return [
        _with_stage(record, spec, stages[small[spec].key]) if spec in small else record
        for record, spec in zip(records, specs, strict=True)
    ]


def _with_stage(record: DotRecord, spec: DotSpec, stage: StageProof) -> DotRecord:
    """The record with ``stage``, the proof of the unit's FP32 stage, added to its own proof."""
    assert record.proof is not None  # noqa: S101
    proof = replace(
        record.proof,
        status=record.proof.status if stage.status == PROVED else stage.status,
        fp32_stage=stage.status,
        method=f"{record.proof.method}; FP32 stage: {stage.method}",
        simulated=f"scales, {blocks_of_a_cycle(spec)}",
    )
    return replace(record, proof=proof)


def _ranked(
    groups: Sequence[Sequence[DotJob]], runner: JobRunner, clock_ps: float | None
) -> list[list[_Scored]]:
    """The jobs of each unit with their results, the best first.

    If the best result of a unit misses the clock, other final adders and recipes are tried too.
    """
    found = _scored(groups, runner, clock_ps)
    if clock_ps is None:
        return found
    firsts = [
        []
        if _delay(group[0][1]) <= clock_ps
        else [_by(group[0][0], way) for way in first_ways(group[0][0].spec, group[0][0].technology)]
        for group in found
    ]
    found = _merged(found, _scored(firsts, runner, clock_ps), clock_ps)
    seconds = [[_by(group[0][0], way) for way in _other_ways(group, clock_ps)] for group in found]
    return _merged(found, _scored(seconds, runner, clock_ps), clock_ps)


def _scored(
    groups: Sequence[Sequence[DotJob]], runner: JobRunner, clock_ps: float | None
) -> list[list[_Scored]]:
    """Run the jobs of each unit; returns them with their results, the best first."""
    results = iter(runner.run([job for group in groups for job in group]))
    scored = [[(job, next(results)) for job in group] for group in groups]
    return [_best_first(group, clock_ps) for group in scored]


def _merged(
    one: Sequence[list[_Scored]], other: Sequence[list[_Scored]], clock_ps: float
) -> list[list[_Scored]]:
    """Two lists of results for each unit, joined and sorted again."""
    pairs = zip(one, other, strict=True)
    return [_best_first([*first, *second], clock_ps) for first, second in pairs]


def _best_first(group: Sequence[_Scored], clock_ps: float | None) -> list[_Scored]:
    """The results sorted by area alone, or by area and delay if there is a clock."""

    def key(each: _Scored) -> tuple[object, ...]:
        job, result = each
        name = (job.recipe.name, job.spec.final_adder.value)
        if clock_ps is None:
            return result.area_um2, *name
        return *rank(result.area_um2, _delay(result), clock_ps), *name

    return sorted(group, key=key)


def _other_ways(group: Sequence[_Scored], clock_ps: float) -> list[DotWay]:
    """The final adders and recipes to try next: those of good results, with other delay targets.

    Good results are the best ones, and the smallest of those that almost meet the clock.
    """
    timed = [each for each in group if each[0].recipe.clocked]
    smaller = [
        each
        for each in sorted(timed, key=lambda each: each[1].area_um2)
        if clock_ps < _delay(each[1]) <= NEAR * clock_ps
    ]
    best, near = ([_way(job) for job, _ in each] for each in (timed, smaller))
    return other_ways(best, near)


def _way(job: DotJob) -> DotWay:
    """The final adder and the recipe of a job."""
    return DotWay(job.spec.final_adder, job.recipe)


def _by(job: DotJob, way: DotWay) -> DotJob:
    """The job with another final adder and recipe."""
    return replace(job, spec=replace(job.spec, final_adder=way.final), recipe=way.recipe)


def _delay(result: MappedDot) -> float:
    """The delay in ps; raises UserError if it is not known."""
    if result.measured.delay_ps is None:
        raise UserError(
            f"A clock needs a library with timing tables: {result.measured.not_measured}"
        )
    return result.measured.delay_ps


def synthesize_dots(
    specs: Sequence[DotSpec],
    technology: Technology,
    *,
    clock_ps: float | None = None,
    operands: Operands | None = None,
    held: Sequence[int | None] | None = None,
    every: bool = False,
    effort: float = 1.0,
    prove: bool = True,
    stages: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[DotRecord]:
    """Records of the smallest netlist of each unit, in the order of ``specs``.

    The search for the best lane comes first, once for each pair of formats. It tries every
    architecture (:mod:`halfbyte.area.search.lanes`), unless the unit has one already. Then every
    recipe is tried on the unit. Each result is stored at once, and stored results are not computed
    again.

    Parameters
    ----------
    specs : sequence of DotSpec
        The units. If the technology's full-adder cell has inverted outputs, the adder tree is built
        for such outputs.
    technology : Technology
        The technology to whose cells the netlists are mapped.
    clock_ps : float, optional
        A clock period in ps to meet (:mod:`halfbyte.area.synthesis.dot_clocked`). The record is
        then that of the smallest netlist that meets it. If no netlist meets it, the record is that
        of the fastest (its ``wns_ps`` is negative).
    operands : Operands, optional
        The operands on which energies are measured; by default the first shipped set.
    held : sequence of int or None, optional
        For each chained unit (of a weight-stationary array): the number of cycles for which its
        weights stay while its energy is measured. None for other units.
    every : bool
        Return the records of all netlists that were tried, the best first, not only the best.
    effort : float
        Multiplies the length of the annealing, a random search for a smaller lane.
    prove : bool
        Prove that every returned netlist is correct. Without this, ``proof`` is None.
    stages : bool
        Also prove that FP32 stages of the small kind are correct
        (:func:`halfbyte.rtl.dot.unit.small_stage`), which takes minutes. Such a proof covers only
        the RTL. Units with equal stages share one proof. Without ``prove``, this has no effect.
    jobs : int, optional
        Number of jobs that run at the same time; by default one for each core.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    ProofError
        A lane, an adder tree, an FP32 stage or a netlist is wrong; the message says how.
    ToolError
        Yosys or ABC failed; script and log are kept in ``build/failed``.
    UserError
        ``clock_ps`` is given, but the technology has no timing tables.
    """
    if clock_ps is not None:
        typical_slew(technology)  # raises if there are no tables
    operands = operands or load_operands(shipped_operands()[0])
    processes = jobs or os.cpu_count() or 1
    lanes = JobRunner("lanes", processes, on_progress)
    units = JobRunner("dot", processes, on_progress)
    try:
        groups = []
        for spec in specs:
            lane = search_lanes(
                spec.weight,
                spec.activation,
                technology,
                lanes,
                architectures=None if spec.architecture == AUTO else [spec.architecture],
                effort=effort,
            )
            chosen = replace(spec, architecture=lane.architecture, adders=adder_style(technology))
            groups.append(
                [
                    DotJob(chosen, lane, recipe, technology, clock_ps=clock_ps)
                    for recipe in DOT_RECIPES
                ]
            )
        ranked = _ranked(groups, units, clock_ps)
        best = [
            (replace(job, operands=operands, proves=prove, held=stays), result)
            for group, stays in zip(ranked, held or [None] * len(specs), strict=True)
            for job, result in (group if every else group[:1])
        ]
        finals = [job for job, _ in best]
        best = list(zip(finals, units.run(finals), strict=True))
        records = [job.record(result) for job, result in best]
        if prove and stages:
            records = _with_stages(records, [job.spec for job, _ in best], units)
    finally:
        lanes.end()
        units.end()
    return records
