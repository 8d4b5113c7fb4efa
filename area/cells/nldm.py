"""Tables of a cell library (NLDM, the non-linear delay model) and bilinear look-up in them."""

import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Table", "greatest", "mean", "total"]

# An axis on which a table does not depend: it has a single entry, whose value has no meaning.
_NO_AXIS = (0.0,)


class Table(NamedTuple):
    """``values[row][column]`` over two ascending axes.

    For delays, transitions and energies, ``rows`` are slews of the input in ps and ``columns`` are
    loads of the output in fF. For setup times, ``rows`` are slews of the data and ``columns`` are
    slews of the clock. If an axis has only one entry, the table does not depend on that axis.
    """

    rows: tuple[float, ...]
    columns: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def at(self, row: float, column: float) -> float:
        """The interpolated value at a point; beyond the axes it is extrapolated linearly."""
        i, y = _place(self.rows, row)
        j, x = _place(self.columns, column)
        low = self.values[i]
        if x:
            first = low[j] + x * (low[j + 1] - low[j])
            if not y:
                return first
            high = self.values[i + 1]
            return first + y * (high[j] + x * (high[j + 1] - high[j]) - first)
        return low[j] + y * (self.values[i + 1][j] - low[j]) if y else low[j]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self.rows), len(self.columns)

    def scaled(self, factor: float) -> "Table":
        """Every entry times ``factor``."""
        return self._replace(
            values=tuple(tuple(factor * value for value in row) for row in self.values)
        )

    @classmethod
    def of(
        cls,
        rows: Sequence[float],
        columns: Sequence[float],
        values: Sequence[Sequence[float | str]],
    ) -> "Table":
        """A table from numbers or texts; raises TypeError or ValueError if they are malformed."""
        table = cls(
            tuple(map(float, rows)),
            tuple(map(float, columns)),
            tuple(tuple(map(float, row)) for row in values),
        )
        if [len(row) for row in table.values] != [len(columns)] * len(rows):
            raise ValueError(
                f"A table must have {len(rows)} rows of {len(columns)} values, not rows of "
                f"{[len(row) for row in table.values]}"
            )
        if any(left >= right for axis in table[:2] for left, right in pairwise(axis)):
            raise ValueError("Each axis of a table must ascend")
        return table

    @classmethod
    def constant(cls, value: float) -> "Table":
        """A table with a single value."""
        return cls(_NO_AXIS, _NO_AXIS, ((value,),))


def _place(axis: Sequence[float], point: float) -> tuple[int, float]:
    """The number of the axis interval that ``point`` belongs to, and its relative position there.

    A point beyond the axis belongs to the nearest interval.
    """
    if len(axis) == 1:
        return 0, 0.0
    index = min(max(bisect_right(axis, point) - 1, 0), len(axis) - 2)
    return index, (point - axis[index]) / (axis[index + 1] - axis[index])


def greatest(tables: Sequence[Table]) -> Table:
    """The maximum of the tables at each point, on the axes of the table with the most entries."""
    return _combined(tables, max)


def mean(tables: Sequence[Table]) -> Table:
    """The mean of the tables at each point, on the axes of the table with the most entries."""
    return _combined(tables, statistics.fmean)


def total(tables: Sequence[Table]) -> Table:
    """The sum of the tables at each point, on the axes of the table with the most entries."""
    return _combined(tables, sum)


def _combined(tables: Sequence[Table], combine: Callable[[list[float]], float]) -> Table:
    """One table with the combined values of all ``tables`` at each point of the largest table."""
    pattern = max(tables, key=lambda table: math.prod(table.shape))
    if len(tables) == 1:
        return pattern
    values = tuple(
        tuple(combine([table.at(row, column) for table in tables]) for column in pattern.columns)
        for row in pattern.rows
    )
    return pattern._replace(values=values)
