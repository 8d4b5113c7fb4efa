"""The proof that a dot-product unit is correct. Each part of the proof has its own method.

A *lane* multiplies one pair of codes. Each of its output bits has a weight (a factor), and the
weighted sum of the bits, plus a constant, is the product. A *block* is a group of products that
share a scale. A *tree* of adders adds the bits of the lanes; if the unit adds several blocks in a
cycle, each block has a tree of its own.

1. *Lane = table.* The number that a lane's bits give is the product of the codes' values. All pairs
   of codes are tried, on the RTL and on the netlist.
2. *Tree = sum.* The output of the tree is the sum of the numbers that its input bits give. This is
   shown by substitution (:mod:`.linear`), for any values of the lanes' bits.
3. *Netlist = RTL.* A SAT solver shows that the unit's netlist and RTL are equal from any state and
   for any inputs. In this RTL, each lane is replaced by the lane's netlist, so that RTL and netlist
   have many signals in common.

From 1 and 2, the tree gives the sum of the products. From 3, the logic after the tree is the same
in RTL and netlist. For an integer accumulator, :func:`prove_accumulator` proves that this logic is
correct. For other accumulators, simulation compares it with the golden model in PyTorch. Units
whose sums have few bits have an FP32 adder of their own (:mod:`halfbyte.rtl.dot.fp32_sum`). It is
also proved equal to an independent one (:mod:`.fp32_stage`).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.cell_models import cell_models
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.aig import Aig
from halfbyte.area.netlists.circuit import Circuit, CircuitError, Net, read_circuits
from halfbyte.area.netlists.lowering import FUSED, LOGIC, PREPARE, run_lines
from halfbyte.area.proofs.equivalence import Verdict, compare
from halfbyte.area.proofs.linear import LinearForm, TreeCell, reduce_to_inputs
from halfbyte.area.proofs.specification import saturated
from halfbyte.formats import Overflow
from halfbyte.rtl.dot import DotSpec
from halfbyte.rtl.dot.adders import FINAL, adder_modules
from halfbyte.rtl.dot.unit import total_name

__all__ = [
    "Tree",
    "prove_accumulator",
    "read_rtl",
    "read_trees",
    "wrong_product",
    "wrong_sum",
]

_DOT, _LANE = "dot", "lane"
_BASE = "base"


@dataclass(frozen=True)
class Tree:
    """The part of a unit that adds the products of one block.

    Parameters
    ----------
    cells : sequence of TreeCell
        The unit's adders, and its gates that invert bits or XOR them.
    total : sequence of Net
        The output of the tree.
    base : sequence of Net
        Another number that the tree adds to the products, in two's complement; empty if there is
        no such number.
    rows : sequence of sequence of Net
        The numbers whose sum is the output: the output itself, or the two inputs of a final adder.
    lanes : sequence of sequence of Net
        The output bits of each lane.
    around : Circuit
        The unit without its lanes and adders. The outputs of these have no driver in the circuit.
    """

    cells: Sequence[TreeCell]
    total: Sequence[Net]
    base: Sequence[Net]
    rows: Sequence[Sequence[Net]]
    lanes: Sequence[Sequence[Net]]
    around: Circuit


def read_trees(spec: DotSpec) -> list[Tree]:
    """The trees of a unit's RTL, one for each block that the unit adds in a cycle.

    Raises CircuitError if a lane does not read its own codes, or if the final adder is not proved
    to add.
    """
    adders = list(adder_modules(spec.adders))
    kept = [_LANE, *adders, *([] if spec.ripples else [FINAL])]
    lines = [
        "read_rtlil design.il",
        f"hierarchy -top {_DOT}",
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in kept),
        PREPARE,
        LOGIC,
    ]
    text = run_lines(lines, {"design.il": spec.rtlil()}, "Reading a tree for a proof")
    circuits = read_circuits(text)
    if not spec.ripples:
        _check_final_adder(circuits[FINAL])
    tables = {name: _tables(circuits[name]) for name in adders if name in circuits}
    top = json.loads(text)["modules"][_DOT]
    return [_tree(top, tables, spec, block) for block in range(spec.blocks_per_cycle)]


def _tree(
    top: Mapping[str, Any],
    tables: Mapping[str, tuple[list[str], dict[str, int]]],
    spec: DotSpec,
    block: int,
) -> Tree:
    """The tree of one block.

    ``top`` is the module of the unit, in Yosys' JSON. ``tables`` has the inputs and truth tables of
    each adder module.
    """
    codes = {name: top["ports"][name]["bits"] for name in ("w", "a")}
    cells: list[TreeCell] = []
    lanes: dict[tuple[Net, ...], list[Net]] = {}
    total = top["netnames"][total_name(block)]["bits"]
    rows = [total]
    for cell in top["cells"].values():
        pins = cell["connections"]
        if cell["type"] == _LANE:
            lanes[*pins["w"], *pins["a"]] = pins["bits"]
        elif cell["type"] == FINAL and pins["total"] == total:
            rows = [pins["a"], pins["b"]]
        elif cell["type"] in tables:
            inputs, outputs = tables[cell["type"]]
            cells.append(
                TreeCell(
                    tuple(pins[name][0] for name in inputs),
                    {pins[name][0]: table for name, table in outputs.items() if name in pins},
                )
            )
        elif cell["type"] in _GATES:
            names, table = _GATES[cell["type"]]
            reads = tuple(pins[name][0] for name in names)
            cells.append(TreeCell(reads, {pins["Y"][0]: table}))
    w_bits, a_bits = spec.weight.bits, spec.activation.bits
    ordered = []
    first = block * spec.block_lanes
    for number in range(first, first + spec.block_lanes):
        w = codes["w"][number * w_bits : (number + 1) * w_bits]
        a = codes["a"][number * a_bits : (number + 1) * a_bits]
        if (*w, *a) not in lanes:
            raise CircuitError(f"Lane {number} does not read its own codes")
        ordered.append(lanes[*w, *a])
    wires = top["netnames"]
    base = wires[_BASE]["bits"] if spec.adds_base else []
    rest = {
        name: cell
        for name, cell in top["cells"].items()
        if cell["type"] not in (_LANE, FINAL, *tables)
    }
    around = read_circuits(json.dumps({"modules": {_DOT: {**top, "cells": rest}}}))[_DOT]
    return Tree(cells, total, base, rows, ordered, around)


def _check_final_adder(circuit: Circuit) -> None:
    """Raise CircuitError unless a circuit is proved to add two numbers (without a carry out)."""
    aig = Aig()
    words = {name: aig.word(len(nets)) for name, nets in circuit.inputs.items()}
    seen = circuit.word(circuit.evaluate(aig, circuit.known(words)), circuit.output("total"))
    expected = aig.add(words["a"], words["b"])
    if not compare(aig, (), list(zip(expected, seen, strict=True))).equal:
        raise CircuitError("The final adder of a tree is not proved to add")


# The gates of a tree other than its adders: their inputs and their truth tables.
_GATES = {"$_NOT_": (("A",), 0b01), "$_XOR_": (("A", "B"), 0b0110), "$_XNOR_": (("A", "B"), 0b1001)}


def _tables(circuit: Circuit) -> tuple[list[str], dict[str, int]]:
    """The inputs of a small module, and the truth table of each output over them."""
    inputs = list(circuit.inputs)
    rows = _rows(circuit, [net for name in inputs for net in circuit.inputs[name]])
    return inputs, {name: rows[net] for name, (net,) in circuit.outputs.items()}


def _rows(circuit: Circuit, inputs: Sequence[Net]) -> dict[Net, int]:
    """The truth table of every output net over ``inputs``; the first input changes fastest."""
    aig = Aig()
    literals = aig.word(len(inputs))
    known = circuit.evaluate(aig, dict(zip(inputs, literals, strict=True)))
    count = 2 ** len(inputs)
    values = {
        literal // 2: sum(1 << row for row in range(count) if row >> place & 1)
        for place, literal in enumerate(literals)
    }
    nodes, ones = aig.simulate(values, count), (1 << count) - 1
    return {
        net: nodes[known[net] >> 1] ^ (ones if known[net] & 1 else 0)
        for nets in circuit.outputs.values()
        for net in nets
    }


def _products(spec: DotSpec) -> NDArray[np.int64]:
    """The products of all pairs of codes; the weight's code changes fastest."""
    integers = (np.array(fmt.integers, np.int64) for fmt in (spec.activation, spec.weight))
    return np.multiply.outer(*integers).ravel()


def wrong_product(circuit: Circuit, spec: DotSpec) -> str | None:
    """Say for which pair of codes the lane gives a wrong product; None if there is none."""
    inputs = [*circuit.inputs["w"], *circuit.inputs["a"]]
    meaning, rows = spec.lane_bits, _rows(circuit, inputs)
    count = 2 ** len(inputs)
    seen = np.full(count, meaning.constant, np.int64)
    for net, weight in zip(circuit.output("bits"), meaning.weights, strict=True):
        table = np.frombuffer(rows[net].to_bytes(count // 8, "little"), np.uint8)
        seen += weight * np.unpackbits(table, bitorder="little").astype(np.int64)
    different = np.flatnonzero(seen != _products(spec))
    if not len(different):
        return None
    row = int(different[0])
    w, a = row & 2**spec.weight.bits - 1, row >> spec.weight.bits
    return f"w = code {w}, a = code {a}: should be {_products(spec)[row]}, but is {seen[row]}"


def wrong_sum(tree: Tree, spec: DotSpec) -> tuple[str | None, int]:
    """Compare the tree's output with the sum of the products and the base.

    Returns a text that says how they differ, or None if they are equal, and the number of
    substitutions.
    """
    seen = reduce_to_inputs(tree.cells, *tree.rows)
    expected = LinearForm(seen.modulus)
    for place, net in enumerate(tree.base):
        is_sign = place == len(tree.base) - 1
        expected.add(net, (-1 if is_sign else 1) << place)
    for bits in tree.lanes:
        expected.constant += spec.lane_bits.constant
        for net, weight in zip(bits, spec.lane_bits.weights, strict=True):
            expected.add(net, weight)
    expected.constant %= expected.modulus
    different = [
        net
        for net in {**seen.weights, **expected.weights}
        if seen.weights.get(net, 0) != expected.weights.get(net, 0)
    ]
    if seen.constant != expected.constant:
        return f"the constant should be {expected.constant}, but is {seen.constant}", seen.steps
    if different:
        net = different[0]
        weights = (form.weights.get(net, 0) for form in (expected, seen))
        return "the weight of net {} should be {}, but is {}".format(net, *weights), seen.steps
    return None, seen.steps


def _augend_port(spec: DotSpec) -> str:
    """The name of the input that decides what the products are added to."""
    return "addend" if spec.chained else "clear"


def prove_accumulator(tree: Tree, spec: DotSpec) -> Verdict:
    """Prove that an integer unit stores its tree's output, and gives the correct base to the tree.

    With saturation, the stored output must be clamped. The base must be ``clear ? 0 : acc``, or the
    input ``addend`` in a chained unit. The proof covers any state, and any values on the outputs of
    lanes and adders.
    """
    aig, around = Aig(), tree.around
    driven = {gate.output for gate in around.gates}
    read = [net for gate in around.gates for net in gate.inputs]
    read += [*tree.total, *tree.base, *around.output("acc"), *around.inputs[_augend_port(spec)]]
    known: dict[Net, int] = {
        net: aig.variable()
        for net in dict.fromkeys(read)
        if isinstance(net, int) and net not in driven
    }
    literals = around.evaluate(aig, known)
    acc = around.word(literals, around.output("acc"))
    total = around.word(literals, tree.total)
    port = around.word(literals, around.inputs[_augend_port(spec)])
    data = {register.output: register.data for register in around.registers}
    after = around.word(literals, [data[net] for net in around.output("acc")])
    if spec.overflow is Overflow.SATURATE:
        total = saturated(aig, total, spec.width)
    augend = port if spec.chained else [aig.conjunction(each, port[0] ^ 1) for each in acc]
    pairs = [*zip(around.word(literals, tree.base), augend, strict=True)]
    return compare(aig, (), [*pairs, *zip(after, total, strict=True)])


def read_rtl(spec: DotSpec, lane: str, technology: Technology) -> Circuit:
    """The RTL of a unit, with each lane replaced by the netlist ``lane``, a Verilog text."""
    used = [name for name in technology.cells if re.search(rf"\b{name}\b", lane)]
    lines = [
        "read_rtlil design.il",
        f"delete {_LANE}",
        "read_verilog lane.v cells.v",
        f"hierarchy -check -top {_DOT}",
        PREPARE,
        FUSED,
        LOGIC,
        f"hierarchy -top {_DOT}",
    ]
    files = {
        "design.il": spec.rtlil(),
        "lane.v": lane,
        "cells.v": cell_models(technology, used),
    }
    return read_circuits(run_lines(lines, files, "Reading RTL for a proof"))[_DOT]
