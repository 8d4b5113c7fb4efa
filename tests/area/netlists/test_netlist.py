"""The reader of mapped netlists."""

import json

from halfbyte.area import load_technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.timing.delay import analyse_timing

NAND = "sky130_fd_sc_hd__nand2_1"
TIE = "sky130_fd_sc_hd__conb_1"


def written(folder, cells, outputs):
    ports = {"a": {"direction": "input", "bits": [2]}}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in outputs.items()}
    body = {name: {"type": kind, "connections": pins} for name, (kind, pins) in cells.items()}
    path = folder / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": ports, "cells": body}}}))
    return path


def test_nets_of_tie_cells_are_constants(tmp_path):
    cells = {
        "tie": (TIE, {"HI": [3], "LO": [4]}),
        "gate": (NAND, {"A": [2], "B": [3], "Y": [5]}),
    }
    path = written(tmp_path, cells, {"y": [5], "low": [4]})
    card = load_technology()
    netlist = read_netlist(path, card.cells, "top")
    (gate,) = netlist.gates
    assert dict(gate.pins) == {"A": 2, "B": "1", "Y": 5}
    assert netlist.outputs == {"y": (5,), "low": ("0",)}
    assert [tie.name for tie in netlist.ties] == ["tie"]
    leaking = card.cells[NAND].leakage + card.cells[TIE].leakage
    assert netlist.leakage == round(leaking, 4)
    assert analyse_timing(netlist, card).output_ps > 0
