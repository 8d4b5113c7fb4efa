"""The results of proofs, as records."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record, ToolError

__all__ = [
    "PROVED",
    "REFUTED",
    "STATUS",
    "UNDECIDED",
    "ClaimRecord",
    "DotProof",
    "MacProof",
    "ProofError",
    "ProofStatus",
    "StageProof",
    "UnitProof",
    "unit_proof",
]

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"
STATUS: Mapping[bool | None, str] = {True: PROVED, False: REFUTED, None: UNDECIDED}
"""The status for each value of :attr:`.equivalence.Verdict.equal`."""


class ProofError(ToolError):
    """A claim about a circuit was refuted; the message has the counterexample, if there is one."""


@dataclass(frozen=True, kw_only=True)
class ClaimRecord(Record):
    """The result of the proof of one claim."""

    status: str
    """``proved``, ``refuted``, or ``undecided`` if the solver gave up."""
    claim: str
    """What was to be proved."""
    code_pairs: int
    """The number of pairs of operand codes; all were simulated."""
    queries: int
    """The number of questions to the SAT solver."""
    counterexample: str | None
    """Inputs for which the claim fails, as text; null if the proof found none."""


@dataclass(frozen=True, kw_only=True)
class UnitProof(Record):
    """The result of the proof of one claim about a unit."""

    status: str
    """``proved``, ``refuted``, or ``undecided`` if the solver gave up."""
    claim: str
    """What was to be proved."""
    method: str
    """The method of proof."""
    counterexample: str | None
    """What differs, and where; null if the claim was not refuted."""
    seconds: float
    """Time that the proof took, in s."""


def unit_proof(claim: str, equal: bool | None, method: str, start: float) -> UnitProof:
    """The record of a proof that began at ``start``, a value of ``time.monotonic``.

    Raises ProofError if ``equal`` is False: the claim is refuted.
    """
    if equal is False:
        raise ProofError(f"The claim {claim!r} is refuted")
    seconds = round(time.monotonic() - start, 3)
    return UnitProof(
        status=STATUS[equal], claim=claim, method=method, counterexample=None, seconds=seconds
    )


@dataclass(frozen=True, kw_only=True)
class ProofStatus(Record):
    """The result of a proof in several parts."""

    status: str
    """``proved`` if every part is proved, ``refuted`` if one is wrong, otherwise ``undecided``."""

    @property
    def is_proved(self) -> bool:
        """Whether every part is proved."""
        return self.status == PROVED


@dataclass(frozen=True, kw_only=True)
class MacProof(ProofStatus):
    """The results of the proofs about a MAC and its multiplier.

    For each of them, the RTL is compared with the formats' values, and the netlist with the RTL.
    Each of the four parts has a status of its own: ``proved`` or ``undecided``. A refuted part
    raises ProofError instead.
    """

    rtl: str
    """Whether the MAC's RTL agrees with the formats' values."""
    netlist: str
    """Whether the MAC's netlist does what its RTL does."""
    multiplier_rtl: str
    """Whether the multiplier's RTL gives the products of the formats' values."""
    multiplier_netlist: str
    """Whether the multiplier's netlist gives the products of its RTL."""
    method: str
    """The methods of proof."""
    seconds: float
    """Time that the proof took, in s."""


@dataclass(frozen=True, kw_only=True)
class StageProof(ProofStatus):
    """What was proved about an FP32 stage, which adds scaled sums to an FP32 accumulator."""

    cases: int
    """The number of cases; each covers some differences of the summands' exponents."""
    method: str
    """The methods of proof."""
    counterexample: str | None
    """The case in which the stage fails; null if the proof found none."""
    seconds: float
    """Time that the proof took, in s."""


@dataclass(frozen=True, kw_only=True)
class DotProof(ProofStatus):
    """What was proved about a dot-product unit.

    A lane of the unit multiplies one pair of codes. A tree adds the products of the lanes; if the
    unit adds several blocks in a cycle, each block has a tree. Each part has a status of its own:
    ``proved`` or ``undecided``. A refuted part raises ProofError instead.
    """

    lane_rtl: str
    """Whether a lane's RTL gives the products of the formats' values."""
    lane_netlist: str
    """Whether a lane's netlist gives the products of the formats' values."""
    tree: str
    """Whether every tree gives the sum of its products."""
    accumulator: str | None
    """Whether an integer accumulator adds that sum to its content; null for other accumulators."""
    netlist: str
    """Whether the unit's netlist does what its RTL does."""
    fp32_stage: str | None = None
    """Whether the FP32 stage equals an independent one; null if no proof was asked for."""
    method: str
    """The methods of proof."""
    simulated: str | None
    """The parts that were only simulated, against the PyTorch model; null if there are none."""
    faults: Mapping[str, str]
    """For each injected fault: the verdict of the proof, which must be ``refuted``."""
    seconds: float
    """Time that the proof took, in s."""
