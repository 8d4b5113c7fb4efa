"""What came of proofs, as records."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record

__all__ = [
    "PROVED",
    "REFUTED",
    "UNDECIDED",
    "ClaimRecord",
    "DotProof",
    "MacProof",
    "ProofStatus",
    "StageProof",
    "UnitProof",
]

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"


@dataclass(frozen=True, kw_only=True)
class ClaimRecord(Record):
    """What came of the proof of one claim."""

    status: str
    """``proved``, ``refuted``, or ``undecided`` if the solver gave up."""
    claim: str
    """What was to be proved."""
    code_pairs: int
    """Pairs of codes that were simulated: all that there are."""
    queries: int
    """Questions that were left to the SAT solver."""
    counterexample: str | None
    """Inputs on which the claim fails, for people; null if it was not refuted."""


@dataclass(frozen=True, kw_only=True)
class UnitProof(Record):
    """What came of the proof of one claim about a unit."""

    status: str
    """``proved``, ``refuted``, or ``undecided`` if the solver gave up."""
    claim: str
    """What was to be proved."""
    method: str
    """How."""
    counterexample: str | None
    """What differs, and where; null if the claim was not refuted."""
    seconds: float
    """Time that it took, in s."""


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


@dataclass(frozen=True, kw_only=True)
class StageProof(ProofStatus):
    """What was proved of an FP32 stage."""

    cases: int
    """Cases of the difference between both exponents."""
    method: str
    """How it was proved."""
    counterexample: str | None
    """The case in which it fails; null if it was not refuted."""
    seconds: float
    """Time that it took, in s."""


@dataclass(frozen=True, kw_only=True)
class DotProof(ProofStatus):
    """What was proved of a dot-product unit."""

    lane_rtl: str
    """Whether a lane's RTL gives the products of the tables."""
    lane_netlist: str
    """Whether its netlist does, too."""
    tree: str
    """Whether the tree gives the sum of the products."""
    accumulator: str | None
    """Whether an integer accumulator keeps that sum; null for others."""
    netlist: str
    """Whether the unit's netlist does what its RTL does."""
    fp32_stage: str | None = None
    """Whether its FP32 stage does what the independent one does; null if that was not asked for."""
    method: str
    """How it was proved."""
    simulated: str | None
    """What is compared with the golden model by simulation only."""
    faults: Mapping[str, str]
    """By fault that was injected: what the proof says of it, which must be ``refuted``."""
    seconds: float
    """Time that it took, in s."""
