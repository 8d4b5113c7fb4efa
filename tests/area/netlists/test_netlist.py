"""Tests the reader of netlists that consist of library cells, with the toy technology."""

import json

from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.timing.delay import analyse_timing


def written(folder, cells, outputs):
    """Write a netlist with the input ``a`` on net 2; returns its path."""
    ports = {"a": {"direction": "input", "bits": [2]}}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in outputs.items()}
    body = {name: {"type": kind, "connections": pins} for name, (kind, pins) in cells.items()}
    path = folder / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": ports, "cells": body}}}))
    return path


def test_nets_of_tie_cells_are_constants(tmp_path, toy):
    cells = {
        "tie": ("TIE", {"HI": [3], "LO": [4]}),
        "gate": ("NAND2", {"A": [2], "B": [3], "Y": [5]}),
    }
    path = written(tmp_path, cells, {"y": [5], "low": [4]})
    netlist = read_netlist(path, toy.cells, "top")
    (gate,) = netlist.gates
    assert dict(gate.pins) == {"A": 2, "B": "1", "Y": 5}
    assert netlist.outputs == {"y": (5,), "low": ("0",)}
    assert [tie.name for tie in netlist.ties] == ["tie"]
    assert netlist.leakage == 2 + 1
    # The NAND's delay is 12 ps plus 1/8 of its input's slew of 16 ps. Its output has no load.
    assert analyse_timing(netlist, toy).output_ps == 12 + 16 / 8
