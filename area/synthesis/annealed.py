"""Anneals a combinational module of a design: from RTLIL to a netlist of library cells.

ABC first turns the module into a network of gates. The annealing
(:mod:`halfbyte.area.synthesis.annealing`) then replaces gates at random in many *moves*. A recipe
(:mod:`.recipes`) gives the ABC script and the number of moves.

The module is usually the *addend* of a MAC, which multiplies two codes for the accumulator's adder
(:class:`halfbyte.rtl.addend.Addend`). It computes a *term*, which is the product or the negated
product. Its outputs are ``negate`` (1 if the product is the negated term), ``odd`` (bit 0 of the
product) and ``rest`` (the upper bits of the term, inverted if ``negate`` is 1). The product is
``odd + 2 * (rest + (negate if not odd else 0))``.
"""

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

# The time of a move is proportional to the number of gates. A module with more gates than this gets
# fewer moves, so that the annealing takes about the same time.
LARGE = 100
# Networks of gates from which annealings have started. Most of them are needed more than once.
_started: dict[tuple[str, ...], Network] = {}
# The number of annealed networks that are kept in memory. MACs that differ only in the accumulator
# have the same addend. Also, a search anneals the addends of all multiplier architectures before it
# builds MACs from some of these addends.
KEPT = 64


@dataclass(frozen=True)
class _Task:
    """A network to be annealed. Tasks with equal ``content`` and ``recipe`` have equal results."""

    content: tuple[object, ...]
    recipe: Recipe
    network: Network = field(compare=False)
    gates: GateSet = field(compare=False)
    technology: Technology = field(compare=False)


@lru_cache(KEPT)
def _smallest(task: _Task) -> CellNetlist:
    """The smallest of the netlists from a task's annealings, one for each seed."""
    network, gates, recipe = task.network, task.gates, task.recipe
    # The RTL omits an output of an addend that would be constant. `other_sign` needs all three.
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
    """A module of a design as a netlist of cells, annealed as a recipe says.

    ``read`` are the Yosys commands that load the design from ``design.il``. The recipe's ABC script
    runs in ``folder`` and minimizes the logic before the annealing. A large module gets fewer moves
    than the recipe says, so that the time stays about the same. Raises ToolError if Yosys or ABC
    fails, and ValueError if the module has too many input bits (:func:`.network.read_network`).
    """
    network = starting_gates(rtlil, module, read, technology, recipe, folder)
    return _annealed(network, technology, recipe)


def anneal_multiplier(
    addend: Network, term_bits: int, technology: Technology, recipe: Recipe
) -> CellNetlist | None:
    """A multiplier without an accumulator, annealed from the gates of a MAC's addend.

    :func:`starting_gates` makes these gates. The multiplier's outputs are a term of ``term_bits``
    bits, and ``negate``, which is 1 if the product is the negated term. Returns None if the
    multiplier cannot be made from the gates: the addend lacks an operand because the product does
    not depend on it, or the library lacks an XOR cell.
    """
    network = _multiplier(addend, term_bits)
    gates = library_gates(technology)
    is_whole = {"w", "a"} == set(network.inputs) and gates.cost[XOR2, 0] < IMPOSSIBLE
    return _annealed(network, technology, recipe) if is_whole else None


def _multiplier(addend: Network, term_bits: int) -> Network:
    """The network of a multiplier: an addend, and XORs that undo its inversion of negated terms."""
    outputs = dict(zip(_bits(addend.outputs), addend.nodes.outputs, strict=True))
    zero = addend.sources - 2  # the constant 0, also for an output that the addend lacks
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
    """The bits of all ports, each as the port's name and the bit's index in the port."""
    return [(port, bit) for port, width in ports.items() for bit in range(width)]


def _annealed(network: Network, technology: Technology, recipe: Recipe) -> CellNetlist:
    """A network as cells, annealed as a recipe says; equal networks are annealed only once."""
    ports = (*network.inputs.items(), *network.outputs.items())
    nodes = network.nodes  # `nodes.values` is left out below: it follows from the other arrays
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
    """The gates from which :func:`anneal_module` starts; kept for later calls with equal input."""
    key = rtlil, module, *recipe.abc, technology.content_hash
    if key not in _started:
        folder.mkdir(exist_ok=True)
        (folder / "design.il").write_text(rtlil)
        (folder / "search.abc").write_text(recipe.script(None))
        (folder / "gates.lib").write_text(gate_liberty(technology))
        options = "-liberty gates.lib"
        _started[key] = starting_network(module, read, options, technology.cells, folder)
    return _started[key]


def starting_network(
    module: str, read: Sequence[str], gates: str, cells: Mapping[str, Cell], folder: Path
) -> Network:
    """A module as a network of gates with at most three inputs, ready for annealing.

    ABC minimizes the module with the script ``search.abc``, which must be in ``folder``. ``gates``
    are options of Yosys' ``abc`` that choose the gates to map to. ``cells`` are the library cells
    that may appear in the result. Raises ToolError if Yosys or ABC fails, and ValueError if the
    module has too many input bits (:func:`.network.read_network`).
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
    """The truth tables of an addend with ``negate`` inverted and ``rest`` changed to match it.

    The product stays the same. A row of a truth table is one pair of codes. Rows where the changed
    ``rest`` would need more bits keep the values of ``network``.
    Returns (outputs, words) uint64, 64 rows in a word.
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
