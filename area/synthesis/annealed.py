"""A combinational module of a design, annealed: from RTLIL to a netlist of cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.circuit import read_circuits
from halfbyte.area.synthesis.annealing import (
    CellNetlist,
    GateSet,
    Network,
    anneal,
    library_gates,
    merged,
    read_network,
)
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.base import run_yosys

__all__ = ["ANNEALED", "anneal_module", "other_sign", "starting_network"]

# The time of a move is proportional to the gates. A module with more gates gets fewer moves.
LARGE = 100
# Name of the file with the result.
ANNEALED = "annealed.v"
# The modules that were read for annealings, in gates: most are annealed more than once.
_started: dict[tuple[str, ...], Network] = {}
# Results that are kept: MACs that differ in their accumulators have the same addend.
KEPT = 32


@dataclass(frozen=True)
class _Task:
    """A network to be annealed; ``content`` is what the result depends on, beside the recipe."""

    content: tuple[object, ...]
    recipe: Recipe
    network: Network = field(compare=False)
    gates: GateSet = field(compare=False)
    technology: Technology = field(compare=False)


@lru_cache(KEPT)
def _smallest(task: _Task) -> CellNetlist:
    """The smallest netlist of a task's annealings."""
    network, gates, recipe = task.network, task.gates, task.recipe
    # If an addend is never negated, or never odd, the RTL omits the port for it.
    is_addend = {"odd", "rest", "negate"} == set(network.outputs)
    alternative = other_sign(network) if is_addend else None
    moves = round(min(1.0, LARGE / max(1, len(network.gates))) * recipe.moves)
    netlists = [
        merged(
            anneal(network, gates, moves, alternative=alternative, seed=seed),
            gates,
            task.technology,
        )
        for seed in range(1, recipe.seeds + 1)
    ]
    return min(netlists, key=lambda netlist: netlist.area)


def anneal_module(
    module: str, read: Sequence[str], technology: Technology, recipe: Recipe, folder: Path
) -> None:
    """Write ``annealed.v`` into ``folder``: the module in cells, annealed as a recipe says.

    Large modules get fewer moves, so that the time stays about the same. ``read`` holds the Yosys
    commands that load the design. The ABC script ``search.abc`` minimizes the logic before the
    annealing. Raises ToolError if Yosys or ABC fails.
    """
    gates = library_gates(technology)
    known = {placed.cell.name: placed.cell for placed in gates.cells.values()}
    (folder / "gates.lib").write_text(technology.liberty_of(list(known.values())))
    key = (folder / "design.il").read_text(), module, *recipe.abc, technology.content_hash
    if key not in _started:
        options = "-liberty gates.lib"
        _started[key] = starting_network(module, read, options, technology.cells, folder)
    network = _started[key]
    ports = (*network.inputs.items(), *network.outputs.items())
    arrays = (array.tobytes() for array in network.nodes)
    content = (technology.content_hash, ports, *arrays)
    smallest = _smallest(_Task(content, recipe, network, gates, technology))
    (folder / ANNEALED).write_text(smallest.verilog(f"\\{module} "))


def starting_network(
    module: str, read: Sequence[str], gates: str, cells: Mapping[str, Cell], folder: Path
) -> Network:
    """A module as a network of gates with at most three inputs, by ``search.abc`` in ``folder``.

    ``gates`` are options of Yosys' ``abc`` that say what to map to. ``cells`` are the cells that
    may appear in the result. Raises ToolError if Yosys or ABC fails.
    """
    lines = [
        *read,
        f"flatten {module}",
        f"hierarchy -top {module}",
        "alumacc",
        "opt",
        "techmap",
        "opt -full",
        f"abc {gates} -script search.abc",
        "opt_clean -purge",
        "write_json gates.json",
    ]
    run_yosys("\n".join(lines) + "\n", folder, "Synthesis of gates to be annealed")
    circuit = read_circuits((folder / "gates.json").read_text(), cells)[module]
    return read_network(circuit, list(circuit.inputs), list(circuit.outputs))


def other_sign(network: Network) -> np.ndarray:
    """The truth tables of an addend in which every product is negated the other way.

    The accumulator (:class:`halfbyte.rtl.addend.Addend`) still adds the same number: ``rest``, plus
    1 if the product is even and ``negate`` is set. Rows are left unchanged where the other form
    would need a wider ``rest``. Returns (outputs, words) uint64.
    """
    tables = network.tables()
    bits = np.unpackbits(tables.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
    places = np.cumsum([0, *network.outputs.values()])
    port = dict(zip(network.outputs, (bits[a:b] for a, b in pairwise(places)), strict=True))
    odd, negate, width = port["odd"][0], port["negate"][0], network.outputs["rest"]
    weights = 1 << np.arange(width)
    weights[-1] = -weights[-1]
    rest = weights @ port["rest"] + (1 - odd) * (2 * negate - 1)
    fits = (-(1 << width - 1) <= rest) & (rest < 1 << width - 1)
    port["rest"] = np.where(fits, rest >> np.arange(width)[:, None] & 1, port["rest"])
    port["negate"] = np.where(fits, 1 - negate, negate)[None]
    rows = np.concatenate(list(port.values())).astype(np.uint8)
    return np.packbits(rows, axis=1, bitorder="little").view(np.uint64)
