"""A job that proves that synthesized netlists are correct; its result is stored."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from halfbyte.area.proofs.record import prove_chosen
from halfbyte.area.proofs.results import MacProof
from halfbyte.area.search.jobs import Job
from halfbyte.area.search.synthesis_jobs import SynthesisJob
from halfbyte.base import code_fingerprint, content_key, versions_of
from halfbyte.rtl import MacSpec

__all__ = ["ProofJob"]

_PROVERS = ("python-sat",)


@dataclass(frozen=True)
class ProofJob(Job[MacProof]):
    """Proves that two netlists are correct: that of a MAC, and that of its multiplier alone."""

    job: SynthesisJob
    netlist: Path
    multiplier: Path
    result_type = MacProof

    @property
    def design(self) -> MacSpec:
        """The MAC whose netlists are proved correct."""
        return self.job.design

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.design.weight.name} proof"

    @property
    def cost(self) -> float:
        """Roughly how long the proof takes; wide designs take longest."""
        return self.design.width

    @cached_property
    def key(self) -> str:
        """A hash of all that the proof depends on, including the text of the netlists."""
        texts = [path.read_text() for path in (self.netlist, self.multiplier)]
        return content_key(
            ["proof", self.job.key, texts, code_fingerprint(__name__), versions_of(*_PROVERS)]
        )

    def run(self) -> MacProof:
        """Prove that both netlists are correct; raises ProofError if one is wrong."""
        return prove_chosen(self.design, self.job.technology, self.netlist, self.multiplier)
