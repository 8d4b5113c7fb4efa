"""Distilling a full library into a technology card of a few dozen cells."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import yaml

from halfbyte.area.cells import Cell
from halfbyte.area.function import canonical_table, truth_table
from halfbyte.area.library import read_library
from halfbyte.area.technology import Technology

__all__ = ["distill"]

# With gates of up to four inputs a MAC takes up to 5 % more area than with the whole library
# (ASAP7, 6-bit table); with five the difference is below 1 % on all shipped cards.
MAX_INPUTS = 5
# Inverters and buffers of the smallest areas are kept for driving loads.
STRENGTHS = 4
_HEADER = """\
# Technology card, written by `halfbyte tech distill`. Areas and functions are the library's.
# timing: for each input four planes (rise, fall, rise transition, fall transition), each
# [intrinsic, per slew, per load]: least squares over the library's tables up to an eighth of their
# largest slew and load, of the slowest arc. setup_ps: for the fastest edges in the library.
"""


class _Dumper(yaml.SafeDumper):
    """Lists stand in one row, even lists of lists."""


_Dumper.add_representer(
    list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True)
)


def distill(
    paths: Sequence[Path], *, name: str, title: str = "", source: str = "", licence: str = ""
) -> str:
    """The text of a card (YAML) for a library in one Liberty file or several.

    Keeps, for every function of up to five inputs (inputs may swap), the smallest cell; a few
    inverters and buffers; the smallest flip-flop, full and half adder, and tie cells. Raises
    UserError for libraries that cannot be read or lack a needed cell.
    """
    library = read_library(paths)
    whole = Technology(name, title or library.name, library.corner, source, licence, library.cells)
    preference = _preference(whole.cells.values())
    kept = _smallest_gates(whole.cells.values(), preference) | _drivers(whole, preference)
    kept |= {whole.flip_flop.name}
    kept |= {adder.cell for adder in (whole.full_adder, whole.half_adder) if adder}
    cells = {cell: whole.cells[cell] for cell in sorted(kept)}
    card = Technology(name, whole.title, whole.corner, source, licence, cells).to_card()
    # No line is folded: an input's timing is one row.
    text = yaml.dump(card, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=1000)
    return f"{_HEADER}{text}"


def _logic(cell: Cell) -> tuple[int, tuple[int, ...]] | None:
    """What a gate computes, alike for gates that differ by the order of inputs; else None.

    Several outputs count if all are constant: a tie cell.
    """
    count = len(cell.inputs)
    if cell.flip_flop or count > MAX_INPUTS or (count and len(cell.outputs) > 1):
        return None
    tables = (truth_table(function, list(cell.inputs)) for function in cell.outputs.values())
    return count, tuple(sorted(canonical_table(table, count)[1] for table in tables))


Preference = Callable[[Cell], tuple[float, float, str]]


def _preference(cells: Iterable[Cell]) -> Preference:
    """The smallest first; of equal ones that whose inputs load most like the library's median.

    Libraries have gates of several strengths in one area. Alike in strength, they drive each other
    well without being sized.
    """
    median = statistics.median(load for cell in cells for load in cell.inputs.values())

    def key(cell: Cell) -> tuple[float, float, str]:
        load = statistics.fmean(cell.inputs.values()) if cell.inputs else median
        return cell.area, abs(load - median), cell.name

    return key


def _smallest_gates(cells: Iterable[Cell], preference: Preference) -> set[str]:
    smallest: dict[tuple[int, tuple[int, ...]], Cell] = {}
    for cell in cells:
        logic = _logic(cell)
        if logic is not None:
            smallest[logic] = min(smallest.get(logic, cell), cell, key=preference)
    return {cell.name for cell in smallest.values()}


def _drivers(technology: Technology, preference: Preference) -> set[str]:
    """A few strengths of inverter and buffer, the smallest first, each of another area."""
    kept: set[str] = set()
    for pattern in (technology.inverter, technology.buffer):
        same = [cell for cell in technology.cells.values() if _logic(cell) == _logic(pattern)]
        by_area = {cell.area: cell.name for cell in sorted(same, key=preference, reverse=True)}
        kept |= {by_area[area] for area in sorted(by_area)[:STRENGTHS]}
    return kept
