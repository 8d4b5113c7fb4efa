"""Sketches: how large a MAC will be in each architecture, from a short annealing of its addend.

Except for one gate, a MAC around its addend is the same in every architecture. So a sketch maps
only the addend.
"""

from dataclasses import dataclass
from functools import cached_property

from halfbyte.area.search.jobs import Job
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.search.synthesis_jobs import MacJob, design_rtlil
from halfbyte.area.synthesis.yosys import annealed_addend
from halfbyte.base import Record

__all__ = ["Sketch", "SketchJob"]

# If terms may be negated, a multiplexer instead of an AND makes the accumulator's first carry. It
# is larger by about this many NANDs.
NEGATION = 1.5


@dataclass(frozen=True, kw_only=True)
class Sketch(Record):
    """What an architecture takes after a short annealing."""

    area_um2: float
    """Area of the addend and of what it adds to the accumulator, in um^2."""


@dataclass(frozen=True)
class SketchJob(MacJob, Job[Sketch]):
    """Makes the sketch of a MAC with a named architecture; ``recipe`` must anneal."""

    result_type = Sketch

    @cached_property
    def key(self) -> str:
        """What the result depends on."""
        return self.key_with(result="sketch")

    @property
    def order(self) -> tuple[str]:
        """Sort key for sketches that are equally good."""
        return (self.design.architecture,)

    def run(self) -> Sketch:
        """Anneal the addend. If Yosys fails, its folder is kept under ``build/failed``."""
        with run_folder() as folder:
            rtlil = design_rtlil(self.design)
            addend = annealed_addend(rtlil, self.technology, self.recipe, folder)
        carry = NEGATION * self.technology.nand2_area * ("negate" in addend.network.outputs)
        return Sketch(area_um2=round(addend.area + carry, 4))
