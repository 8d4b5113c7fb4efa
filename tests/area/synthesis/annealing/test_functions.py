"""The gates that annealing uses, compared with plain Python and with library cells.

A gate has a kind, such as AND2, and a polarity: which of its inputs and output are inverted.
"""

from itertools import permutations

import numpy as np
import pytest

from halfbyte.area.cells.function import truth_table
from halfbyte.area.cells.technology import load_technology, technology_names
from halfbyte.area.synthesis.annealing.functions import gate_functions, library_gates, unit_gates
from halfbyte.area.synthesis.annealing.state import (
    AND2,
    FAN_INS,
    IMPOSSIBLE,
    NOT,
    OUTPUT,
    XOR2,
    compute,
)
from halfbyte.base.compiled import borrowing_jit


def test_compiled_gates_have_the_stated_truth_tables():
    compiled, values = borrowing_jit(compute), np.zeros((4, 1), np.uint64)
    for (kind, polarity), table in gate_functions().items():
        rows = 2 ** FAN_INS[kind]
        values[:3, 0] = [
            sum((row >> place & 1) << row for row in range(rows)) for place in range(3)
        ]
        compiled(values[0], values, 3, kind, polarity, 0, 1, 2)
        assert int(values[3, 0]) & 2**rows - 1 == table, (kind, polarity)


def test_no_two_gates_are_the_same():
    found = [(FAN_INS[kind], table) for (kind, _), table in gate_functions().items()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", technology_names())
def test_cells_compute_their_gates_at_their_area(name):
    technology = load_technology(name)
    gates = library_gates(technology)
    tables = gate_functions()
    assert {(NOT, 0), (AND2, OUTPUT), (AND2, 3)} <= set(gates.cells)  # inverter, NAND, NOR
    for function, placed in gates.cells.items():
        assert truth_table(placed.cell.outputs[placed.output], placed.pins) == tables[function]
        assert gates.cost[function] == placed.cell.area
        smaller = [
            cell
            for cell in technology.plain_cells
            if not cell.flip_flop and len(cell.outputs) == 1 and cell.area < placed.cell.area
            for pins in permutations(cell.inputs)
            if len(pins) == FAN_INS[function[0]]
            if truth_table(next(iter(cell.outputs.values())), pins) == tables[function]
        ]
        assert not smaller
    assert (gates.cost < IMPOSSIBLE).sum() == len(gates.cells)


def test_unit_gates_are_and_or_xor_not():
    gates = unit_gates()
    assert gates.typical == 1
    tables = {gate_functions()[kind, polarity] for kind, polarity in np.argwhere(gates.cost == 1)}
    assert tables == {0b01, 0b1000, 0b1110, 0b0110}
    assert gates.cost[XOR2, OUTPUT] == IMPOSSIBLE
