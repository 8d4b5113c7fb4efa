"""Define the records of lossless BF16 weights, of checked claims, and of recommendations."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.area.proofs.results import ProofStatus
from halfbyte.area.search.unit_records import UnitRecord
from halfbyte.base import Record

__all__ = ["Choice", "Claim", "LosslessProof", "LosslessRecord", "Recommendation"]


@dataclass(frozen=True, kw_only=True)
class LosslessProof(ProofStatus):
    """What was proved of a BF16 MAC and of the decoder that feeds it."""

    mac: str
    """The status of the proof that the MAC's netlist equals its RTL."""
    decoder: str
    """The status of the proof that the decoder's netlists equal its RTL and that it never hangs."""
    method: str
    """How it was proved."""
    seconds: float
    """Time that the proofs took, in s."""


@dataclass(frozen=True, kw_only=True)
class LosslessRecord(UnitRecord):
    """The cost per MAC of BF16 weights that are compressed without loss, with DFloat11.

    The area is that of a BF16 MAC and of its share of the decoder, which decompresses the weights.
    """

    proof: LosslessProof
    """What was proved of MAC and decoder."""
    seconds: float
    """Time that synthesis took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the tools; ``card`` is a digest of the library."""
    decoder_um2: float
    """Area of the MAC's share of the decoder, in um^2."""
    macs_per_lane: int
    """MACs that share a lane of the decoder."""
    lanes: int
    """Lanes of the decoder."""
    codes: str
    """``table`` if codes are loaded, ``fixed`` for a decoder without a table."""
    symbols: int
    """The most weights that a lane gives in a cycle."""
    bits_per_weight: float | None
    """Bits per weight with the codec; null if no model was measured."""
    loss: float = 0.0
    """Loss against the model in BF16: 0, because no weight changes."""


@dataclass(frozen=True)
class Claim(Record):
    """A question with the answer of Dotzel et al. (2024), ours, and whether they agree."""

    question: str
    """What is asked."""
    paper: str
    """The paper's answer."""
    ours: str
    """The answer from this project's results."""
    verdict: str
    """``holds``, ``differs``, or ``new`` if the paper does not answer it."""
    why: str = ""
    """Explanation of the verdict."""


@dataclass(frozen=True)
class Choice(Record):
    """A format that was chosen."""

    format: str
    """Name of the format."""
    area_um2: float
    """Area of its MAC, in um^2."""
    loss: float
    """Relative worsening of the model's first measure: 0.01 for 1 %."""
    loss_low: float
    """Lower end of the 95 % interval for the loss."""
    loss_high: float
    """Upper end of the 95 % interval for the loss."""
    certainty: float
    """Share of bootstrap resamples of the text in which this format is chosen, 0 to 1."""


@dataclass(frozen=True)
class Recommendation(Record):
    """The chosen format, and the second choice."""

    criterion: str
    """Requirement that the choice meets, in words."""
    choice: Choice
    """The format that meets the requirement best."""
    runner_up: Choice | None
    """The next best format; null if no other format fits."""
