"""A job that measures the delay and energies of a MAC's netlist; its result is stored.

Measuring energies takes longer than most syntheses. So the search measures them only on the
netlists that it returns, and not on all that it has tried.
"""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC
from halfbyte.area.search.jobs import Job
from halfbyte.area.search.records import MappedRecord, SynthesisRecord
from halfbyte.area.search.synthesis_jobs import SynthesisJob, json_path, netlist_path
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.area.timing.measure import Measured, measure_netlist
from halfbyte.area.timing.operands import Operands
from halfbyte.base import code_fingerprint, content_key
from halfbyte.rtl import MacSpec

__all__ = ["MeasureJob", "design_key", "synthesize_named"]


@dataclass(frozen=True)
class MeasureJob(Job[Measured]):
    """Measures a synthesized MAC: its delay, and its energies if there are ``operands``."""

    job: SynthesisJob
    mapped: MappedRecord
    operands: Operands | None = None
    result_type = Measured

    @cached_property
    def key(self) -> str:
        """A hash of all that the results depend on, including the netlist."""
        technology = self.job.technology.content_hash
        netlist = [self.mapped.json_sha256, self.job.design.content, technology]
        return content_key(["measured", netlist, _conditions(self.operands)])

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.job.design.weight.name} {'energies' if self.operands else 'delay'}"

    @property
    def cost(self) -> float:
        """Roughly how long the measurement takes; wide designs take longest."""
        return self.job.design.width

    def run(self) -> Measured:
        """Measure the stored netlist."""
        netlist = netlist_path(self.mapped.netlist or "")
        return _measure(self.job, json_path(netlist), self.operands)


def _conditions(operands: Operands | None) -> list[str | None]:
    """What the results depend on besides the netlist: the operands and the code."""
    code = code_fingerprint("halfbyte.area.timing.measure")
    return [operands.content_hash if operands else None, code]


def _measure(job: SynthesisJob, netlist: Path, operands: Operands | None) -> Measured:
    design = job.design
    return measure_netlist(
        netlist,
        MAC,
        job.technology,
        weight=design.weight,
        activation=design.activation,
        terms=design.terms,
        operands=operands,
    )


def design_key(
    design: MacSpec,
    recipe: Recipe,
    technology: Technology,
    clock_ps: float | None = None,
    operands: Operands | None = None,
) -> str:
    """A hash of all that the results of :func:`synthesize_named` without a multiplier depend on."""
    key = SynthesisJob(design, recipe, technology, clock_ps=clock_ps).key
    return content_key([key, _conditions(operands) if operands else None])


def synthesize_named(
    design: MacSpec,
    recipe: Recipe,
    technology: Technology,
    clock_ps: float | None = None,
    operands: Operands | None = None,
    *,
    multiplier: bool = False,
) -> SynthesisRecord:
    """Synthesize one design in the architecture that it has, without using the record store.

    Delay and energies are null without ``operands``. The areas of multiplier and accumulator are
    null unless ``multiplier`` is set: the multiplier is then also synthesized alone, which makes
    the run about 1.5 times as long. Nothing is proved, and no netlist is kept. Raises ToolError if
    Yosys or ABC fails.
    """
    job = SynthesisJob(design, recipe, technology, clock_ps=clock_ps)
    with tempfile.TemporaryDirectory(prefix="halfbyte-synth-") as temporary:
        folder = Path(temporary)
        whole = job.map(folder)
        measured = _measure(job, folder / "netlist.json", operands) if operands else None
        part = job.of_multiplier().map(folder) if multiplier else None
    return job.record(whole, part, None, measured, operands)
