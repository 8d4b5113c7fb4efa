"""Reduces a cell's tables to the size that is kept in a technology card, a small YAML library.

Tables of delays, transitions and setup times keep at most four rows and four columns. Their entries
are fitted by least squares to the library's table, at its points and halfway between them. Tables
of internal energies keep one row for an output, and one value for an input.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.cell import Arc, Cell, Edge
from halfbyte.area.cells.nldm import Table

__all__ = ["reduced"]

# Which rows and columns are kept: positions in the library's axes, from 0 (first) to 1 (last).
# Slews above the last kept row are extrapolated.
_ROWS = (0, 1 / 3, 2 / 3, 5 / 6)
_COLUMNS = (0, 1 / 3, 2 / 3, 1)
_Axis = tuple[float, ...]


def reduced(cell: Cell, slew: float) -> Cell:
    """The cell with small tables; its energies are those for an input slew of ``slew`` ps.

    All timing tables of an output get the same rows and columns.
    """
    state = cell.flip_flop
    if state and state.setup:
        knots = _knots(state.setup[0])
        rise, fall = (_fitted(table, *knots) for table in state.setup)
        state = replace(state, setup=(rise, fall))
    axes = {pin: _knots(_first(by_source)) for pin, by_source in cell.arcs.items() if by_source}
    return replace(
        cell,
        arcs={
            pin: {
                source: tuple(_arc(arc, *axes[pin]) for arc in arcs)
                for source, arcs in by_source.items()
            }
            for pin, by_source in cell.arcs.items()
        },
        energies={
            pin: {source: _energy(table, slew, axes[pin][1]) for source, table in by_source.items()}
            for pin, by_source in cell.energies.items()
            if pin in axes
        },
        input_energies={
            pin: Table.constant(_brief(table.at(slew, 0.0)))
            for pin, table in cell.input_energies.items()
        },
        flip_flop=state,
    )


def _first(by_source: Mapping[str, tuple[Arc, ...]]) -> Table:
    """The first delay table of an output, which decides the rows and columns to keep."""
    return next(iter(by_source.values()))[0].edges[0].delay


def _arc(arc: Arc, rows: _Axis, columns: _Axis) -> Arc:
    rise, fall = (
        Edge(*(_fitted(table, rows, columns) for table in edge)) if edge else None
        for edge in (arc.rise, arc.fall)
    )
    return Arc(arc.sense, rise, fall)


def _energy(table: Table, slew: float, loads: _Axis) -> Table:
    """A table of energies with one row, for one input slew."""
    return Table((0.0,), loads, (tuple(_brief(table.at(slew, load)) for load in loads),))


def _fitted(table: Table, rows: _Axis, columns: _Axis) -> Table:
    """The table with these rows and columns that fits ``table`` best (least squares)."""
    dense_rows, dense_columns = _dense(table.rows), _dense(table.columns)
    points = [[table.at(row, column) for column in dense_columns] for row in dense_rows]
    values = _fit(rows, dense_rows) @ np.array(points) @ _fit(columns, dense_columns).T
    return Table(rows, columns, tuple(tuple(map(_brief, row)) for row in values.tolist()))


def _brief(value: float) -> float:
    """The value with three significant digits."""
    return float(f"{value:.3g}")


def _knots(table: Table) -> tuple[_Axis, _Axis]:
    """The entries that are kept on both axes of a table."""
    rows, columns = (
        tuple(dict.fromkeys(axis[round(part * (len(axis) - 1))] for part in parts))
        for axis, parts in ((table.rows, _ROWS), (table.columns, _COLUMNS))
    )
    return rows, columns


def _dense(axis: _Axis) -> _Axis:
    """The entries of an axis, and the midpoints between neighbouring entries."""
    return tuple(sorted({*axis, *((left + right) / 2 for left, right in pairwise(axis))}))


@cache
def _fit(knots: _Axis, points: _Axis) -> NDArray[np.float64]:
    """The matrix that turns values at ``points`` of an axis into values at its ``knots``.

    Knots are the entries of the axis that are kept. The values at the knots define a function that
    is linear between them. The matrix gives the function with the least sum of squared errors at
    ``points``.
    """
    unit = np.eye(len(knots))
    weights = [
        [
            Table(knots, (0.0,), tuple((v,) for v in column)).at(point, 0.0)
            for column in unit.tolist()
        ]
        for point in points
    ]
    inverse: NDArray[np.float64] = np.linalg.pinv(np.array(weights))
    return inverse
