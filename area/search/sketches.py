"""Sketches: short syntheses that show which architecture probably gives the smallest MAC.

The addend is everything in a MAC before the accumulator's adder: the multiplier, and the gates that
invert the multiplier's output if it must be negated. MACs of different architectures differ only in
the addend and in one gate outside it. So a sketch anneals only the addend, and only briefly.
Annealing is a random search for a smaller netlist.
"""

from dataclasses import dataclass
from functools import cached_property

from halfbyte.area.search.jobs import Job
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.search.synthesis_jobs import MacJob, design_rtlil
from halfbyte.area.synthesis.yosys import annealed_addend
from halfbyte.base import Record

__all__ = ["Sketch", "SketchJob"]

# If an addend can be negated, it has the output ``negate``. The first carry into the accumulator's
# adder then needs a multiplexer instead of an AND gate. The multiplexer is larger by about this
# many NANDs.
NEGATION = 1.5


@dataclass(frozen=True, kw_only=True)
class Sketch(Record):
    """The area that a sketch of a MAC found."""

    area_um2: float
    """Area of the addend in um^2, plus ``NEGATION`` NANDs if the addend can be negated."""


@dataclass(frozen=True)
class SketchJob(MacJob, Job[Sketch]):
    """Makes the sketch of a MAC in one architecture; ``recipe`` must anneal."""

    result_type = Sketch

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        return self.key_with(result="sketch")

    @property
    def order(self) -> tuple[str]:
        """Sort key for sketches that are equally good."""
        return (self.design.architecture,)

    def run(self) -> Sketch:
        """Anneal the addend in a temporary folder, kept in ``build/failed`` after a failure."""
        with run_folder() as folder:
            rtlil = design_rtlil(self.design)
            addend = annealed_addend(rtlil, self.technology, self.recipe, folder)
        carry = NEGATION * self.technology.nand2_area * ("negate" in addend.network.outputs)
        return Sketch(area_um2=round(addend.area + carry, 4))
