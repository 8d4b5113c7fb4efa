"""Searches for the best lane of a dot-product unit, by the same rules for all formats.

A lane is the part of a unit that multiplies one pair of codes. The search for the lane comes before
the search for the unit. Lanes are compared by their own area plus the area of a full adder for each
output bit, since the unit's adder tree needs one full adder to add one bit. Annealing is a random
search for a smaller netlist, and its moves are changes that it tries. A lane of every architecture
is annealed briefly, the best two are annealed for longer, and the better of these two for longer
still. If the codes are too wide for annealing, each lane gets only a short synthesis.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.dot_records import LaneResult
from halfbyte.area.search.jobs import Job, JobRunner
from halfbyte.area.synthesis.lane import LANE_SCRIPT, anneal_lane, start_lane
from halfbyte.area.synthesis.recipes import MAX_ANNEALED_BITS, QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.base import code_fingerprint, content_key, versions_of
from halfbyte.formats import Format
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.dot import Lane, lane_architectures, lane_bits
from halfbyte.rtl.dot.lane import PARTIAL_PRODUCTS

__all__ = ["FoundLane", "pick_architecture", "search_lanes"]

_MODULE = "lane"


@dataclass(frozen=True)
class _Stage:
    """One stage of the search, which anneals the best architectures once for each seed.

    ``lanes`` is the number of these architectures. ``moves`` is the number of moves for each seed.
    """

    lanes: int
    moves: int
    seeds: int


# There are fewer than 64 architectures, so the first stage anneals all. A move takes about 3 us, so
# all stages take about a minute. In the last stage, more seeds give smaller lanes than more moves.
_STAGES = (_Stage(64, 50_000, 1), _Stage(2, 500_000, 2), _Stage(1, 1_000_000, 16))


@dataclass(frozen=True)
class FoundLane:
    """A lane as a netlist.

    Parameters
    ----------
    architecture : str
        The lane's architecture.
    verilog : str
        Verilog of the module ``lane``, made of the technology's cells.
    area_um2 : float
        Area of the cells in um^2.
    moves : int
        Number of moves of the annealing that found the lane; 0 if its codes are too wide to anneal.
    """

    architecture: str
    verilog: str
    area_um2: float
    moves: int


@dataclass(frozen=True)
class LaneJob(Job[LaneResult]):
    """Anneals a lane in one architecture; with 0 moves, a short synthesis maps it to cells."""

    weight: Format
    activation: Format
    architecture: str
    technology: Technology
    moves: int
    seed: int
    result_type = LaneResult

    @cached_property
    def rtlil(self) -> str:
        """The lane's RTL."""
        lane = Lane(weight=self.weight, activation=self.activation, architecture=self.architecture)
        return to_rtlil(lane, _MODULE)

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        return content_key(
            {
                "lane": self.rtlil,
                "technology": self.technology.content_hash,
                "annealing": [
                    LANE_SCRIPT,
                    self.moves,
                    self.seed,
                    None if self.moves else QUICK.abc,
                ],
                "code": code_fingerprint("halfbyte.area.synthesis.lane"),
                "versions": versions_of("pyosys"),
            }
        )

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.weight.name} lane {self.architecture}"

    @property
    def cost(self) -> float:
        """A number that is roughly proportional to the time that the job takes."""
        return self.moves

    def run(self) -> LaneResult:
        """The lane as Verilog, and its area."""
        if not self.moves:
            with TemporaryDirectory(prefix="halfbyte-lane-") as temporary:
                folder = Path(temporary)
                result = synthesize_rtlil(self.rtlil, self.technology, QUICK, folder, _MODULE)
                verilog = (folder / "netlist.v").read_text()
                return LaneResult(area_um2=result.area_um2, verilog=verilog)
        meaning = lane_bits(self.weight, self.activation, self.architecture)
        start = start_lane(self.rtlil, self.technology)
        netlist = anneal_lane(start, meaning, self.technology, self.moves, self.seed)
        return LaneResult(area_um2=round(netlist.area, 4), verilog=netlist.verilog(_MODULE))


def _adder_area(technology: Technology) -> float:
    """The area that the adder tree needs to add one bit.

    This is the area of a full adder, or of five NANDs if the library has no full-adder cell.
    """
    cell = technology.full_adder
    return technology.cells[cell.cell].area if cell else 5 * technology.nand2_area


def pick_architecture(weight: Format, activation: Format, technology: Technology) -> str:
    """The architecture of the best lane after only the first, short stage of the search."""
    runner = JobRunner("lanes", os.cpu_count() or 1, None)
    try:
        return search_lanes(weight, activation, technology, runner, stages=1).architecture
    finally:
        runner.end()


def search_lanes(
    weight: Format,
    activation: Format,
    technology: Technology,
    runner: JobRunner,
    *,
    architectures: Sequence[str] | None = None,
    effort: float = 1.0,
    stages: int = len(_STAGES),
) -> FoundLane:
    """The best lane for two formats.

    Parameters
    ----------
    weight, activation : Format
        Operand formats.
    technology : Technology
        Cells to synthesize with.
    runner : JobRunner
        Runs the annealings and stores their results.
    architectures : sequence of str, optional
        Architectures to try; by default all that can multiply the formats.
    effort : float
        Multiplies the number of moves.
    stages : int
        Number of stages to run; by default all.

    Raises
    ------
    ToolError
        Yosys or ABC failed.
    """
    bit_area = _adder_area(technology)

    def rank(job: LaneJob, result: LaneResult) -> tuple[float, str, int, int]:
        bits = len(lane_bits(weight, activation, job.architecture).weights)
        return result.area_um2 + bits * bit_area, job.architecture, job.moves, job.seed

    tried: list[tuple[LaneJob, LaneResult]] = []
    names = list(architectures or lane_architectures(weight, activation))
    is_wide = weight.bits + activation.bits > MAX_ANNEALED_BITS
    for stage in (_Stage(len(names), 0, 1),) if is_wide else _STAGES[:stages]:
        if tried and tried[0][0].architecture == PARTIAL_PRODUCTS:
            break  # this lane has one NAND for each output bit, so annealing cannot shrink it
        moves = round(stage.moves * effort)
        jobs = [
            LaneJob(weight, activation, name, technology, moves, seed)
            for name in names[: stage.lanes]
            for seed in range(1, stage.seeds + 1)
        ]
        tried += zip(jobs, runner.run(jobs), strict=True)
        tried.sort(key=lambda each: rank(*each))
        names = list(dict.fromkeys(job.architecture for job, _ in tried))
    job, result = tried[0]
    return FoundLane(job.architecture, result.verilog, result.area_um2, job.moves)
