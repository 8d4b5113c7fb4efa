"""Jobs of the search for the smallest dot-product unit.

One job makes and measures a netlist, the other proves that an FP32 stage is correct. A lane is the
part of a unit that multiplies one pair of codes. A block is a group of products that share a scale.
The FP32 stage of a unit with scales adds the scaled sum of a block to an FP32 number. A recipe is a
fixed sequence of synthesis steps.
"""

import shutil
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.proofs.dot_unit import prove_dot
from halfbyte.area.proofs.fp32_stage import prove_fp32_stage
from halfbyte.area.proofs.results import ProofError, StageProof
from halfbyte.area.search.dot_records import DotRecord, MappedDot
from halfbyte.area.search.jobs import Job
from halfbyte.area.search.lanes import FoundLane
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.search.synthesis_jobs import is_kept, netlist_digest, netlist_path
from halfbyte.area.synthesis.dot import synthesize_dot
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.area.timing.dot_streams import measure_dot
from halfbyte.area.timing.measure import slack
from halfbyte.area.timing.operands import Operands
from halfbyte.base import code_fingerprint, content_key, versions_of
from halfbyte.rtl.dot import DotSpec
from halfbyte.rtl.dot.scaled_block import block_exponent_bits
from halfbyte.rtl.dot.unit import small_stage

__all__ = ["DotJob", "StageJob"]

_VERSIONED = ("amaranth", "pyosys")
_PROVERS = ("python-sat",)
_CODE = ("halfbyte.area.synthesis.dot", "halfbyte.area.timing.dot_streams")


@dataclass(frozen=True)
class DotJob:
    """Synthesizes a unit that consists of copies of ``lane`` and an adder tree, and measures it.

    With ``proves``, the job also proves that the netlist is correct. Energies are measured on
    ``operands``; without operands, energies are left out. A chained unit (of a weight-stationary
    array) adds its products to an input instead of to its own accumulator. While the energy of such
    a unit is measured, its weights stay for ``held`` cycles.
    """

    spec: DotSpec
    lane: FoundLane
    recipe: Recipe
    technology: Technology
    operands: Operands | None = None
    proves: bool = False
    clock_ps: float | None = None
    held: int | None = None
    result_type = MappedDot

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        prover = code_fingerprint("halfbyte.area.proofs.dot_unit")
        return content_key(
            {
                "rtlil": self.spec.rtlil(),
                "lane": self.lane.verilog,
                "recipe": list(astuple(self.recipe)),
                "clock_ps": self.clock_ps if self.recipe.clocked else None,
                "technology": self.technology.content_hash,
                "operands": self.operands and [self.operands.content_hash, self.held],
                "code": code_fingerprint(*_CODE),
                "versions": versions_of(*_VERSIONED),
                "proof": [prover, versions_of(*_PROVERS)] if self.proves else None,
            }
        )

    @property
    def label(self) -> str:
        """A text for the progress line."""
        what = " proof" if self.proves else ""
        return f"{self.spec.weight.name}, {self.spec.lanes} lanes, {self.recipe.name}{what}"

    @property
    def cost(self) -> float:
        """Roughly how long the job takes."""
        return self.spec.lanes * (4.0 if self.proves else 1.0)

    def is_complete(self, result: MappedDot) -> bool:
        """Whether the netlist's file still exists and is unchanged."""
        return is_kept(result.netlist, result.netlist_sha256)

    def run(self) -> MappedDot:
        """Synthesize in a temporary folder, which is kept in ``build/failed`` after a failure."""
        with run_folder() as folder:
            result = self._run(folder)
            netlist = netlist_path(f"{self.key[:16]}.v")
            netlist.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / "netlist.v", netlist)
        return replace(result, netlist=netlist.name, netlist_sha256=netlist_digest(netlist))

    def _run(self, folder: Path) -> MappedDot:
        """Synthesize and measure in ``folder``; if asked to, prove that the netlist is correct."""
        rtlil, lane = self.spec.rtlil(), self.lane.verilog
        result = synthesize_dot(rtlil, lane, self.technology, self.recipe, folder, self.clock_ps)
        netlist = folder / "netlist.json"
        proof = None
        if self.proves:
            proof = prove_dot(self.spec, lane, folder, self.technology)
        return MappedDot(
            **asdict(result),
            measured=measure_dot(netlist, self.technology, self.spec, self.operands, self.held),
            proof=proof,
        )

    def record(self, result: MappedDot) -> DotRecord:
        """The result as a record. The job must have operands."""
        assert self.operands is not None  # noqa: S101
        technology, spec, area = self.technology, self.spec, result.area_um2
        left, worst = slack(result.measured.delay_ps, self.clock_ps)
        return DotRecord.from_json(
            {
                **spec.fields,
                "recipe": self.recipe.name,
                "technology": technology.name,
                "corner": technology.corner,
                "clock_ps": self.clock_ps,
                "slack_ps": left,
                "wns_ps": worst,
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
class StageJob(Job[StageProof]):
    """Proves that a unit's FP32 stage is correct.

    Only for stages that :func:`halfbyte.rtl.dot.unit.small_stage` makes.
    """

    spec: DotSpec
    result_type = StageProof

    @cached_property
    def key(self) -> str:
        """A hash of everything that the proof depends on."""
        spec = self.spec
        stage = [spec.significand_bits, block_exponent_bits(spec), spec.is_limited]
        code = code_fingerprint("halfbyte.area.proofs.fp32_stage")
        return content_key(
            ["fp32 stage", stage, repr(spec.style), code, versions_of(*_VERSIONED, *_PROVERS)]
        )

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.spec.weight.name} FP32 stage"

    @property
    def cost(self) -> float:
        """A high cost, since the proof takes minutes."""
        return 1000.0

    def run(self) -> StageProof:
        """Prove that the stage is correct; raises ProofError if it is wrong."""
        proof = prove_fp32_stage(partial(small_stage, self.spec))
        if proof.counterexample:
            raise ProofError(
                f"The FP32 stage of {self.spec.title} is wrong: {proof.counterexample}"
            )
        return proof
