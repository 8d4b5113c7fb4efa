"""The record of a dot-product unit's proof: its parts, their methods, and what is unproved."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.dot import (
    prove_accumulator,
    read_rtl,
    read_tree,
    wrong_product,
    wrong_sum,
)
from halfbyte.area.proofs.dot_faults import fault_verdicts
from halfbyte.area.proofs.registers import prove_circuits, read_mapped_unit
from halfbyte.area.proofs.results import PROVED, STATUS, UNDECIDED, DotProof, ProofError
from halfbyte.rtl.dot import Accumulator, DotSpec

__all__ = ["prove_dot"]

_TOP = "dot"


def _lanes(spec: DotSpec, lane: str, technology: Technology) -> dict[str, Circuit]:
    """The RTL and the netlist of a lane, as circuits."""
    with tempfile.TemporaryDirectory(prefix="halfbyte-proof-") as temporary:
        path = Path(temporary) / "lane.v"
        path.write_text(lane)
        return lower({"lane_rtl": spec.lane()}, {"lane_netlist": (path, "lane")}, technology.cells)


def prove_dot(spec: DotSpec, lane: str, folder: Path, technology: Technology) -> DotProof:
    """Prove the unit that :func:`synthesis.dot.synthesize_dot` wrote to ``folder``.

    ``lane`` is the netlist of a lane, as Verilog. Raises ProofError if any part of the unit is
    refuted.
    """
    start = time.monotonic()
    parts: dict[str, str] = {}
    lanes = _lanes(spec, lane, technology)
    for name, circuit in lanes.items():
        wrong = wrong_product(circuit, spec)
        _refuse(spec, name, wrong)
        parts[name] = PROVED
    tree = read_tree(spec)
    wrong, steps = wrong_sum(tree, spec)
    _refuse(spec, "tree", wrong)
    parts["tree"] = PROVED
    if spec.accumulator is Accumulator.INTEGER:
        verdict = prove_accumulator(tree, spec)
        if verdict.equal is False:
            _refuse(spec, "accumulator", "it does not keep the tree's sum")
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
            f"lane: all {2**spec.code_bits} pairs of codes; tree: substitution in {steps} steps; "
            f"netlist: {netlist.method}"
        ),
        simulated=_SIMULATED[spec.accumulator],
        faults=fault_verdicts(spec, tree, lanes["lane_rtl"], rtl, mapped),
        seconds=round(time.monotonic() - start, 3),
    )


# The parts of the RTL without a proof; only the netlist is proved equal to it.
_SIMULATED: Mapping[Accumulator, str | None] = {
    Accumulator.INTEGER: None,
    Accumulator.FP32: "scales, gathering of a block, FP32 addition",
    Accumulator.EXACT: "scales, shift, addition",
}


def _refuse(spec: DotSpec, part: str, counterexample: str | None) -> None:
    """Raise ProofError if there is a counterexample."""
    if counterexample is not None:
        raise ProofError(f"{spec.title}: {part.replace('_', ' ')} is refuted: {counterexample}")
