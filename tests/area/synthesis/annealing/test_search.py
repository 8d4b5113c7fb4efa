"""Annealed networks of gates, compared with truth tables that Python computes.

Annealing replaces gates at random, to lower the cost of a network without changing its outputs.
"""

import random
from itertools import product

import numpy as np
import pytest

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit, Gate, read_circuits
from halfbyte.area.synthesis.annealing import (
    anneal,
    library_gates,
    merged,
    read_network,
    unit_gates,
)
from halfbyte.area.synthesis.annealing.network import MAX_INPUTS
from halfbyte.area.synthesis.annealing.state import IMPOSSIBLE
from halfbyte.base import run_yosys


def table_circuit(outputs, bits):
    """A circuit that computes each output with a tree of multiplexers.

    An output is a list of ``2**bits`` values, one for each row of the truth table.
    """
    gates, nets = [], {}
    count = bits

    def gate(table, *inputs):
        nonlocal count
        key = (table, inputs)
        if key not in nets:
            nets[key] = count
            gates.append(Gate(table, inputs, count))
            count += 1
        return nets[key]

    def tree(values):
        if len(set(values)) == 1:
            return str(values[0])
        half = len(values) // 2
        low, high = tree(values[:half]), tree(values[half:])
        select = half.bit_length() - 1
        if low == high:
            return low
        inverse = gate(0b01, select)
        return gate(
            0b1110,
            gate(0b1000, select, high),
            gate(0b1000, inverse, low),
        )

    ports = {"y": [tree(values) for values in outputs]}
    return Circuit({"x": list(range(bits))}, ports, {}, gates, [])


def evaluated(network, gates_of):
    """The outputs for every row; ``gates_of`` has a Python function for each kind of gate."""
    rows = []
    for row in range(2 ** sum(network.inputs.values())):
        value = {place: row >> place & 1 for place in range(sum(network.inputs.values()))}
        value |= {network.sources - 2: 0, network.sources - 1: 1}
        for node in network.gates:
            value[node] = gates_of[network.function(node)](*(value[n] for n in network.reads(node)))
        rows.append([value[int(node)] for node in network.nodes.outputs])
    return rows


# Python functions of the unit gates NOT, AND, OR and XOR, by kind and polarity.
UNIT = {
    (0, 0): lambda a: 1 - a,
    (1, 0): lambda a, b: a & b,
    (1, 11): lambda a, b: a | b,
    (2, 0): lambda a, b: a ^ b,
}


def adder(bits):
    """The truth tables of an adder of two numbers: a list of values for each bit of the sum."""
    sums = [a + b for b, a in product(range(2**bits), repeat=2)]
    return [[total >> place & 1 for total in sums] for place in range(bits + 1)]


def test_an_adder_of_two_bits_is_found_in_few_gates():
    """The adder consists of a half adder, which takes 2 gates, and a full adder, which takes 5."""
    network = read_network(table_circuit(adder(2), 4), ["x"], ["y"])
    best = anneal(network, unit_gates(), 20_000)
    assert best.cost(unit_gates()) == len(best.gates) == 7 < len(network.gates)
    expected = [list(values) for values in zip(*adder(2), strict=True)]
    assert evaluated(best, UNIT) == expected


@pytest.mark.parametrize("bits", [1, 3, 6, 7])
def test_random_functions_are_not_changed(bits):
    rng = random.Random(bits)
    outputs = [[rng.randint(0, 1) for _ in range(2**bits)] for _ in range(3)]
    outputs += [[0] * 2**bits, [1] * 2**bits]
    network = read_network(table_circuit(outputs, bits), ["x"], ["y"])
    best = anneal(network, unit_gates(), 3000, seed=bits)
    assert best.cost(unit_gates()) <= network.cost(unit_gates())
    assert evaluated(best, UNIT) == [list(values) for values in zip(*outputs, strict=True)]


def test_the_same_seed_gives_the_same_network():
    network = read_network(table_circuit(adder(2), 4), ["x"], ["y"])
    runs = [anneal(network, unit_gates(), 2000, seed=seed) for seed in (5, 5, 6)]
    kinds = [[run.function(node) for node in run.gates] for run in runs]
    assert kinds[0] == kinds[1]
    assert len(network.gates) > len(runs[0].gates)


def test_a_row_has_either_all_outputs_or_all_alternatives():
    """XOR and its inverse may both be inverted in any row, so constants are enough."""
    rows = [0, 1, 1, 0]
    inverse = [1 - value for value in rows]
    network = read_network(table_circuit([rows, inverse], 2), ["x"], ["y"])
    other = read_network(table_circuit([inverse, rows], 2), ["x"], ["y"]).tables()
    free = anneal(network, unit_gates(), 2000, alternative=other)
    assert free.cost(unit_gates()) == 0
    assert all(pair in ([0, 1], [1, 0]) for pair in evaluated(free, UNIT))
    assert anneal(network, unit_gates(), 2000).cost(unit_gates()) == 2


def test_a_network_with_a_changed_function_is_detected(monkeypatch):
    network = read_network(table_circuit(adder(2), 4), ["x"], ["y"])

    def broken(inputs, current, best, *rest):
        best.outputs[0] = 0
        return 0.0

    monkeypatch.setattr("halfbyte.area.synthesis.annealing.search.run", broken)
    with pytest.raises(AssertionError, match="changed the function"):
        anneal(network, unit_gates(), 10)


def test_too_many_inputs_are_refused():
    bits = MAX_INPUTS + 1
    circuit = Circuit({"x": list(range(bits))}, {"y": [0]}, {}, [], [])
    with pytest.raises(ValueError, match="at most 12 input bits, not 13"):
        read_network(circuit, ["x"], ["y"])


@pytest.mark.parametrize("name", ["sky130hd", "sg13g2", "asap7"])
def test_cells_compute_the_same_as_the_gates(name, tmp_path):
    """The cells' Verilog is read back and evaluated with the functions of the library."""
    technology = load_technology(name)
    gates = library_gates(technology)
    network = read_network(table_circuit(adder(3), 6), ["x"], ["y"])
    best = anneal(network, unit_gates(), 20_000)
    assert all(gates.cost[best.function(node)] < IMPOSSIBLE for node in best.gates)
    best = anneal(best, gates, 20_000)
    netlist = merged(best, gates, technology)
    assert netlist.area <= best.cost(gates)
    (tmp_path / "unit.v").write_text(netlist.verilog("unit"))
    run_yosys("read_verilog unit.v\nwrite_json unit.json\n", tmp_path, "Reading")
    circuit = read_circuits((tmp_path / "unit.json").read_text(), technology.cells)["unit"]
    for row in range(64):
        known = {
            net: TRUE if row >> place & 1 else FALSE
            for place, net in enumerate(circuit.inputs["x"])
        }
        literals = circuit.evaluate(Aig(), known)
        total = sum(
            1 << place for place, net in enumerate(circuit.outputs["y"]) if literals[net] == TRUE
        )
        assert total == (row & 7) + (row >> 3)


def test_truth_tables_of_few_inputs_fill_a_word():
    network = read_network(table_circuit([[0, 1]], 1), ["x"], ["y"])
    tables = network.tables()
    assert tables.tolist() == [[int("10" * 32, 2)]]
    assert tables.dtype == np.uint64
