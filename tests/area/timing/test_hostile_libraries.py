"""A cell with impossible numbers is left out of a library.

If the library then lacks an inverter, the error message names the cell that was left out, and says
why.
"""

import pytest

from halfbyte.area.cells.technology import from_liberty
from halfbyte.area.timing.distill import distill
from halfbyte.base import UserError
from tests.area.small_library import CELLS, library

INVERTER = CELLS["INV"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("area : 1", "area : -1", "its area must not be negative, but it is -1"),
        ("area : 1", "area : inf", "area must be a finite number, not 'inf'"),
        ("leakage_power : 0.1", "leakage_power : -5", "leakage must not be negative, but it is -5"),
        ("capacitance : 0.002", "capacitance : nan", "must be a finite number, not 'nan'"),
        ("capacitance : 0.002", "capacitance : -1", "must not be negative, but one is -1"),
        *(
            (
                "capacitance : 0.002",
                f"capacitance : 0.002; rise_capacitance_range {wrong}",
                f"a range of capacitances must be two numbers, not '{came}'",
            )
            for wrong, came in (
                ("(0.001, 0.002, 0.003)", "0.001 0.002 0.003"),
                ("(0.001)", "0.001"),
                ("(low, 0.002)", "low 0.002"),
                (": 12", "12"),
            )
        ),
        ("cell (INV)", "cell (INV, INW)", "a cell must have one name, not INV, INW"),
        ("cell_rise (d)", "cell_rise (d, s)", "a table must have one template, not d, s"),
        ('"0.02, 0.30"', '"1e999, 0.3"', "a table must hold finite numbers"),
    ],
)
@pytest.mark.parametrize("read", [from_liberty, lambda paths: distill(paths, name="mine")])
def test_a_cell_with_impossible_numbers_is_named(tmp_path, read, old, new, why):
    assert old in INVERTER
    path = tmp_path / "small.lib"
    path.write_text(library(INV=INVERTER.replace(old, new)))
    with pytest.raises(UserError, match="has no inverter") as caught:
        read([path])
    assert "left out: INV (" in str(caught.value)
    assert why in str(caught.value)


def test_a_flip_flop_with_three_state_variables_is_named(tmp_path):
    path = tmp_path / "small.lib"
    path.write_text(library(DFF=CELLS["DFF"].replace("ff (IQ, IQN)", "ff (IQ, IQN, IQX)")))
    with pytest.raises(UserError, match=r"at most its inverse, not IQ, IQN, IQX") as caught:
        from_liberty([path])
    assert "left out: DFF (" in str(caught.value)
