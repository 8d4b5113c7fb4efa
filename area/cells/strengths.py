"""Compares cells of the same function by their strength: how fast they drive a load."""

import statistics
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import canonical_table, truth_table

__all__ = ["Doubt", "doubtful_areas", "family", "resistance"]

# Gates with more inputs are not compared.
MAX_INPUTS = 5
# A cell that drives a load more than this many times as fast as another is certainly stronger.
_STRONGER = 1.3


class Doubt(NamedTuple):
    """Two cells of the same function: the library states a smaller area for the stronger one."""

    strong: Cell
    weak: Cell

    def __str__(self) -> str:
        return (
            f"{self.strong.name} is a stronger version of {self.weak.name}, but the library gives "
            f"it a smaller area ({self.strong.area:g} against {self.weak.area:g} µm²)"
        )


def family(cell: Cell, most_inputs: int = MAX_INPUTS) -> object:
    """A key that is equal for cells of the same function.

    None for a combinational cell that has no inputs, or more than ``most_inputs``.
    """
    if cell.flip_flop:
        return "flip-flop", cell.flip_flop.inverted, sorted(cell.flip_flop.tied.items())
    if not 1 <= len(cell.inputs) <= most_inputs:
        return None
    inputs = list(cell.inputs)
    return sorted(
        canonical_table(truth_table(function, inputs), len(inputs))
        for function in cell.outputs.values()
    )


def resistance(cell: Cell, slew: float, load: float) -> float:
    """How much longer a cell's mean delay is with a load of ``load`` fF than without load, in ps.

    The cell must have timing tables.
    """
    return statistics.fmean(
        edge.delay.at(slew, load) - edge.delay.at(slew, 0.0)
        for by_source in cell.arcs.values()
        for arcs in by_source.values()
        for arc in arcs
        for edge in arc.edges
    )


def doubtful_areas(cells: Iterable[Cell], slew: float, load: float) -> Iterator[Doubt]:
    """Yield each function's smallest cell, if it is stronger than a cell with a larger area.

    It comes with the weakest of these larger cells. The small area may be correct, or it may be an
    error in the library. Every synthesis would exploit such an error. Strengths are compared by
    :func:`resistance`, with ``slew`` in ps and ``load`` in fF.
    """
    families: dict[str, list[Cell]] = {}
    for cell in cells:
        alike = family(cell)
        if alike and any(cell.arcs.values()):
            families.setdefault(repr(alike), []).append(cell)
    for members in families.values():
        smallest = min(members, key=lambda cell: (cell.area, cell.name))
        own = resistance(smallest, slew, load)
        weaker = [
            cell
            for cell in members
            if cell.area > smallest.area and resistance(cell, slew, load) > _STRONGER * own > 0
        ]
        if weaker:
            yield Doubt(smallest, max(weaker, key=lambda cell: resistance(cell, slew, load)))
