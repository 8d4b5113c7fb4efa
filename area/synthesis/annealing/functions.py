"""The gates of the annealing, their costs, and the library cells that implement them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations, product

import numpy as np

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import truth_table
from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.annealing.state import (
    AND2,
    AND3,
    AO21,
    FAN_INS,
    IMPOSSIBLE,
    KINDS,
    MUX,
    NOT,
    OUTPUT,
    XOR2,
)

__all__ = [
    "GateFunction",
    "GateSet",
    "PlacedCell",
    "gate_functions",
    "gate_liberty",
    "library_gates",
    "smallest_cells",
    "unit_gates",
]

# Kind of a gate (such as AND2), and polarity: bits 0 to 2 invert fan-ins, bit 3 inverts the output.
GateFunction = tuple[int, int]


@dataclass(frozen=True)
class PlacedCell:
    """A cell for a function: ``pins`` in the order of the function's inputs, and the output pin."""

    cell: Cell
    pins: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class GateSet:
    """The gates that a network may have, and what they cost.

    Parameters
    ----------
    cost : numpy array
        (KINDS, 16) float64: the cost of each gate by kind and polarity; IMPOSSIBLE for a missing
        gate.
    cells : mapping of GateFunction to PlacedCell
        The library cells of the gates, if the costs are their areas in um^2.
    """

    cost: np.ndarray
    cells: Mapping[GateFunction, PlacedCell] = field(default_factory=dict)

    @property
    def typical(self) -> float:
        """The median cost of two-input gates, which is the unit of annealing temperatures."""
        costs = self.cost[[AND2, XOR2]]
        return float(np.median(costs[costs < IMPOSSIBLE]))


def gate_functions() -> dict[GateFunction, int]:
    """All gates that the annealing knows, with their truth tables over the fan-ins.

    Multiplexers with an inversion are left out. XORs with inverted fan-ins are left out because
    they have the same functions as XOR and XNOR.
    """
    masks = {NOT: 0, AND2: 3 | OUTPUT, XOR2: OUTPUT, AND3: 7 | OUTPUT, AO21: 7 | OUTPUT, MUX: 0}
    return {
        (kind, polarity): _table(kind, polarity)
        for kind, mask in masks.items()
        for polarity in range(16)
        if not polarity & ~mask
    }


def _table(kind: int, polarity: int) -> int:
    """A gate's truth table: bit ``i`` is the value where the fan-ins have the bits of ``i``."""
    table = 0
    for row, bits in enumerate(product((0, 1), repeat=FAN_INS[kind])):
        a, b, c = (*reversed(bits), 0, 0)[:3]
        a, b, c = a ^ polarity & 1, b ^ polarity >> 1 & 1, c ^ polarity >> 2 & 1
        value = {
            NOT: 1 - a,
            AND2: a & b,
            XOR2: a ^ b,
            AND3: a & b & c,
            AO21: a & b | c,
            MUX: a if c else b,
        }[kind]
        table |= (value ^ polarity >> 3) << row
    return table


def unit_gates() -> GateSet:
    """The gates AND, OR, XOR and NOT, each at a cost of one."""
    cost = np.full((KINDS, 16), IMPOSSIBLE)
    for gate in ((NOT, 0), (AND2, 0), (AND2, 3 | OUTPUT), (XOR2, 0)):
        cost[gate] = 1.0
    return GateSet(cost)


def smallest_cells(technology: Technology, max_pins: int) -> dict[tuple[int, int], PlacedCell]:
    """The smallest cell for each ``(number of inputs, truth table)``, up to ``max_pins`` inputs.

    Bit ``i`` of a truth table is the value where the inputs, as a binary number with the first
    input as bit 0, are ``i``. Flip-flops and cells with several outputs are left out.
    """
    cells: dict[tuple[int, int], PlacedCell] = {}
    for cell in sorted(technology.plain_cells, key=lambda cell: (cell.area, cell.name)):
        if cell.flip_flop or len(cell.outputs) != 1 or not 1 <= len(cell.inputs) <= max_pins:
            continue
        ((output, function),) = cell.outputs.items()
        for pins in permutations(cell.inputs):
            key = (len(pins), truth_table(function, pins))
            cells.setdefault(key, PlacedCell(cell, pins, output))
    return cells


def library_gates(technology: Technology) -> GateSet:
    """The gates for which a technology has a cell, with the smallest such cell and its area."""
    gates = {(FAN_INS[gate[0]], table): gate for gate, table in gate_functions().items()}
    # The cells stay in the order of `smallest_cells`, from small to large, because ABC breaks ties
    # by the order of the cells in the library.
    chosen = {
        gates[function]: placed
        for function, placed in smallest_cells(technology, max(FAN_INS)).items()
        if function in gates
    }
    cost = np.full((KINDS, 16), IMPOSSIBLE)
    for gate, placed in chosen.items():
        cost[gate] = placed.cell.area
    return GateSet(cost, chosen)


def gate_liberty(technology: Technology) -> str:
    """A Liberty library of the cells of :func:`library_gates`."""
    cells = (placed.cell for placed in library_gates(technology).cells.values())
    return technology.liberty_of(list({cell.name: cell for cell in cells}.values()))
