"""Proves that a synthesized MAC is correct. The result becomes a part of the MAC's record."""

import time
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.mac import (
    prove_mac,
    prove_multiplier,
    prove_multiplier_netlist,
    prove_netlist,
)
from halfbyte.area.proofs.results import PROVED, UNDECIDED, MacProof
from halfbyte.rtl import MacSpec

__all__ = ["prove_chosen"]

_METHOD = (
    "all {pairs} pairs of codes were simulated; "
    "all states were checked by SAT, in {queries} queries"
)


def prove_chosen(
    spec: MacSpec,
    technology: Technology,
    netlist: Path,
    multiplier_netlist: Path,
) -> MacProof:
    """Prove that the MAC and its multiplier are correct.

    For each of them, the proof shows that the RTL equals the specification and that the netlist
    equals the RTL. ``netlist`` and ``multiplier_netlist`` are Verilog files of netlists made of the
    cells of ``technology``. Raises ProofError with a counterexample if a claim is refuted.
    """
    start = time.monotonic()
    multiplier = spec.multiplier()
    circuits = lower(
        {"rtl": spec.component(), "multiplier_rtl": multiplier},
        {"netlist": (netlist, MAC), "multiplier_netlist": (multiplier_netlist, MULTIPLIER)},
        technology.cells,
    )
    rtl, multiplier_rtl = circuits["rtl"], circuits["multiplier_rtl"]
    parts = {
        "rtl": prove_mac(rtl, spec),
        "netlist": prove_netlist(circuits["netlist"], rtl, spec),
        "multiplier_rtl": prove_multiplier(multiplier_rtl, multiplier),
        "multiplier_netlist": prove_multiplier_netlist(
            circuits["multiplier_netlist"], multiplier_rtl, multiplier
        ),
    }
    for name, proof in parts.items():
        proof.check_not_refuted(f"{spec.title}, {name}")
    decided = all(proof.status == PROVED for proof in parts.values())
    queries = sum(proof.queries for proof in parts.values())
    return MacProof(
        status=PROVED if decided else UNDECIDED,
        **{name: proof.status for name, proof in parts.items()},
        method=_METHOD.format(pairs=parts["rtl"].code_pairs, queries=queries),
        seconds=round(time.monotonic() - start, 3),
    )
