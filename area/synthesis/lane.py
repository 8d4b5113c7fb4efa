"""A lane of a dot-product unit, searched alone: the same effort for every format."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.annealed import starting_network
from halfbyte.area.synthesis.annealing import (
    CellNetlist,
    Network,
    anneal,
    library_gates,
    merged,
)
from halfbyte.area.synthesis.recipes import CLEAN, RESUBSTITUTE
from halfbyte.formats import Format
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.dot import Lane, LaneBits

__all__ = ["LANE_SCRIPT", "LaneStart", "anneal_lane", "start_lane"]

_MODULE = "lane"
# A search over restructurings first: what it leaves, annealing improves most.
LANE_SCRIPT = (
    *(*CLEAN, "&get -n", "&deepsyn -I 2 -J 10", "&put"),
    *(*RESUBSTITUTE, "dch", "amap -m", "topo"),
)


@dataclass(frozen=True)
class LaneStart:
    """Where the annealing of a lane starts: an architecture, what its bits count, its gates."""

    architecture: str
    meaning: LaneBits
    network: Network


def start_lane(
    weight: Format, activation: Format, architecture: str, technology: Technology
) -> LaneStart:
    """The lane of one architecture in gates; raises ToolError if Yosys or ABC fails."""
    lane = Lane(weight=weight, activation=activation, architecture=architecture)
    read = [
        "read_rtlil design.il",
        f"hierarchy -check -top {_MODULE}",
        "proc -norom",
        "opt -full",
        "wreduce",
    ]
    gates = library_gates(technology)
    known = {placed.cell.name: placed.cell for placed in gates.cells.values()}
    with tempfile.TemporaryDirectory(prefix="halfbyte-lane-") as temporary:
        folder = Path(temporary)
        (folder / "design.il").write_text(to_rtlil(lane, _MODULE))
        (folder / "search.abc").write_text("\n".join(LANE_SCRIPT) + "\n")
        (folder / "gates.lib").write_text(technology.liberty_of(list(known.values())))
        network = starting_network(_MODULE, read, "-liberty gates.lib", technology.cells, folder)
    return LaneStart(architecture, lane.meaning, network)


def anneal_lane(start: LaneStart, technology: Technology, moves: int, seed: int) -> CellNetlist:
    """The lane in cells after so many moves."""
    gates = library_gates(technology)
    found = anneal(
        start.network,
        gates,
        moves,
        alternative=_alternative(start.network, start.meaning),
        seed=seed,
    )
    return merged(found, gates, technology)


def _alternative(network: Network, meaning: LaneBits) -> np.ndarray:
    """The other bits that a product may be written as: all inverted, where they count the same.

    So a product of 0 may have either sign. Returns (outputs, words) uint64.
    """
    tables = network.tables()
    bits = np.unpackbits(tables.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    weights = np.array(meaning.weights)
    same = weights @ bits == weights @ (1 - bits)
    rows = np.where(same, 1 - bits, bits).astype(np.uint8)
    return np.packbits(rows, axis=1, bitorder="little").view(np.uint64)
