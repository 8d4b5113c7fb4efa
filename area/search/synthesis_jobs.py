"""The synthesis of a design by a recipe, as a job that is run and stored."""

import hashlib
import shutil
import tempfile
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypedDict

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.results import MacProof
from halfbyte.area.search.records import MappedRecord, SynthesisRecord
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.measure import Measured, measure_netlist
from halfbyte.area.timing.operands import Operands
from halfbyte.base import build_dir, code_fingerprint, content_key, versions_of
from halfbyte.rtl import MacSpec

__all__ = [
    "SynthesisJob",
    "design_fields",
    "design_key",
    "is_kept",
    "netlist_digest",
    "netlist_path",
    "synthesize_named",
]

_VERSIONED = ("amaranth", "pyosys")
# A multiplier alone, which is only reported, is annealed with fewer moves by this factor.
MULTIPLIER_SHARE = 4


@dataclass(frozen=True)
class SynthesisJob:
    """A synthesis of the MAC, or of its multiplier alone; the architecture is a named one."""

    design: MacSpec
    recipe: Recipe
    technology: Technology
    module: str = MAC
    clock_ps: float | None = None
    operands: Operands | None = None
    result_type = MappedRecord

    @cached_property
    def key(self) -> str:
        """What the result depends on: inputs, code and tool versions."""
        return content_key(
            {
                **self.design.content,
                "technology": self.technology.content_hash,
                "recipe": list(astuple(self.recipe)),
                "module": self.module,
                "clock_ps": self.clock_ps,
                "operands": self.operands and self.operands.content_hash,
                "code": code_fingerprint(__name__),
                "versions": versions_of(*_VERSIONED),
            }
        )

    @property
    def label(self) -> str:
        """For the progress line."""
        return f"{self.design.weight.name} {self.recipe.name}"

    @property
    def cost(self) -> float:
        """How long it takes, roughly: wide designs longest."""
        return self.design.width

    def run(self) -> MappedRecord:
        """Synthesize in a temporary folder; if this fails it is kept under ``build/failed``."""
        with run_folder() as folder:
            result = self.measure(folder)
            netlist = netlist_path(f"{self.key[:16]}.v")
            netlist.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / "netlist.v", netlist)
        return replace(result, netlist=netlist.name, netlist_sha256=netlist_digest(netlist))

    def measure(self, folder: Path) -> MappedRecord:
        """The figures of the netlist in ``folder``."""
        result = synthesize_rtlil(
            _rtlil(self.design, self.module),
            self.technology,
            self.recipe,
            folder,
            self.module,
            self.clock_ps,
        )
        return MappedRecord(**asdict(result), measured=self._measure(folder / "netlist.json"))

    def of_multiplier(self) -> "SynthesisJob":
        """The same job for the multiplier alone; an annealing has fewer moves."""
        clock = self.clock_ps if self.recipe.clocked else None
        recipe = replace(self.recipe, moves=self.recipe.moves // MULTIPLIER_SHARE)
        return replace(self, module=MULTIPLIER, recipe=recipe, clock_ps=clock, operands=None)

    def _measure(self, netlist: Path) -> Measured | None:
        """Delay and energies of a MAC; None for a multiplier alone."""
        if self.operands is None:
            return None
        design = self.design
        return measure_netlist(
            netlist,
            self.module,
            self.technology,
            weight=design.weight,
            activation=design.activation,
            terms=design.terms,
            operands=self.operands,
        )

    def is_complete(self, result: MappedRecord) -> bool:
        """Whether the netlist is still there, and still the one that was measured."""
        return is_kept(result.netlist, result.netlist_sha256)

    def record(
        self, whole: MappedRecord, multiplier: MappedRecord | None, proof: MacProof | None
    ) -> SynthesisRecord:
        """The result record from the figures of the MAC and its multiplier.

        The accumulator's area is the whole minus multiplier and registers: adder, clear and sign
        logic. Synthesis optimizes across the border, so this split is not exact. Both areas are
        null if the multiplier was not synthesized alone.
        """
        technology, measured = self.technology, whole.measured or Measured()
        area, register = whole.area_um2, whole.register_um2
        product = multiplier.area_um2 if multiplier else None
        record = SynthesisRecord(
            **design_fields(self.design),
            recipe=self.recipe.name,
            technology=technology.name,
            corner=technology.corner,
            area_um2=area,
            area_ge=round(area / technology.nand2_area, 2),
            multiplier_um2=product,
            accumulator_um2=None if product is None else round(area - product - register, 4),
            register_um2=register,
            cells=whole.cells,
            flip_flops=whole.flip_flops,
            **asdict(measured),
            operands=self.operands.name if self.operands else None,
            proof=proof,
            netlist=whole.netlist,
            multiplier_netlist=multiplier.netlist if multiplier else None,
            versions={
                **versions_of("halfbyte", *_VERSIONED),
                "card": technology.content_hash[:12],
            },
            seconds=whole.seconds,
        )
        return record if self.clock_ps is None else record.at_clock(self.clock_ps)


@lru_cache(maxsize=256)
def _rtlil(design: MacSpec, module: str) -> str:
    """The design's RTL, cached for all recipes: elaborating takes a tenth of a synthesis."""
    return design.rtlil(module)


class DesignFields(TypedDict):
    """The fields of a record that describe the design."""

    format: str
    activation: str
    architecture: str
    terms: int
    acc_width: int
    overflow: str
    segment: int | None


def design_fields(design: MacSpec) -> DesignFields:
    """The fields of a :class:`SynthesisRecord` that say what was synthesized."""
    return {
        "format": design.weight.name,
        "activation": design.activation.name,
        "architecture": design.architecture,
        "terms": design.terms,
        "acc_width": design.width,
        "overflow": design.overflow.value,
        "segment": design.segment,
    }


def netlist_path(name: str) -> Path:
    """Where the netlist that a record names is kept."""
    return build_dir() / "netlists" / name


def is_kept(name: str | None, digest: str | None) -> bool:
    """Whether the netlist of that name exists and still has this digest."""
    path = netlist_path(name or "")
    return path.is_file() and netlist_digest(path) == digest


def netlist_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def design_key(
    design: MacSpec,
    recipe: Recipe,
    technology: Technology,
    clock_ps: float | None = None,
    operands: Operands | None = None,
) -> str:
    """What the record of a design in a named architecture depends on, as a hash."""
    return SynthesisJob(design, recipe, technology, clock_ps=clock_ps, operands=operands).key


def synthesize_named(
    design: MacSpec,
    recipe: Recipe,
    technology: Technology,
    clock_ps: float | None = None,
    operands: Operands | None = None,
    *,
    multiplier: bool = False,
) -> SynthesisRecord:
    """The record of one design in a named architecture, computed now, without the store.

    Delay and energies are null without ``operands``. The areas of its parts are null unless
    ``multiplier`` is set: the multiplier is then also synthesized alone, which takes half as long
    again. Nothing is proved, and no netlist is kept. Raises ToolError if Yosys or ABC fails.
    """
    job = SynthesisJob(design, recipe, technology, clock_ps=clock_ps, operands=operands)
    with tempfile.TemporaryDirectory(prefix="halfbyte-synth-") as temporary:
        whole = job.measure(Path(temporary))
        part = job.of_multiplier().measure(Path(temporary)) if multiplier else None
    return job.record(whole, part, None)
