"""Proves that a dot-product unit is correct, and makes the record of this proof.

The record states the parts of the proof, their methods, and what is only simulated. A lane
multiplies one pair of codes, and a tree adds the products (:mod:`.dot`).
"""

import tempfile
import time
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.dot import (
    prove_accumulator,
    read_rtl,
    read_trees,
    wrong_product,
    wrong_sum,
)
from halfbyte.area.proofs.dot_faults import fault_verdicts
from halfbyte.area.proofs.registers import prove_circuits, read_mapped_unit
from halfbyte.area.proofs.results import PROVED, STATUS, UNDECIDED, DotProof, ProofError
from halfbyte.rtl.dot import Accumulator, DotSpec

__all__ = ["blocks_of_a_cycle", "prove_dot"]

_TOP = "dot"


def _lanes(spec: DotSpec, lane: str, technology: Technology) -> dict[str, Circuit]:
    """The RTL and the netlist ``lane`` (Verilog) of a lane, as circuits."""
    with tempfile.TemporaryDirectory(prefix="halfbyte-proof-") as temporary:
        path = Path(temporary) / "lane.v"
        path.write_text(lane)
        return lower({"lane_rtl": spec.lane()}, {"lane_netlist": (path, "lane")}, technology.cells)


def prove_dot(spec: DotSpec, lane: str, folder: Path, technology: Technology) -> DotProof:
    """Prove that the unit whose netlist is in ``folder`` is correct.

    :func:`synthesis.dot.synthesize_dot` has written this netlist. ``lane`` is the netlist of a
    lane, as Verilog. Raises ProofError if any part of the unit is refuted.
    """
    start = time.monotonic()
    parts: dict[str, str] = {}
    lanes = _lanes(spec, lane, technology)
    for name, circuit in lanes.items():
        wrong = wrong_product(circuit, spec)
        _refuse(spec, name, wrong)
        parts[name] = PROVED
    trees, steps = read_trees(spec), 0
    for tree in trees:
        wrong, taken = wrong_sum(tree, spec)
        _refuse(spec, "tree", wrong)
        steps += taken
    parts["tree"] = PROVED
    if spec.accumulator is Accumulator.INTEGER:
        verdict = prove_accumulator(trees[0], spec)
        if verdict.equal is False:
            _refuse(
                spec,
                "accumulator",
                "it does not store the tree's sum, or the sum starts from a wrong number",
            )
        parts["accumulator"] = STATUS[verdict.equal]
    rtl = read_rtl(spec, lane, technology)
    mapped = read_mapped_unit(folder, _TOP, technology.cells)
    netlist = prove_circuits(rtl, mapped)
    _refuse(spec, "netlist", netlist.counterexample)
    parts["netlist"] = netlist.status
    decided = all(status == PROVED for status in parts.values())
    return DotProof(
        status=PROVED if decided else UNDECIDED,
        lane_rtl=parts["lane_rtl"],
        lane_netlist=parts["lane_netlist"],
        tree=parts["tree"],
        accumulator=parts.get("accumulator"),
        netlist=parts["netlist"],
        method=(
            f"lane: all {2**spec.code_bits} pairs of codes were tried; "
            f"tree: its sum was found by {steps} substitutions; "
            f"netlist: {netlist.method}"
        ),
        simulated=_simulated(spec),
        faults=fault_verdicts(spec, trees[0], lanes["lane_rtl"], rtl, mapped),
        seconds=round(time.monotonic() - start, 3),
    )


def _simulated(spec: DotSpec) -> str | None:
    """The parts of the RTL that :func:`prove_dot` does not compare with a specification, or None.

    The proof that the netlist equals the RTL covers these parts, too.
    """
    if spec.is_fp32:
        return f"scales, {blocks_of_a_cycle(spec)}, FP32 addition"
    return "scales, shift, addition" if spec.is_exact else None


def blocks_of_a_cycle(spec: DotSpec) -> str:
    """A phrase for the part of a unit that orders or gathers blocks, which is only simulated.

    A unit adds several blocks in one cycle in a fixed order, or gathers one block in one or more
    cycles.
    """
    return "order of blocks" if spec.blocks_per_cycle > 1 else "gathering of a block"


def _refuse(spec: DotSpec, part: str, counterexample: str | None) -> None:
    """Raise ProofError if there is a counterexample."""
    if counterexample is not None:
        raise ProofError(f"The {part.replace('_', ' ')} of {spec.title} is wrong: {counterexample}")
