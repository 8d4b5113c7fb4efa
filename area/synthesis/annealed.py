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
    gate_liberty,
    library_gates,
    merged,
    read_network,
)
from halfbyte.area.synthesis.annealing.state import IMPOSSIBLE, XOR2, Nodes
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.base import run_yosys

__all__ = [
    "anneal_module",
    "anneal_multiplier",
    "other_sign",
    "starting_gates",
    "starting_network",
]

# The time of a move is proportional to the gates. A module with more gates gets fewer moves.
LARGE = 100
# The modules that were read for annealings, as gates. Most are annealed more than once.
_started: dict[tuple[str, ...], Network] = {}
# Results that are kept: MACs that differ in their accumulators have the same addend, and sketches
# become MACs after all of them were made.
KEPT = 64


@dataclass(frozen=True)
class _Task:
    """A network to be annealed. The result depends only on ``content`` and on the recipe."""

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
    rtlil: str,
    module: str,
    read: Sequence[str],
    technology: Technology,
    recipe: Recipe,
    folder: Path,
) -> CellNetlist:
    """A module of a design in cells, annealed as a recipe says.

    Large modules get fewer moves, so that the time stays about the same. ``read`` holds the Yosys
    commands that load the design from ``design.il``. The recipe's ABC script minimizes the logic
    before the annealing; it runs in ``folder``. Raises ToolError if Yosys or ABC fails.
    """
    network = starting_gates(rtlil, module, read, technology, recipe, folder)
    return _annealed(network, technology, recipe)


def anneal_multiplier(
    addend: Network, term_bits: int, technology: Technology, recipe: Recipe
) -> CellNetlist | None:
    """A multiplier alone, annealed from the gates of its addend (:func:`starting_gates`).

    ``term_bits`` is the width of its term. Returns None if the multiplier cannot be made from these
    gates: the addend lacks an operand that does not matter, or the library lacks XOR.
    """
    network = _multiplier(addend, term_bits)
    gates = library_gates(technology)
    is_whole = {"w", "a"} == set(network.inputs) and gates.cost[XOR2, 0] < IMPOSSIBLE
    return _annealed(network, technology, recipe) if is_whole else None


def _multiplier(addend: Network, term_bits: int) -> Network:
    """The network of a multiplier: an addend with its term inverted back where it is negated."""
    outputs = dict(zip(_bits(addend.outputs), addend.nodes.outputs, strict=True))
    zero = addend.sources - 2  # also the value of a port that the addend lacks
    negate = outputs.get(("negate", 0), zero)
    nodes = Nodes(*(array.copy() for array in addend.nodes))
    free = max(addend.gates, default=addend.sources - 1) + 1
    driven = [outputs.get(("odd", 0), zero)]
    for bit in range(term_bits - 1):
        rest = outputs["rest", bit]
        if negate != zero:
            nodes.kind[free], nodes.polarity[free] = XOR2, 0
            nodes.fan_ins[free] = rest, negate, rest
            rest, free = free, free + 1
        driven.append(rest)
    nodes = nodes._replace(outputs=np.array([*driven, negate], np.int64))
    return Network(addend.inputs, {"term": term_bits, "negate": 1}, nodes)


def _bits(ports: Mapping[str, int]) -> list[tuple[str, int]]:
    """The bits of all ports, each as the port's name and the place in it."""
    return [(port, bit) for port, width in ports.items() for bit in range(width)]


def _annealed(network: Network, technology: Technology, recipe: Recipe) -> CellNetlist:
    """A network in cells, annealed as a recipe says; equal networks are annealed once."""
    ports = (*network.inputs.items(), *network.outputs.items())
    nodes = network.nodes  # their values follow from the fields below
    arrays = (nodes.kind, nodes.polarity, nodes.fan_ins, nodes.outputs)
    content = (technology.content_hash, ports, *(array.tobytes() for array in arrays))
    return _smallest(_Task(content, recipe, network, library_gates(technology), technology))


def starting_gates(
    rtlil: str,
    module: str,
    read: Sequence[str],
    technology: Technology,
    recipe: Recipe,
    folder: Path,
) -> Network:
    """The gates from which a module is annealed, as in :func:`anneal_module`; made only once."""
    key = rtlil, module, *recipe.abc, technology.content_hash
    if key not in _started:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "design.il").write_text(rtlil)
        (folder / "search.abc").write_text(recipe.script(None))
        (folder / "gates.lib").write_text(gate_liberty(technology))
        options = "-liberty gates.lib"
        _started[key] = starting_network(module, read, options, technology.cells, folder)
    return _started[key]


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
