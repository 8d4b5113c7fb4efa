"""The proof that goes into a synthesis record: what was proved of one netlist, and how."""

import time
from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.mac import (
    PROVED,
    UNDECIDED,
    prove_mac,
    prove_multiplier,
    prove_multiplier_netlist,
    prove_netlist,
)
from halfbyte.base import Record
from halfbyte.rtl import MacSpec

__all__ = ["MacProof", "ProofStatus", "prove_chosen"]

_METHOD = "all {pairs} pairs of codes simulated; all states by SAT, {queries} queries"


@dataclass(frozen=True, kw_only=True)
class ProofStatus(Record):
    """What came of a proof in several parts."""

    status: str
    """``proved`` if every part is; ``undecided`` if the solver gave up on one."""

    @property
    def is_proved(self) -> bool:
        """Whether nothing was left open."""
        return self.status == PROVED


@dataclass(frozen=True, kw_only=True)
class MacProof(ProofStatus):
    """What was proved of a MAC's netlist and of its multiplier's: RTL to tables, netlist to RTL."""

    rtl: str
    """Whether the MAC's RTL computes what the formats' tables say."""
    netlist: str
    """Whether the MAC's netlist does what its RTL does."""
    multiplier_rtl: str
    """Whether the multiplier's RTL gives the products of the tables."""
    multiplier_netlist: str
    """Whether the multiplier's netlist gives the products of its RTL."""
    method: str
    """How it was proved."""
    seconds: float
    """Time that it took, in s."""


def prove_chosen(
    spec: MacSpec,
    technology: Technology,
    netlist: Path,
    multiplier_netlist: Path,
) -> MacProof:
    """Prove MAC and multiplier: the RTL equal to its specification, the netlists to their RTL.

    Raises ProofError with a counterexample if anything is refuted.
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
