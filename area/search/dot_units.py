"""The smallest dot-product unit: the best lane, then the same recipes for every format."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.proofs.dot_unit import prove_dot
from halfbyte.area.proofs.fp32_stage import prove_fp32_stage
from halfbyte.area.proofs.mac import ProofError
from halfbyte.area.proofs.results import PROVED, StageProof
from halfbyte.area.search.dot_records import DotRecord, MappedDot
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.lanes import FoundLane, search_lanes
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.search.synthesis_jobs import is_kept, netlist_digest, netlist_path
from halfbyte.area.synthesis.dot import DOT_RECIPES, adder_style, synthesize_dot
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.area.timing.dot_streams import measure_dot
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import Progress, code_fingerprint, content_key, versions_of
from halfbyte.rtl.dot import DotSpec
from halfbyte.rtl.dot.scaled_block import block_exponent_bits
from halfbyte.rtl.dot.unit import has_small_stage, small_stage
from halfbyte.rtl.spec import AUTO

__all__ = ["DotJob", "synthesize_dots"]

_VERSIONED = ("amaranth", "pyosys")
_PROVERS = ("python-sat",)
_CODE = ("halfbyte.area.synthesis.dot", "halfbyte.area.timing.dot_streams")


@dataclass(frozen=True)
class DotJob:
    """Synthesizes a unit around a lane by a recipe, measures it, and proves it if asked to."""

    spec: DotSpec
    lane: FoundLane
    recipe: Recipe
    technology: Technology
    operands: Operands
    proves: bool = False
    result_type = MappedDot

    @cached_property
    def key(self) -> str:
        """What the result depends on."""
        prover = code_fingerprint("halfbyte.area.proofs.dot_unit")
        return content_key(
            {
                "rtlil": self.spec.rtlil(),
                "lane": self.lane.verilog,
                "recipe": list(astuple(self.recipe)),
                "technology": self.technology.content_hash,
                "operands": self.operands.content_hash,
                "code": code_fingerprint(*_CODE),
                "versions": versions_of(*_VERSIONED),
                "proof": [prover, versions_of(*_PROVERS)] if self.proves else None,
            }
        )

    @property
    def label(self) -> str:
        """For the progress line."""
        what = " proof" if self.proves else ""
        return f"{self.spec.weight.name}, {self.spec.lanes} lanes, {self.recipe.name}{what}"

    @property
    def cost(self) -> float:
        """How long it takes, roughly."""
        return self.spec.lanes * (4.0 if self.proves else 1.0)

    def is_complete(self, result: MappedDot) -> bool:
        """Whether the netlist is still there, and still the one that was measured."""
        return is_kept(result.netlist, result.netlist_sha256)

    def run(self) -> MappedDot:
        """Synthesize in a temporary folder; if this fails it is kept under ``build/failed``."""
        with run_folder() as folder:
            result = self._run(folder)
            netlist = netlist_path(f"{self.key[:16]}.v")
            netlist.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / "netlist.v", netlist)
        return replace(result, netlist=netlist.name, netlist_sha256=netlist_digest(netlist))

    def _run(self, folder: Path) -> MappedDot:
        rtlil, lane = self.spec.rtlil(), self.lane.verilog
        result = synthesize_dot(rtlil, lane, self.technology, self.recipe, folder)
        netlist = folder / "netlist.json"
        proof = None
        if self.proves:
            proof = prove_dot(self.spec, lane, folder, self.technology)
        return MappedDot(
            **asdict(result),
            measured=measure_dot(netlist, self.technology, self.spec, self.operands),
            proof=proof,
        )

    def record(self, result: MappedDot) -> DotRecord:
        """The result record."""
        technology, spec, area = self.technology, self.spec, result.area_um2
        return DotRecord.from_json(
            {
                **spec.fields,
                "recipe": self.recipe.name,
                "technology": technology.name,
                "corner": technology.corner,
                "clock_ps": None,
                "area_um2": area,
                "area_ge": round(area / technology.nand2_area, 2),
                "um2_per_lane": round(area / spec.lanes, 4),
                "lane_um2": self.lane.area_um2,
                "lane_moves": self.lane.moves,
                "register_um2": result.register_um2,
                "cells": result.cells,
                "flip_flops": result.flip_flops,
                **result.measured.as_json(),
                "operands": self.operands.name,
                "proof": result.proof.as_json() if result.proof else None,
                "netlist": result.netlist,
                "versions": {
                    **versions_of("halfbyte", *_VERSIONED),
                    "card": technology.content_hash[:12],
                },
                "seconds": result.seconds,
            }
        )


@dataclass(frozen=True)
class StageJob:
    """The proof of a unit's FP32 stage."""

    spec: DotSpec
    result_type = StageProof

    @cached_property
    def key(self) -> str:
        """What the proof depends on."""
        spec = self.spec
        stage = [spec.significand_bits, block_exponent_bits(spec), spec.is_limited]
        code = code_fingerprint("halfbyte.area.proofs.fp32_stage")
        return content_key(
            ["fp32 stage", stage, spec.adders.module, code, versions_of(*_VERSIONED, *_PROVERS)]
        )

    @property
    def label(self) -> str:
        """For the progress line."""
        return f"{self.spec.weight.name} FP32 stage"

    @property
    def cost(self) -> float:
        """High: the proof takes minutes."""
        return 1000.0

    def is_complete(self, result: StageProof) -> bool:
        """A stored proof lacks nothing."""
        return True

    def run(self) -> StageProof:
        """Prove the stage; raises ProofError if it is refuted."""
        proof = prove_fp32_stage(partial(small_stage, self.spec))
        if proof.counterexample:
            raise ProofError(f"{self.spec.title}: FP32 stage, {proof.counterexample}")
        return proof


def _with_stages(
    records: Sequence[DotRecord], specs: Sequence[DotSpec], runner: JobRunner
) -> list[DotRecord]:
    """The records, with a proof of the FP32 stage for each unit that has the small stage."""
    small = [spec for spec in specs if spec.is_fp32 and has_small_stage(spec)]
    stages = dict(zip(small, runner.run([StageJob(spec) for spec in small]), strict=True))
    return [
        _with_stage(record, stages[spec]) if spec in stages else record
        for record, spec in zip(records, specs, strict=True)
    ]


def _with_stage(record: DotRecord, stage: StageProof) -> DotRecord:
    assert record.proof is not None  # noqa: S101
    proof = replace(
        record.proof,
        status=record.proof.status if stage.status == PROVED else stage.status,
        fp32_stage=stage.status,
        method=f"{record.proof.method}; FP32 stage: {stage.method}",
        simulated="scales, gathering of a block",
    )
    return replace(record, proof=proof)


def synthesize_dots(
    specs: Sequence[DotSpec],
    technology: Technology,
    *,
    operands: Operands | None = None,
    every: bool = False,
    effort: float = 1.0,
    prove: bool = True,
    stages: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[DotRecord]:
    """Records of the smallest netlist of each unit, in order.

    The lane is searched first, once for each pair of formats: every architecture, the same effort
    for all (:mod:`halfbyte.area.search.lanes`). Then every recipe is tried on the unit. Each result
    is stored at once, and stored results are not computed again.

    Parameters
    ----------
    specs : sequence of DotSpec
        The units. Their full adders get the polarity of the technology's full-adder cell.
    technology : Technology
        The cells to use.
    operands : Operands, optional
        What the energies are measured on; the shipped set of the default model if not given.
    every : bool
        Return the records of all recipes, the best first, not only the best.
    effort : float
        Factor by which lanes are annealed longer than by default.
    prove : bool
        Prove every netlist that is returned; otherwise ``proof`` is None.
    stages : bool
        Prove FP32 stages too, which takes minutes. This proof is of the RTL alone and holds for all
        formats.
    jobs : int, optional
        Processes at a time; all cores by default.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    ProofError
        A lane, a tree or a netlist was refuted.
    ToolError
        Yosys or ABC failed; script and log are kept in ``build/failed``.
    """
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
                [DotJob(chosen, lane, recipe, technology, operands) for recipe in DOT_RECIPES]
            )
        results = iter(units.run([job for group in groups for job in group]))
        ranked = [
            sorted(
                ((job, next(results)) for job in group),
                key=lambda each: (each[1].area_um2, each[0].recipe.name),
            )
            for group in groups
        ]
        best = [each for group in ranked for each in (group if every else group[:1])]
        if prove:
            proofs = [replace(job, proves=True) for job, _ in best]
            best = list(zip(proofs, units.run(proofs), strict=True))
        records = [job.record(result) for job, result in best]
        if prove and stages:
            records = _with_stages(records, [job.spec for job, _ in best], units)
    finally:
        lanes.end()
        units.end()
    return records
