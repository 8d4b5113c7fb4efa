"""Puts bugs into dot-product units, to check that the proofs refute the faulty units.

A lane of a unit multiplies one pair of codes. The unit's tree adds the lanes' products, and in some
units also a *base*: an earlier sum, from a register or from the input ``addend``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.proofs.dot import Tree, prove_accumulator, wrong_product, wrong_sum
from halfbyte.area.proofs.linear import TreeCell
from halfbyte.area.proofs.registers import MappedUnit, prove_circuits
from halfbyte.area.proofs.results import PROVED, REFUTED, STATUS
from halfbyte.rtl.dot import DotSpec

__all__ = ["fault_verdicts"]


def _altered_adder(tree: Tree, change: Callable[[TreeCell], TreeCell]) -> Tree:
    """The tree with ``change`` made to its first adder that has a carry."""
    cells = list(tree.cells)
    index = next(place for place, cell in enumerate(cells) if len(cell.outputs) == 2)
    cells[index] = change(cells[index])
    return replace(tree, cells=cells)


def _swapped_outputs(cell: TreeCell) -> TreeCell:
    (total, first), (carry, second) = cell.outputs.items()
    return TreeCell(cell.inputs, {total: second, carry: first})


def _dropped_carry(cell: TreeCell) -> TreeCell:
    total, carry = cell.outputs
    return TreeCell(cell.inputs, {total: cell.outputs[total], carry: 0})


def _repeated_input(cell: TreeCell) -> TreeCell:
    return TreeCell((cell.inputs[0], *cell.inputs[:-1]), cell.outputs)


def _swapped_bits(tree: Tree) -> Tree:
    """The tree with the first two bits of the first lane swapped."""
    first = list(tree.lanes[0])
    first[0], first[1] = first[1], first[0]
    return replace(tree, lanes=[first, *tree.lanes[1:]])


def _wrong_base(spec: DotSpec, tree: Tree) -> tuple[str, Tree]:
    """The name of a fault in the base, and the tree with this fault."""
    if spec.chained:
        first, second, *others = tree.base
        return "swapped bits of the addend", replace(tree, base=[second, first, *others])
    around = tree.around.rewired({tree.around.inputs["clear"][0]: "0"})
    return "missing clear", replace(tree, around=around)


def fault_verdicts(
    spec: DotSpec, tree: Tree, lane: Circuit, rtl: Circuit, netlist: MappedUnit
) -> Mapping[str, str]:
    """Try to prove the faulty units correct, one for each fault; returns the status of each proof.

    The keys are the names of the faults. Every status must be ``refuted``.
    """
    changes = {
        "swapped outputs of an adder": _swapped_outputs,
        "dropped carry": _dropped_carry,
        "swapped input of an adder": _repeated_input,
    }
    trees = {name: _altered_adder(tree, change) for name, change in changes.items()}
    trees["swapped bits of a lane"] = _swapped_bits(tree)
    found = {name: _status(wrong_sum(each, spec)[0]) for name, each in trees.items()}
    operands = dict.fromkeys(lane.inputs["w"], lane.inputs["a"][0])
    found["swapped operand of a lane"] = _status(wrong_product(lane.rewired(operands), spec))
    if spec.adds_base and not spec.is_fp32:
        name, wrong = _wrong_base(spec, tree)
        found[name] = STATUS[prove_accumulator(wrong, spec).equal]
    port = "addend" if spec.chained else "clear"
    other = rtl.rewired({rtl.inputs[port][0]: "0"})
    found["netlist of another unit"] = prove_circuits(other, netlist).status
    return found


def _status(counterexample: str | None) -> str:
    return PROVED if counterexample is None else REFUTED
