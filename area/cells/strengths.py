"""Which cells are stronger forms of others, by how fast they drive a load."""

import statistics
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import canonical_table, truth_table

__all__ = ["Doubt", "doubtful_areas", "family", "resistance"]

MAX_INPUTS = 5
# A cell that drives a load so many times as fast is a stronger one, beyond doubt.
_STRONGER = 1.3


class Doubt(NamedTuple):
    """A cell that states less area than a weaker one of the same function."""

    strong: Cell
    weak: Cell

    def __str__(self) -> str:
        return (
            f"{self.strong.name} drives more than {self.weak.name} and states less area "
            f"({self.strong.area:g} against {self.weak.area:g} um^2)"
        )


def family(cell: Cell, most_inputs: int = MAX_INPUTS) -> object:
    """Alike for cells that can stand for each other; None for a cell that is in no family."""
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
    """By how many ps a cell gets slower with ``load`` fF, mean over its edges; it has tables."""
    return statistics.fmean(
        edge.delay.at(slew, load) - edge.delay.at(slew, 0.0)
        for by_source in cell.arcs.values()
        for arcs in by_source.values()
        for arc in arcs
        for edge in arc.edges
    )


def doubtful_areas(cells: Iterable[Cell], slew: float, load: float) -> Iterator[Doubt]:
    """The smallest cell of each function, where it drives more than one that states more area.

    Areas may be so in earnest, or a slip of the library that every synthesis would fall for.
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
