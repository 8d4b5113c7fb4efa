"""Distilling a full library into a technology card of a few dozen cells."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from halfbyte.area.cells import Cell
from halfbyte.area.function import canonical_table, truth_table
from halfbyte.area.library import read_library
from halfbyte.area.technology import Technology

__all__ = ["distill"]

MAX_INPUTS = 4
# Inverters and buffers of the smallest areas are kept for driving loads.
STRENGTHS = 3


def distill(
    paths: Sequence[Path], *, name: str, title: str = "", source: str = "", licence: str = ""
) -> str:
    """The text of a card (YAML) for a library in one Liberty file or several.

    Keeps, for every function of up to four inputs (inputs may swap), the smallest cell; a few
    inverters and buffers; the smallest flip-flop; the smallest full and half adder. Raises
    UserError for libraries that cannot be read or lack a needed cell.
    """
    library = read_library(paths)
    whole = Technology(name, title or library.name, library.corner, source, licence, library.cells)
    kept = _smallest_gates(whole) | _drivers(whole) | {whole.flip_flop.name}
    kept |= {adder.cell for adder in (whole.full_adder, whole.half_adder) if adder}
    cells = {cell: whole.cells[cell] for cell in sorted(kept)}
    card = Technology(name, whole.title, whole.corner, source, licence, cells).to_card()
    return yaml.safe_dump(card, sort_keys=False, default_flow_style=None, width=100)


def _logic(cell: Cell) -> tuple[int, int] | None:
    """The canonical function of a gate with one output and few inputs; None for other cells."""
    if cell.flip_flop or len(cell.outputs) != 1 or len(cell.inputs) > MAX_INPUTS:
        return None
    (expression,) = cell.outputs.values()
    return canonical_table(truth_table(expression, list(cell.inputs)), len(cell.inputs))


def _smallest_gates(technology: Technology) -> set[str]:
    smallest: dict[tuple[int, int], Cell] = {}
    for cell in technology.cells.values():
        function = _logic(cell)
        if function is None:
            continue
        best = smallest.get(function)
        if best is None or (cell.area, cell.name) < (best.area, best.name):
            smallest[function] = cell
    return {cell.name for cell in smallest.values()}


def _drivers(technology: Technology) -> set[str]:
    """A few strengths of inverter and buffer, the smallest first, each of another area."""
    kept: set[str] = set()
    for pattern in (technology.inverter, technology.buffer):
        same = [cell for cell in technology.cells.values() if _logic(cell) == _logic(pattern)]
        by_area = {
            cell.area: cell.name for cell in sorted(same, key=lambda c: c.name, reverse=True)
        }
        kept |= {by_area[area] for area in sorted(by_area)[:STRENGTHS]}
    return kept
