"""Anneals a lane of a dot-product unit: the logic that multiplies one pair of codes.

Annealing tries to replace random gates. Each attempt is a *move*.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.annealed import starting_network
from halfbyte.area.synthesis.annealing import (
    CellNetlist,
    Network,
    anneal,
    gate_liberty,
    library_gates,
    merged,
)
from halfbyte.area.synthesis.recipes import CLEAN, RESUBSTITUTE

if TYPE_CHECKING:
    from halfbyte.rtl.dot import LaneBits

__all__ = ["LANE_SCRIPT", "anneal_lane", "start_lane"]

_MODULE = "lane"
# The ABC script before the annealing. Annealing gains most if ABC has restructured the logic first.
LANE_SCRIPT = (
    *(*CLEAN, "&get -n", "&deepsyn -I 2 -J 10", "&put"),
    *(*RESUBSTITUTE, "dch", "amap -m", "topo"),
)
# The gates of lanes, by RTLIL and technology. They are kept because a lane is annealed several
# times, with different seeds.
_started: dict[tuple[str, str], Network] = {}


def start_lane(rtlil: str, technology: Technology) -> Network:
    """The module ``lane`` of ``rtlil`` as gates. Raises ToolError if Yosys or ABC fails."""
    key = rtlil, technology.content_hash
    if key not in _started:
        _started[key] = _start(rtlil, technology)
    return _started[key]


def _start(rtlil: str, technology: Technology) -> Network:
    """Map a lane to gates with Yosys and ABC."""
    read = [
        "read_rtlil design.il",
        f"hierarchy -check -top {_MODULE}",
        "proc -norom",
        "opt -full",
        "wreduce",
    ]
    with tempfile.TemporaryDirectory(prefix="halfbyte-lane-") as temporary:
        folder = Path(temporary)
        (folder / "design.il").write_text(rtlil)
        (folder / "search.abc").write_text("\n".join(LANE_SCRIPT) + "\n")
        (folder / "gates.lib").write_text(gate_liberty(technology))
        return starting_network(_MODULE, read, "-liberty gates.lib", technology.cells, folder)


def anneal_lane(
    start: Network, meaning: "LaneBits", technology: Technology, moves: int, seed: int
) -> CellNetlist:
    """A lane as cells, after ``moves`` moves of annealing from the gates ``start``.

    ``meaning`` gives the number that each output bit adds to the product.
    """
    gates = library_gates(technology)
    found = anneal(start, gates, moves, alternative=_alternative(start, meaning), seed=seed)
    return merged(found, gates, technology)


def _alternative(network: Network, meaning: "LaneBits") -> np.ndarray:
    """Truth tables with all bits of a product inverted, in rows where its value stays the same.

    For example, if the bits are a magnitude and a sign, those of a product of 0 may be all zeros or
    all ones. A row is one pair of codes. All other rows are unchanged. Returns (outputs, words)
    uint64, 64 rows in a word.
    """
    tables = network.tables()
    bits = np.unpackbits(tables.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    weights = np.array(meaning.weights)
    same = weights @ bits == weights @ (1 - bits)
    rows = np.where(same, 1 - bits, bits).astype(np.uint8)
    return np.packbits(rows, axis=1, bitorder="little").view(np.uint64)
