"""Tests the timing analysis with netlists whose delays are computed by hand.

An arc is the timing from an input of a cell to its output. A slew is a transition time.
"""

import json
from dataclasses import replace

import pytest

from halfbyte.area import load_technology
from halfbyte.area.cells.cell import Arc, Cell, Edge, FlipFlop
from halfbyte.area.cells.nldm import Table
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.timing.delay import analyse_timing, inverter_delay, typical_slew
from halfbyte.base import UserError


def plane(constant, per_slew, per_load):
    """A table that is linear in slew (ps) and load (fF)."""

    def entry(slew, load):
        return constant + per_slew * slew + per_load * load

    return Table.of([0, 100], [0, 10], [[entry(s, c) for c in (0, 10)] for s in (0, 100)])


def arc(sense, rise, fall, rise_slew=0.0, fall_slew=0.0):
    """An arc whose output slews are constant.

    Its delays are ``rise`` and ``fall``, plus 0.1 times the input slew, plus 1 ps per fF of load.
    """
    return Arc(
        sense,
        Edge(plane(rise, 0.1, 1), Table.constant(rise_slew)),
        Edge(plane(fall, 0.1, 1), Table.constant(fall_slew)),
    )


def gate(name, function, arcs, load=2.0):
    """A cell with output Y; ``load`` is the capacitance of each input in fF."""
    return Cell(name, 1.0, 1.0, dict.fromkeys(arcs, load), {"Y": function}, {"Y": arcs})


CELLS = [
    gate("INV", "!A", {"A": (arc("negative", 10, 20, 30, 40),)}),
    gate("BUF", "A", {"A": (arc("positive", 15, 15),)}),
    gate("NAND", "!(A & B)", {"A": (arc("negative", 12, 12),), "B": (arc("negative", 50, 60),)}),
    gate(
        "XOR",
        "A ^ B",
        {
            "A": (arc("positive", 5, 5), arc("negative", 100, 200)),
            "B": (arc("both", 7, 8),),
        },
    ),
    Cell(
        "DFF",
        9.0,
        1.0,
        {"D": 3.0, "CK": 1.0},
        {"Q": "IQ"},
        {"Q": {"CK": (arc("both", 70, 90, 10, 10),)}},
        FlipFlop("D", "CK", "Q", False, (plane(6, 0.5, 0), plane(9, 0.25, 0))),
    ),
]
TECHNOLOGY = Technology("demo", "", "", "", "", {cell.name: cell for cell in CELLS}, 1.0)


def netlist(tmp_path, cells, inputs, outputs=(), technology=TECHNOLOGY):
    """A netlist of ``cells``, which are pairs ``(type, pins)``; net 1000 is the clock."""
    ports = {
        name: {"direction": direction, "bits": bits}
        for direction, group in (("input", inputs), ("output", outputs))
        for name, bits in dict(group).items()
    }
    ports["clk"] = {"direction": "input", "bits": [1000]}
    module = {
        "ports": ports,
        "cells": {
            f"u{place}": {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}
            for place, (kind, pins) in enumerate(cells)
        },
    }
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": module}}))
    return read_netlist(path, technology.cells, "top")


def flip_flop(data, output):
    """A flip-flop as an entry of ``cells`` for :func:`netlist`."""
    return "DFF", {"D": data, "CK": 1000, "Q": output}


def test_typical_slew_and_delay_are_those_of_a_fan_out_of_four():
    # The inverter's output slews are always 30 and 40 ps. Its load is four inverters of 2 fF.
    assert typical_slew(TECHNOLOGY) == 35
    assert inverter_delay(TECHNOLOGY) == (10 + 20) / 2 + 0.1 * 35 + 8


def test_register_to_register(tmp_path):
    cells = [flip_flop(3, 2), ("INV", {"A": 2, "Y": 3})]
    found = analyse_timing(netlist(tmp_path, cells, {}), TECHNOLOGY)
    # Q rises 70 ps after the clock, plus 0.1 times the clock's slew of 35 ps and 1 ps for each of
    # the 2 fF of INV's input. Then INV's output falls; its load is input D with 3 fF.
    rising = 70 + 3.5 + 2
    falling_q = 90 + 3.5 + 2
    after_rise = rising + 20 + 0.1 * 10 + 3 + (9 + 0.25 * 40)
    after_fall = falling_q + 10 + 0.1 * 10 + 3 + (6 + 0.5 * 30)
    assert found.delay_ps == max(after_rise, after_fall)
    assert [(step.edge, step.cell) for step in found.path] == [("fall", "DFF"), ("rise", "INV")]


def test_inputs_arrive_with_the_clock(tmp_path):
    cells = [("BUF", {"A": 5, "Y": 6}), flip_flop(6, 7)]
    found = analyse_timing(netlist(tmp_path, cells, {"w": [4, 5]}, {"acc": [7]}), TECHNOLOGY)
    assert found.delay_ps == 15 + 3.5 + 3 + 9
    assert (found.path[0].net, found.end) == ("w[1]", "acc")


def test_outputs_have_an_arrival_but_do_not_limit_the_clock(tmp_path):
    # The path goes from the register's falling Q through an inverter without a load.
    cells = [flip_flop(5, 2), ("INV", {"A": 2, "Y": 3})]
    found = analyse_timing(netlist(tmp_path, cells, {"d": [5]}, {"acc": [3]}), TECHNOLOGY)
    assert found.output_ps == 90 + 3.5 + 2 + 10 + 0.1 * 10
    assert found.delay_ps < found.output_ps


def test_edges_follow_the_sense_of_an_arc(tmp_path):
    # A's rising edge comes after 70 + 3.5 + 2 ps, 20 ps earlier than its falling edge. But XOR's
    # arc from a rising input to a falling output is so slow that this path is still the slowest.
    cells = [flip_flop(9, 2), ("XOR", {"A": 2, "B": "1", "Y": 9})]
    found = analyse_timing(netlist(tmp_path, cells, {}), TECHNOLOGY)
    falls_after_rise = 70 + 3.5 + 2 + 200 + 1 + 3 + 9
    assert found.delay_ps == falls_after_rise
    assert [step.edge for step in found.path] == ["rise", "fall"]


def test_the_slowest_input_counts_with_the_real_fan_out(tmp_path):
    # Net 3 drives two pins of a NAND and pin D of a register.
    cells = [
        ("INV", {"A": 2, "Y": 3}),
        ("NAND", {"A": 3, "B": 3, "Y": 4}),
        flip_flop(4, 5),
        flip_flop(3, 6),
    ]
    found = analyse_timing(netlist(tmp_path, cells, {"a": [2]}), TECHNOLOGY)
    first = 10 + 3.5 + (2 + 2 + 3)  # the inverter's output rises
    assert found.delay_ps == first + 60 + 0.1 * 30 + 3 + 9
    assert found.slews[3] == 35


def test_late_capacitances_are_used_if_the_library_has_them(tmp_path):
    inverter = replace(TECHNOLOGY.cells["INV"], late_inputs={"A": 12.0})
    slow = replace(TECHNOLOGY, cells={**TECHNOLOGY.cells, "INV": inverter})
    cells = [flip_flop(3, 2), ("INV", {"A": 2, "Y": 3})]
    read = netlist(tmp_path, cells, {})
    before = analyse_timing(read, TECHNOLOGY).delay_ps
    again = read_netlist(tmp_path / "netlist.json", slow.cells, "top")
    assert analyse_timing(again, slow).delay_ps == before + 10


def test_a_loop_and_an_unknown_cell_are_bugs(tmp_path):
    with pytest.raises(AssertionError, match="combinational loop"):
        netlist(tmp_path, [("INV", {"A": 2, "Y": 3}), ("INV", {"A": 3, "Y": 2})], {})
    with pytest.raises(AssertionError, match="unmapped cell: NOR"):
        netlist(tmp_path, [("NOR", {"A": 2, "Y": 3})], {})


def test_cell_without_tables_is_named(tmp_path):
    bare = replace(TECHNOLOGY.cells["BUF"], arcs={"Y": {}})
    technology = replace(TECHNOLOGY, cells={**TECHNOLOGY.cells, "BUF": bare})
    netlist(tmp_path, [("BUF", {"A": 2, "Y": 3}), flip_flop(3, 4)], {"a": [2]})
    read = read_netlist(tmp_path / "netlist.json", technology.cells, "top")
    with pytest.raises(
        UserError, match="cell BUF: the library states no timing tables from A to Y"
    ):
        analyse_timing(read, technology)


def test_numbers_of_the_toy_technology(tmp_path, toy):
    assert (typical_slew(toy), inverter_delay(toy)) == (16, 20)
    cells = [
        ("DFF", {"D": 4, "CK": 1000, "Q": 2}),
        ("INV", {"A": 2, "Y": 3}),
        ("NAND2", {"A": 3, "B": 3, "Y": 4}),
    ]
    found = analyse_timing(netlist(tmp_path, cells, {}, technology=toy), toy)
    # A cell's delay in ps is a constant, plus its load in fF, plus 1/8 of its input's slew. The
    # input's slew in ps is twice the load in fF of the cell before.
    launch, inverter, nand = 50 + 2 + 16 / 8, 10 + 4 + 4 / 8, 12 + 2 + 8 / 8
    assert found.delay_ps == launch + inverter + nand + 20 + 4 / 8


# Wide limits around the delays that are known for an inverter with a fan-out of four (FO4) in such
# processes. In a wrong unit of time, a delay would be outside these limits. A card is a file with
# part of a library.
@pytest.mark.parametrize(
    ("name", "low", "high"), [("sky130hd", 40, 100), ("sg13g2", 30, 80), ("asap7", 8, 25)]
)
def test_inverter_delay_of_the_cards(name, low, high):
    assert low < inverter_delay(load_technology(name)) < high
