"""NLDM tables hold a number for each slew and load, and are interpolated linearly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from halfbyte.area.cells.nldm import Table, greatest, mean, total

AXIS = st.lists(st.integers(0, 500), min_size=2, max_size=7, unique=True).map(sorted)
UNIT = st.floats(0, 1)


def table(rows, columns, function):
    """The table with ``function(row, column)`` at each point."""
    return Table.of(rows, columns, [[function(row, column) for column in columns] for row in rows])


@given(st.data(), AXIS, AXIS)
def test_interpolates_as_scipy_does(data, rows, columns):
    values = data.draw(
        st.lists(
            st.lists(st.floats(-1e3, 1e3), min_size=len(columns), max_size=len(columns)),
            min_size=len(rows),
            max_size=len(rows),
        )
    )
    reference = RegularGridInterpolator((rows, columns), np.array(values))
    row = rows[0] + data.draw(UNIT) * (rows[-1] - rows[0])
    column = columns[0] + data.draw(UNIT) * (columns[-1] - columns[0])
    expected = reference([[row, column]])[0]
    assert Table.of(rows, columns, values).at(row, column) == pytest.approx(expected, abs=1e-6)


def test_extrapolates_beyond_its_axes():
    plane = table([10, 20, 40], [1, 3], lambda slew, load: 5 + 0.5 * slew + 2 * load)
    for slew, load in ((0, 0), (100, 2), (20, 50), (100, 50), (-5, 60)):
        assert plane.at(slew, load) == pytest.approx(5 + 0.5 * slew + 2 * load)


def test_an_axis_of_one_entry_is_ignored():
    assert Table.constant(7.0).at(123, 456) == 7
    row = Table.of([0.0], [1, 3], [[10, 20]])
    assert row.at(999, 2) == 15
    column = Table.of([1, 3], [0.0], [[10], [20]])
    assert column.at(2, 999) == 15


def test_combines_tables_on_the_axes_of_the_largest():
    small, large = Table.constant(4.0), table([0, 2], [0, 2], lambda row, column: row + column)
    assert greatest([small, large]).values == ((4, 4), (4, 4))
    assert mean([small, large]).values == ((2, 3), (3, 4))
    assert total([small, large]).values == ((4, 6), (6, 8))
    assert large.scaled(3).values == ((0, 6), (6, 12))


@pytest.mark.parametrize(
    ("rows", "columns", "values", "message"),
    [
        ([1, 2], [1], [[1]], "2 rows of 1 values"),
        ([1], [1, 2], [[1]], "1 rows of 2 values"),
        ([2, 1], [1], [[1], [2]], "must ascend"),
        ([1], [1], [["x"]], "could not convert"),
    ],
)
def test_malformed_table_is_refused(rows, columns, values, message):
    with pytest.raises(ValueError, match=message):
        Table.of(rows, columns, values)
