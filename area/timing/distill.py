"""Reduces a full cell library to a technology card: a YAML file with the cells for synthesis."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import canonical_table, truth_table
from halfbyte.area.cells.library import read_library
from halfbyte.area.cells.reduction import reduced
from halfbyte.area.cells.strengths import family, resistance
from halfbyte.area.cells.technology import Technology
from halfbyte.area.timing.delay import typical_slew

__all__ = ["distill"]

# The most inputs of a gate in the card. If this were four, a MAC would take up to 5 % more area
# than with the whole library (found for a MAC with a table of products on ASAP7). With five, the
# difference is below 1 % on all shipped cards.
MAX_INPUTS = 5
# The card keeps at most this many inverters, and at most this many buffers. It keeps the smallest
# ones, with different areas.
STRENGTHS = 4
# For netlists with a clock to meet, the card also keeps up to two stronger cells of a function,
# unless it is an inverter or a buffer. For each of these factors, it keeps the smallest cell that
# drives a load at least that many times as fast as the function's smallest cell does.
SPEEDS = (1.7, 3.4)
# For functions with more inputs, the card keeps no stronger cells.
MAX_SIZED_INPUTS = 3
_HEADER = """\
# Technology card: a small part of a cell library, written by `halfbyte tech distill`. Areas and
# functions are the library's own. Timing tables are fitted to the library's larger tables.
# strengths: stronger versions of other cells, used only if there is a clock to meet.
# inputs: the capacitance of each input pin.
# late_inputs: the upper ends of the library's capacitance ranges, for computing the longest delay.
# function: the logic function of an output. IQ is the state of a flip-flop, and IQN its inverse.
# timing: tables of an output by input pin, then by sense (positive: the output has the same edge as
# the input; negative: the opposite edge; both: either edge). There are four tables: delay and
# transition time of a rising output, then of a falling output. Commas separate the rows of a table.
# A table has a row for each of `slews` (of the input), with a value for each of `loads`.
# setup: setup times of a rising data input, then of a falling one. There is a row for each of
# `slews` (of the data), with a value for each of `clock_slews`.
# energies: internal energies of one transition. A cell lists them by input pin, for a transition of
# this pin alone. An output lists them by the input that causes its transition, with a value for
# each of `loads`.
"""


class _Dumper(yaml.SafeDumper):
    """Writes each list in one line, even a list of lists."""


_Dumper.add_representer(
    list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True)
)


def distill(
    paths: Sequence[Path], *, name: str, title: str = "", source: str = "", licence: str = ""
) -> str:
    """The text of a card (YAML) for a library, which consists of one or more Liberty files.

    The card keeps the smallest cell for every function of up to five inputs. Functions that differ
    only in the order of their inputs count as one. The card also keeps a few inverters and buffers,
    the smallest flip-flop, full adder, half adder and tie cells, and up to two stronger versions of
    other cells with up to three inputs. Raises UserError if ``name`` is malformed, or if the
    library cannot be read or lacks a needed cell.
    """
    library = read_library(paths)
    whole = Technology(
        name,
        title or library.name,
        library.corner,
        source,
        licence,
        library.cells,
        library.voltage,
        left_out=library.left_out,
        time_unit_ps=library.time_unit_ps,
    )
    preference = _preference(whole.cells.values())
    kept = _smallest_gates(whole.cells.values(), preference) | _drivers(whole, preference)
    kept |= {whole.flip_flop.name}
    kept |= {adder.cell for adder in (whole.full_adder, whole.half_adder) if adder}
    has_tables = any(whole.inverter.arcs.values())
    slew = typical_slew(whole) if has_tables else 0.0
    strengths = _strengths(whole, kept, slew) if has_tables else frozenset()
    cells = {cell: reduced(whole.cells[cell], slew) for cell in sorted(kept | strengths)}
    card = replace(whole, cells=cells, strengths=strengths).to_card()
    # A large width keeps the timing of an input in one line.
    text = yaml.dump(card, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=1000)
    return f"{_HEADER}{text}"


def _logic(cell: Cell) -> tuple[int, tuple[int, ...]] | None:
    """A key for the function of a gate, the same for any order of its inputs.

    None for flip-flops, for cells with too many inputs, and for cells with several outputs, unless
    all outputs are constant (tie cells).
    """
    count = len(cell.inputs)
    if cell.flip_flop or count > MAX_INPUTS or (count and len(cell.outputs) > 1):
        return None
    tables = (truth_table(function, list(cell.inputs)) for function in cell.outputs.values())
    return count, tuple(sorted(canonical_table(table, count)[1] for table in tables))


Preference = Callable[[Cell], tuple[float, float, str]]


def _preference(cells: Iterable[Cell]) -> Preference:
    """A sort key for cells: the smallest area first, then the input load closest to the median.

    Gates of the same area may differ in strength. A gate of typical strength then comes first,
    since gates of similar strength drive each other well without sizing.
    """
    median = statistics.median(load for cell in cells for load in cell.inputs.values())

    def key(cell: Cell) -> tuple[float, float, str]:
        load = statistics.fmean(cell.inputs.values()) if cell.inputs else median
        return cell.area, abs(load - median), cell.name

    return key


def _smallest_gates(cells: Iterable[Cell], preference: Preference) -> set[str]:
    """The names of the smallest gates, one for each function."""
    smallest: dict[tuple[int, tuple[int, ...]], Cell] = {}
    for cell in cells:
        logic = _logic(cell)
        if logic is not None:
            smallest[logic] = min(smallest.get(logic, cell), cell, key=preference)
    return {cell.name for cell in smallest.values()}


def _drivers(technology: Technology, preference: Preference) -> set[str]:
    """The names of the smallest inverters and the smallest buffers, one of each area."""
    kept: set[str] = set()
    for pattern in filter(None, (technology.inverter, technology.buffer)):
        same = [cell for cell in technology.cells.values() if _logic(cell) == _logic(pattern)]
        by_area = {cell.area: cell.name for cell in sorted(same, key=preference, reverse=True)}
        kept |= {by_area[area] for area in sorted(by_area)[:STRENGTHS]}
    return kept


def _family(cell: Cell) -> object:
    """A key that cells of one function share; None if it gets no stronger cells in the card."""
    return None if len(cell.inputs) == 1 else family(cell, MAX_SIZED_INPUTS)


def _strengths(technology: Technology, kept: set[str], slew: float) -> frozenset[str]:
    """The names of the cells that are stronger versions of kept cells."""
    # Strengths are compared at a load of ten small inverters.
    load = 10 * next(iter(technology.inverter.inputs.values()))
    found = set()
    timed = [cell for cell in technology.cells.values() if any(cell.arcs.values())]
    for smallest in (cell for cell in timed if cell.name in kept and _family(cell)):
        alike = [cell for cell in timed if _family(cell) == _family(smallest)]
        for speed in SPEEDS:
            own = resistance(smallest, slew, load)
            strong = [cell for cell in alike if resistance(cell, slew, load) * speed <= own]
            if strong:
                found.add(min(strong, key=lambda cell: (cell.area, cell.name)).name)
    return frozenset(found - kept)
