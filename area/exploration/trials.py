"""Trials: the designs of a space, each with everything that its record depends on.

A space is a set of designs that an exploration synthesizes. A design is a MAC or a dot-product
unit. A lane is the part of a dot-product unit that multiplies one pair of codes.
"""

from dataclasses import astuple, dataclass, replace

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.dot_jobs import DotJob
from halfbyte.area.search.dot_records import DotRecord, MappedDot
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.lanes import search_lanes
from halfbyte.area.search.measure_jobs import design_key, synthesize_named
from halfbyte.area.search.records import SynthesisRecord
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.synthesis.dot import adder_style, synthesize_dot
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.area.timing.dot_streams import DotMeasured, measure_dot
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import code_fingerprint, content_key, versions_of
from halfbyte.rtl import MacSpec
from halfbyte.rtl.dot import DotSpec

__all__ = ["AnyTrial", "DotTrial", "ExploredRecord", "MacTrial"]

ExploredRecord = SynthesisRecord | DotRecord


@dataclass(frozen=True)
class MacTrial:
    """One MAC of a space, with everything that its record depends on.

    Parameters
    ----------
    design : MacSpec
        The MAC; its architecture must not be ``auto``.
    recipe : Recipe
        The only recipe that is tried.
    technology : Technology
        The technology to whose cells the design is mapped.
    clock_ps : float, optional
        The clock period to meet, in ps; only for recipes with a clock.
    operands : Operands, optional
        The operands on which energies are measured; without them, energy and delay are null.
    multiplier : bool
        Whether the multiplier is also synthesized alone.
    """

    design: MacSpec
    recipe: Recipe
    technology: Technology
    clock_ps: float | None = None
    operands: Operands | None = None
    multiplier: bool = False

    def key(self) -> str:
        """A hash of inputs, code and tool versions; names of formats do not count."""
        key = design_key(self.design, self.recipe, self.technology, self.clock_ps, self.operands)
        return f"{key}-multiplier" if self.multiplier else key

    @property
    def label(self) -> str:
        """Formats, architecture, recipe, technology and clock in one line."""
        weight, activation = self.design.weight.name, self.design.activation.name
        formats = weight if weight == activation else f"{weight} x {activation}"
        parts = [formats, self.design.architecture, self.recipe.name, self.technology.name]
        parts += [] if self.clock_ps is None else [f"{self.clock_ps:g} ps"]
        return ", ".join(parts)

    def compute(self) -> SynthesisRecord:
        """The record; raises ToolError if synthesis fails."""
        return synthesize_named(
            self.design,
            self.recipe,
            self.technology,
            self.clock_ps,
            self.operands,
            multiplier=self.multiplier,
        )

    def named(self, record: SynthesisRecord) -> SynthesisRecord:
        """The record with the names of this trial's formats and technology.

        A stored record may come from another trial whose formats have the same integers (values
        divided by the quantum).
        """
        return replace(
            record,
            format=self.design.weight.name,
            activation=self.design.activation.name,
            technology=self.technology.name,
        )


@dataclass(frozen=True)
class DotTrial:
    """One dot-product unit of a space, with everything that its record depends on.

    A search finds the best lane first. The lane is stored. All units with the same formats,
    technology and effort use this lane.

    Parameters
    ----------
    design : DotSpec
        The unit, with the architecture ``auto``.
    recipe : Recipe
        The only recipe that is tried.
    technology : Technology
        The technology to whose cells the design is mapped.
    effort : float
        Multiplies the length of the annealing, a random search for a smaller lane.
    operands : Operands, optional
        The operands on which energies are measured; without them, energy and delay are null.
    """

    design: DotSpec
    recipe: Recipe
    technology: Technology
    effort: float = 1.0
    operands: Operands | None = None

    def key(self) -> str:
        """A hash of inputs, code and tool versions; names of formats do not count."""
        return content_key(
            {
                **self.design.content,
                "recipe": list(astuple(self.recipe)),
                "technology": self.technology.content_hash,
                "effort": self.effort,
                "operands": self.operands and self.operands.content_hash,
                "code": code_fingerprint(__name__),
                "versions": versions_of("amaranth", "pyosys"),
            }
        )

    @property
    def label(self) -> str:
        """A description of the unit, the recipe and the technology in one line."""
        return f"{self.design.title}, {self.recipe.name}, {self.technology.name}"

    def compute(self) -> DotRecord:
        """The record, without a proof; raises ToolError if synthesis fails."""
        runner = JobRunner("lanes", 1, None)
        try:
            formats = self.design.weight, self.design.activation
            lane = search_lanes(*formats, self.technology, runner, effort=self.effort)
        finally:
            runner.end()
        adders = adder_style(self.technology)
        design = replace(self.design, architecture=lane.architecture, adders=adders)
        operands = self.operands or load_operands(shipped_operands()[0])
        job = DotJob(design, lane, self.recipe, self.technology, operands)
        measured = DotMeasured(not_measured="the space does not ask for measurements")
        with run_folder() as folder:
            rtlil = design.rtlil()
            result = synthesize_dot(rtlil, lane.verilog, self.technology, self.recipe, folder)
            if self.operands:
                netlist = folder / "netlist.json"
                measured = measure_dot(netlist, self.technology, design, self.operands)
        return job.record(MappedDot(**vars(result), measured=measured, proof=None))

    def named(self, record: DotRecord) -> DotRecord:
        """The record with the names of this trial's formats and technology.

        A stored record may come from another trial whose formats have the same values.
        """
        return replace(
            record,
            format=self.design.weight.name,
            activation=self.design.activation.name,
            technology=self.technology.name,
        )


AnyTrial = MacTrial | DotTrial
