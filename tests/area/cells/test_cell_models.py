"""Verilog models of library cells have the functions that the library states, as Yosys confirms."""

import json

import pytest

from halfbyte.area import load_technology, technology_names
from halfbyte.area.cells.cell_models import cell_models
from halfbyte.area.cells.function import truth_table
from halfbyte.area.netlists.aig import Aig
from halfbyte.area.netlists.circuit import read_circuits
from halfbyte.base import UserError, run_yosys

pytestmark = pytest.mark.yosys

_SCRIPT = """\
read_verilog cells.v
proc
simplemap
opt_clean
write_json cells.json
"""


@pytest.mark.parametrize("name", technology_names())
def test_models_compute_the_functions_of_the_library(name, tmp_path):
    technology = load_technology(name)
    gates = {cell.name: cell for cell in technology.cells.values() if not cell.flip_flop}
    (tmp_path / "cells.v").write_text(cell_models(technology, gates))
    run_yosys(_SCRIPT.replace("simplemap", "techmap"), tmp_path, "Cell models")
    circuits = read_circuits((tmp_path / "cells.json").read_text())
    assert circuits.keys() == gates.keys()
    for name, circuit in circuits.items():
        inputs = list(gates[name].inputs)
        aig = Aig()
        variables = aig.word(len(inputs))
        known = {circuit.inputs[pin][0]: v for pin, v in zip(inputs, variables, strict=True)}
        literals = circuit.evaluate(aig, known)
        for pin, function in gates[name].outputs.items():
            word = circuit.word(literals, circuit.outputs[pin])
            table = sum(
                aig.evaluate(
                    [word],
                    {v: row >> place & 1 for place, v in enumerate(variables)},
                    variables,
                )[0]
                << row
                for row in range(2 ** len(inputs))
            )
            assert table == truth_table(function, inputs), (name, pin)


@pytest.mark.parametrize("name", technology_names())
def test_flip_flops_follow_the_clock(name, tmp_path):
    """SG13G2's flip-flop has an asynchronous clear, and ASAP7's an inverted output."""
    technology = load_technology(name)
    cell = technology.flip_flop
    (tmp_path / "cells.v").write_text(cell_models(technology, [cell.name]))
    run_yosys(_SCRIPT, tmp_path, "Cell models")
    module = json.loads((tmp_path / "cells.json").read_text())["modules"][cell.name]
    kinds = sorted(part["type"] for part in module["cells"].values())
    inverted = ["$_NOT_"] if cell.flip_flop.inverted else []
    assert kinds == sorted([*inverted, "$_DFF_PN0_" if cell.flip_flop.clear else "$_DFF_P_"])
    (register,) = (part for part in module["cells"].values() if "DFF" in part["type"])
    assert register["connections"]["D"] == module["ports"][cell.flip_flop.data]["bits"]
    assert register["connections"]["C"] == module["ports"][cell.flip_flop.clock]["bits"]


def test_unknown_cells_are_refused():
    with pytest.raises(UserError, match="sky130hd has no cell mystery"):
        cell_models(load_technology("sky130hd"), ["mystery"])
