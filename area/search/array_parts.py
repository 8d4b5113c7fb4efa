"""Jobs for the parts of a systolic array other than its dot-product units.

Each job synthesizes and measures one part alone. If asked to, it also proves that the part's
netlist is correct.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from halfbyte.area.cells.technology import Technology
from halfbyte.area.proofs.registers import prove_unit
from halfbyte.area.search.array_records import MappedPart
from halfbyte.area.search.jobs import Job
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.array_energy import measure_part
from halfbyte.area.timing.operands import Operands
from halfbyte.base import code_fingerprint, content_key, versions_of
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.array import SystolicSpec

__all__ = ["PartJob"]

_CODE = ("halfbyte.area.synthesis.yosys", "halfbyte.area.timing.array_energy")
_PROOF = "halfbyte.area.proofs.registers"


@dataclass(frozen=True)
class PartJob(Job[MappedPart]):
    """Maps one of ``spec.parts`` to cells and measures it; ``proves`` asks for a proof, too."""

    spec: SystolicSpec
    part: str
    technology: Technology
    operands: Operands
    proves: bool
    result_type = MappedPart

    @cached_property
    def rtlil(self) -> str:
        """The part's RTL."""
        return to_rtlil(self.spec.parts[self.part].make(), self.part)

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        return content_key(
            {
                "rtlil": self.rtlil,
                "technology": self.technology.content_hash,
                # Energies also depend on the formats' values and on the data in the registers.
                "array": [self.spec.name, self.spec.unit.content],
                "operands": self.operands.content_hash,
                "code": code_fingerprint(*_CODE, *([_PROOF] if self.proves else [])),
                "versions": versions_of("amaranth", "pyosys", "python-sat"),
                "proof": self.proves,
            }
        )

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.spec.unit.weight.name}, {self.part.replace('_', ' ')}"

    @property
    def cost(self) -> float:
        """Roughly how long the job takes; the same for all parts."""
        return 1.0

    def run(self) -> MappedPart:
        """Synthesize and measure the part. Raises ProofError if the proof finds a difference."""
        cells = self.technology.cells
        with TemporaryDirectory(prefix="halfbyte-array-") as temporary:
            folder = Path(temporary)
            found = synthesize_rtlil(self.rtlil, self.technology, QUICK, folder, self.part)
            energy, missing = measure_part(
                folder / "netlist.json", self.part, self.technology, self.spec, self.operands
            )
            proof = None
            if self.proves:
                component = self.spec.parts[self.part].make()
                proof = prove_unit(component, folder, self.part, cells).status
        return MappedPart(
            area_um2=found.area_um2,
            cells=found.cells,
            flip_flops=found.flip_flops,
            data_energy_fj=round(energy.total - energy.clock, 3) if energy else None,
            clock_energy_fj=round(energy.clock, 3) if energy else None,
            proof=proof,
            not_measured=missing,
        )
