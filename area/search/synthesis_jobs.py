"""What is run and stored: the synthesis of a design by a recipe, and the proof of its netlists."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.record import prove_chosen
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.measure import measure_netlist, measured_fields
from halfbyte.area.timing.operands import Operands
from halfbyte.base import build_dir, content_key, source_fingerprint, versions_of
from halfbyte.rtl import MacSpec

__all__ = [
    "ProofJob",
    "SynthesisJob",
    "design_key",
    "empty_record",
    "netlist_path",
    "synthesize_named",
]

_VERSIONED = ("amaranth", "pyosys")
# Reads and runs designs, or reckons with their records, but has no influence on them.
_NO_INFLUENCE = ("halfbyte.area.exploration", "halfbyte.pareto.system")
# What a record holds beside the design and the recipe; an FPGA has no area, a cell library no LUTs.
_MEASURED = (
    *("technology", "corner", "clock_ps", "area_um2", "area_ge", "multiplier_um2"),
    *("accumulator_um2", "register_um2", "cells", "luts", "carry_cells", "flip_flops"),
    *("delay_ps", "slack_ps", "wns_ps", "critical_path", "acc_delay_ps", "acc_cycles"),
    *(
        "energy_fj",
        "uniform_energy_fj",
        "clock_energy_fj",
        "leakage_nw",
        "not_measured",
        "operands",
        "proof",
        "netlist",
    ),
    *("multiplier_netlist", "versions", "seconds"),
)
_PROVERS = ("python-sat",)


@dataclass(frozen=True)
class SynthesisJob:
    """A synthesis of the MAC, or of its multiplier alone; the architecture is a named one."""

    design: MacSpec
    recipe: Recipe
    technology: Technology
    module: str = MAC
    clock_ps: float | None = None
    operands: Operands | None = None

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
                "code": source_fingerprint("halfbyte.rtl", "halfbyte.area", without=_NO_INFLUENCE),
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

    def run(self) -> dict[str, Any]:
        """Synthesize in a temporary folder; if this fails it is kept under ``build/failed``."""
        folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
        try:
            result = self.measure(folder)
        except BaseException:
            (build_dir() / "failed").mkdir(parents=True, exist_ok=True)
            shutil.move(folder, build_dir() / "failed" / folder.name)
            raise
        netlist = netlist_path(f"{self.key[:16]}.v")
        netlist.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "netlist.v", netlist)
        shutil.rmtree(folder)
        return {**result, "netlist": netlist.name}

    def measure(self, folder: Path) -> dict[str, Any]:
        """The figures of the netlist, which is left in ``folder``."""
        result = synthesize_rtlil(
            self.design.rtlil(self.module),
            self.technology,
            self.recipe,
            folder,
            self.module,
            self.clock_ps,
        )
        return {**asdict(result), **self._measure(folder / "netlist.json"), "netlist": None}

    def of_multiplier(self) -> "SynthesisJob":
        """The same for the multiplier alone."""
        clock = self.clock_ps if self.recipe.clocked else None
        return replace(self, module=MULTIPLIER, clock_ps=clock, operands=None)

    def _measure(self, netlist: Path) -> dict[str, Any]:
        """Delay and energies of a MAC; nothing of a multiplier alone."""
        if self.operands is None:
            return {}
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

    def is_complete(self, result: Mapping[str, Any]) -> bool:
        """Whether all that a stored result names is still there."""
        return netlist_path(result["netlist"]).is_file()

    def record(
        self,
        whole: Mapping[str, Any],
        multiplier: Mapping[str, Any] | None,
        proof: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """The result record (``design.md``) from the figures of the MAC and its multiplier.

        The accumulator's area is what multiplier and registers leave of the whole: adder, clear
        and sign logic. Synthesis optimizes across the border, so the parts are no exact sum.
        Both are null if the multiplier was not synthesized alone.
        """
        design, technology = self.design, self.technology
        area, register = whole["area_um2"], whole["register_um2"]
        product = multiplier["area_um2"] if multiplier else None
        return {
            **empty_record(design),
            "recipe": self.recipe.name,
            "technology": technology.name,
            "corner": technology.corner,
            "clock_ps": self.clock_ps,
            "area_um2": area,
            "area_ge": round(area / technology.nand2_area, 2),
            "multiplier_um2": product,
            "accumulator_um2": None if product is None else round(area - product - register, 4),
            "register_um2": register,
            "cells": whole["cells"],
            "flip_flops": whole["flip_flops"],
            **measured_fields(whole, self.clock_ps),
            "operands": self.operands.name if self.operands else None,
            "proof": proof,
            "netlist": whole["netlist"],
            "multiplier_netlist": multiplier["netlist"] if multiplier else None,
            "versions": {
                **versions_of("halfbyte", *_VERSIONED),
                "card": technology.content_hash[:12],
            },
            "seconds": whole["seconds"],
        }


def empty_record(design: MacSpec) -> dict[str, Any]:
    """A record of which only the design is known; the others' fields in their order."""
    return {
        "format": design.weight.name,
        "activation": design.activation.name,
        "unit": "mac",
        "architecture": design.architecture,
        "recipe": None,
        "terms": design.terms,
        "acc_width": design.width,
        "overflow": design.overflow.value,
        "segment": design.segment,
        **dict.fromkeys(_MEASURED),
    }


def netlist_path(name: str) -> Path:
    """Where the netlist that a record names is kept."""
    return build_dir() / "netlists" / name


@dataclass(frozen=True)
class ProofJob:
    """The proof of a job's two netlists: that of the MAC, and that of its multiplier alone."""

    job: SynthesisJob
    netlist: Path
    multiplier: Path

    @property
    def design(self) -> MacSpec:
        return self.job.design

    @property
    def label(self) -> str:
        """For the progress line."""
        return f"{self.design.weight.name} proof"

    @property
    def cost(self) -> float:
        """How long it takes, roughly: wide designs longest."""
        return self.design.width

    @cached_property
    def key(self) -> str:
        """What the proof depends on; the netlists by their content."""
        texts = [path.read_text() for path in (self.netlist, self.multiplier)]
        return content_key(["proof", self.job.key, texts, versions_of(*_PROVERS)])

    def run(self) -> dict[str, Any]:
        """Prove both netlists."""
        return prove_chosen(self.design, self.job.technology, self.netlist, self.multiplier)

    def is_complete(self, result: Mapping[str, Any]) -> bool:
        """A stored proof lacks nothing."""
        return True


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
) -> dict[str, Any]:
    """The record of one design in a named architecture, computed here and now, without the store.

    Delay and energies are null without ``operands``; the figures of its parts are null unless
    ``multiplier`` asks for its multiplier alone, which takes half as long again. Nothing is proved,
    and no netlist is kept. Raises ToolError if Yosys or ABC fails.
    """
    job = SynthesisJob(design, recipe, technology, clock_ps=clock_ps, operands=operands)
    with tempfile.TemporaryDirectory(prefix="halfbyte-synth-") as temporary:
        whole = {**dict.fromkeys(_MEASURED), **job.measure(Path(temporary))}
        part = job.of_multiplier().measure(Path(temporary)) if multiplier else None
    return job.record(whole, part, None)
