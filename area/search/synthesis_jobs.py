"""A synthesis of a MAC, as a job that runs one recipe on one design; its result is stored.

A recipe is a fixed sequence of synthesis steps. Some recipes end in an annealing, a random search
for a smaller netlist. The length of an annealing is counted in moves; each move tries one change.
The addend is everything in a MAC before the accumulator's adder: the multiplier, and the gates that
invert the multiplier's output if it must be negated.
"""

import hashlib
import shutil
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypedDict

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.results import MacProof
from halfbyte.area.search.records import MappedRecord, SynthesisRecord
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.synthesis.annealed import anneal_multiplier
from halfbyte.area.synthesis.annealing import CellNetlist
from halfbyte.area.synthesis.recipes import LONG, Recipe
from halfbyte.area.synthesis.yosys import addend_gates, synthesize_rtlil
from halfbyte.area.timing.measure import Measured
from halfbyte.area.timing.operands import Operands
from halfbyte.base import Json, build_dir, code_fingerprint, content_key, versions_of
from halfbyte.rtl import MacSpec

__all__ = [
    "SYNTHESIS_CODE",
    "VERSIONED",
    "MacJob",
    "Scored",
    "SynthesisJob",
    "design_fields",
    "design_rtlil",
    "is_kept",
    "json_path",
    "netlist_digest",
    "netlist_path",
]

VERSIONED = ("amaranth", "pyosys")
# The modules that netlists depend on; their imports count too. The code that measures netlists is
# not among them.
SYNTHESIS_CODE = ("halfbyte.area.synthesis.yosys", "halfbyte.rtl.spec")
# A multiplier is synthesized alone only to report its area. So its annealing is shorter than the
# longest annealing of the MAC: the number of moves is divided by this.
MULTIPLIER_SHARE = 8


@dataclass(frozen=True)
class MacJob:
    """A MAC to be mapped to a technology's cells by a recipe.

    The architecture of ``design`` is already chosen.
    """

    design: MacSpec
    recipe: Recipe
    technology: Technology

    def key_with(self, **more: Json) -> str:
        """A hash of all that a result depends on: inputs, code, tool versions, and ``more``."""
        return content_key(
            {
                **self.design.content,
                "technology": self.technology.content_hash,
                "recipe": list(astuple(self.recipe)),
                "code": code_fingerprint(*SYNTHESIS_CODE),
                "versions": versions_of(*VERSIONED),
                **more,
            }
        )

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.design.weight.name} {self.recipe.name}"

    @property
    def cost(self) -> float:
        """Roughly how long the job takes; wide designs take longest."""
        return self.design.width


@dataclass(frozen=True)
class SynthesisJob(MacJob):
    """A synthesis of the MAC, or of its multiplier alone."""

    module: str = MAC
    clock_ps: float | None = None
    result_type = MappedRecord

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        return self.key_with(module=self.module, clock_ps=self.clock_ps)

    @property
    def order(self) -> tuple[str, int, str]:
        """Sort key for netlists that are equally good."""
        return self.design.architecture, self.design.segment or 0, self.recipe.name

    def run(self) -> MappedRecord:
        """Synthesize in a temporary folder, which is kept in ``build/failed`` after a failure."""
        with run_folder() as folder:
            result = self.map(folder)
            netlist = netlist_path(f"{self.key[:16]}.v")
            netlist.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder / "netlist.v", netlist)
            shutil.move(folder / "netlist.json", json_path(netlist))
        return replace(
            result,
            netlist=netlist.name,
            netlist_sha256=netlist_digest(netlist),
            json_sha256=netlist_digest(json_path(netlist)),
        )

    def map(self, folder: Path) -> MappedRecord:
        """Synthesize in ``folder``, which gets ``netlist.v`` and ``netlist.json``."""
        result = synthesize_rtlil(
            design_rtlil(self.design, self.module),
            self.technology,
            self.recipe,
            folder,
            self.module,
            self.clock_ps,
            self._annealed_multiplier(folder),
        )
        return MappedRecord(**asdict(result))

    def _annealed_multiplier(self, folder: Path) -> CellNetlist | None:
        """The multiplier alone, annealed from the gates of the addend.

        Returns None for other modules and for recipes without annealing. Also returns None if the
        product does not depend on both codes, since the gates then lack a port of the multiplier,
        and if the library has no XOR cell, which undoes the addend's inversion.
        """
        if self.module != MULTIPLIER or not self.recipe.moves:
            return None
        mac, own = design_rtlil(self.design, MAC), folder / "addend"
        addend = addend_gates(mac, self.technology, self.recipe, own)
        return anneal_multiplier(addend, self.design.term_bits, self.technology, self.recipe)

    def of_multiplier(self) -> "SynthesisJob":
        """The job that synthesizes the multiplier alone with the same recipe.

        If the recipe anneals, the multiplier gets an eighth of the moves that the recipe or
        ``LONG`` has, whichever has more.
        """
        clock = self.clock_ps if self.recipe.clocked else None
        moves = max(self.recipe.moves, LONG.moves) // MULTIPLIER_SHARE if self.recipe.moves else 0
        recipe = replace(self.recipe, moves=moves)
        return replace(self, module=MULTIPLIER, recipe=recipe, clock_ps=clock)

    def is_complete(self, result: MappedRecord) -> bool:
        """Whether the netlist's Verilog and JSON files still exist and are unchanged."""
        json = json_path(netlist_path(result.netlist or ""))
        return is_kept(result.netlist, result.netlist_sha256) and is_kept(
            json.name, result.json_sha256
        )

    def record(
        self,
        whole: MappedRecord,
        multiplier: MappedRecord | None,
        proof: MacProof | None,
        measured: Measured | None,
        operands: Operands | None,
    ) -> SynthesisRecord:
        """The record of the MAC, from the results for the MAC and its multiplier.

        ``measured`` holds the MAC's delay, and its energies on ``operands``. The accumulator's area
        (adder, clear and sign logic) is the MAC's area minus the areas of the multiplier and the
        registers. This split is not exact, since synthesis optimizes logic across the border
        between multiplier and accumulator. The areas of multiplier and accumulator are null if the
        multiplier was not synthesized alone.
        """
        technology = self.technology
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
            **asdict(measured or Measured()),
            operands=operands.name if operands else None,
            proof=proof,
            netlist=whole.netlist,
            multiplier_netlist=multiplier.netlist if multiplier else None,
            versions={
                **versions_of("halfbyte", *VERSIONED),
                "card": technology.content_hash[:12],
            },
            seconds=whole.seconds,
        )
        return record if self.clock_ps is None else record.at_clock(self.clock_ps)


# A job with its result.
Scored = tuple[SynthesisJob, MappedRecord]


@lru_cache(maxsize=256)
def design_rtlil(design: MacSpec, module: str = MAC) -> str:
    """The RTLIL (Yosys' text form of RTL) of one of the design's modules.

    The cache serves all recipes: making the RTLIL takes a tenth of the time of a synthesis.
    """
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
    """The path of a netlist file that a record names."""
    return build_dir() / "netlists" / name


def json_path(netlist: Path) -> Path:
    """The path of the JSON file from Yosys that lies beside a netlist's Verilog file."""
    return netlist.with_suffix(".json")


def is_kept(name: str | None, digest: str | None) -> bool:
    """Whether the file of this name in ``build/netlists`` exists and still has this digest."""
    path = netlist_path(name or "")
    return path.is_file() and netlist_digest(path) == digest


def netlist_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
