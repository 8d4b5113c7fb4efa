"""Circuits are read from Yosys' JSON, and refused if they are not synchronous circuits."""

import json

import pytest

from halfbyte.area import load_technology
from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import CircuitError, read_circuits
from halfbyte.area.proofs.machine import Inputs, after_clock, state_of


def cell(kind, **pins):
    """JSON of a cell; ``pins`` gives the net at each pin."""
    return {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}


def module(*cells, inputs=None, outputs=None):
    """JSON of a module ``top``; ``inputs`` and ``outputs`` are lists of nets by port."""
    ports = {
        name: {"direction": direction, "bits": bits}
        for direction, group in (("input", inputs or {}), ("output", outputs or {}))
        for name, bits in group.items()
    }
    names = {name: {"bits": port["bits"]} for name, port in ports.items()}
    names["accumulator"] = names.get("acc", {"bits": []})
    body = {"ports": ports, "cells": dict(enumerate(cells)), "netnames": names}
    return json.dumps({"modules": {"top": body}})


def read(*cells, cells_of=None, **ports):
    return read_circuits(module(*cells, **ports), cells_of)["top"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("$_AND_", 0b1000),
        ("$_NAND_", 0b0111),
        ("$_OR_", 0b1110),
        ("$_NOR_", 0b0001),
        ("$_XOR_", 0b0110),
        ("$_XNOR_", 0b1001),
        ("$_ANDNOT_", 0b0010),
        ("$_ORNOT_", 0b1011),
    ],
)
def test_yosys_gates_have_their_truth_tables(kind, expected):
    """The tables are those of Yosys' own help, for example ``yosys -p "help $_ANDNOT_"``."""
    circuit = read(cell(kind, A=2, B=3, Y=4), inputs={"a": [2], "b": [3]}, outputs={"y": [4]})
    (gate,) = circuit.gates
    assert gate.table == expected


def test_multiplexer_takes_b_where_s_is_1():
    circuit = read(cell("$_MUX_", A=2, B=3, S=4, Y=5), inputs={"abs": [2, 3, 4]})
    aig = Aig()
    a, b, s = aig.word(3)
    literals = circuit.evaluate(aig, {2: a, 3: b, 4: s})
    assert literals[5] == aig.choose(s, b, a)


def test_gates_may_come_in_any_order():
    circuit = read(
        cell("$_NOT_", A=3, Y=4), cell("$_NOT_", A=2, Y=3), inputs={"a": [2]}, outputs={"y": [4]}
    )
    aig = Aig()
    a = aig.variable()
    assert circuit.word(circuit.evaluate(aig, {2: a}), circuit.outputs["y"]) == [a]


def test_undefined_values_may_be_anything():
    circuit = read(cell("$_AND_", A=2, B="x", Y=3), cell("$_OR_", A=3, B="x", Y=4))
    aig = Aig()
    a = aig.variable()
    literals = circuit.evaluate(aig, {2: a})
    assert literals[3] not in (FALSE, TRUE, a)
    assert len(aig.variables) == 3


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([cell("$_NOT_", A=2, Y=3), cell("$_NOT_", A=3, Y=2)], "loop without a register"),
        ([cell("$_NOT_", A=2, Y=3), cell("$_NOT_", A=4, Y=3)], "Net 3 has two drivers"),
        ([cell("mystery", A=2, Y=3)], "Cell mystery is neither a Yosys gate nor a library cell"),
        ([cell("$_DFF_P_", C=7, D=2, Q=3)], "clocked by a net other than clk"),
    ],
)
def test_what_is_not_a_synchronous_circuit_is_refused(cells, message):
    with pytest.raises(CircuitError, match=message):
        read(*cells, inputs={"clk": [9]})


def test_undriven_nets_have_no_value():
    circuit = read(cell("$_NOT_", A=5, Y=3), outputs={"y": [3]})
    with pytest.raises(CircuitError, match="Net 3 has no defined value"):
        circuit.word(circuit.evaluate(Aig(), {}), circuit.outputs["y"])


def test_a_register_that_may_be_cleared_is_refused():
    """SG13G2's flip-flop has a clear pin, which must be tied to its inactive level."""
    technology = load_technology("sg13g2")
    flip_flop = technology.flip_flop
    ((pin, level),) = flip_flop.flip_flop.tied.items()
    parts = flip_flop.flip_flop

    def circuit(net):
        pins = {parts.clock: 9, parts.data: 2, parts.output: 3, pin: net}
        return read(
            cell(flip_flop.name, **pins),
            cells_of=technology.cells,
            inputs={"clk": [9], "w": [2], "a": [4]},
            outputs={"acc": [3]},
        )

    aig = Aig()
    w, a, state = aig.word(3)
    inputs = Inputs(aig, [w], [a])
    tied = circuit(str(level))
    assert after_clock(tied, inputs, state_of(tied, [state])) == {3: w}
    for wrong in (str(1 - level), 2):
        loose = circuit(wrong)
        with pytest.raises(CircuitError, match="not tied inactive"):
            after_clock(loose, inputs, state_of(loose, [state]))
    # If a constant replaces the net at the pin, the constant must be the inactive level.
    held = circuit(4)
    active, inactive = held.rewired({4: str(1 - level)}), held.rewired({4: str(level)})
    assert after_clock(inactive, inputs, state_of(inactive, [state])) == {3: w}
    with pytest.raises(CircuitError, match="not tied inactive"):
        after_clock(active, inputs, state_of(active, [state]))


def test_inverted_flip_flops_keep_the_inverse():
    """ASAP7's flip-flop has an inverted output."""
    technology = load_technology("asap7")
    flip_flop = technology.flip_flop
    parts = flip_flop.flip_flop
    assert parts.inverted
    pins = {parts.clock: 9, parts.data: 2, parts.output: 3}
    pins |= {pin: str(level) for pin, level in parts.tied.items()}
    circuit = read(
        cell(flip_flop.name, **pins),
        cells_of=technology.cells,
        inputs={"clk": [9], "w": [2], "a": [4]},
        outputs={"acc": [3]},
    )
    aig = Aig()
    w, a, state = aig.word(3)
    assert after_clock(circuit, Inputs(aig, [w], [a]), state_of(circuit, [state])) == {3: w ^ 1}
