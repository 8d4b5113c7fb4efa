"""The search for the smallest MAC: every architecture, the same recipes for all, records kept."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from halfbyte.area import clocked
from halfbyte.area.jobs import JobRunner, Progress
from halfbyte.area.measure import measure_netlist, measured_fields
from halfbyte.area.operands import Operands, load_operands, shipped_operands
from halfbyte.area.proof_record import prove_chosen
from halfbyte.area.recipes import (
    HOPELESS_RATIO,
    QUICK,
    RECIPES,
    SECOND_ARCHITECTURES,
    Recipe,
    recipes_for,
)
from halfbyte.area.synthesis import MAC, MULTIPLIER, synthesise_rtlil
from halfbyte.area.technology import Technology
from halfbyte.area.timing import typical_slew
from halfbyte.base import build_dir, content_key, source_fingerprint, versions_of
from halfbyte.formats import (
    Format,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
)
from halfbyte.rtl import (
    Mac,
    applicable_architectures,
    check_architecture,
    multiplier,
    to_rtlil,
)
from halfbyte.rtl.architecture import MultiplierArchitecture

__all__ = [
    "Design",
    "design_key",
    "empty_record",
    "map_designs",
    "netlist_path",
    "synthesise",
    "synthesise_named",
]

AUTO = "auto"
# Amaranth numbers its signals with a counter that threads share.
_elaborating = threading.Lock()
_VERSIONED = ("amaranth", "pyosys")
# Reads and runs designs, or reckons with their records, but has no influence on them.
_NO_INFLUENCE = ("halfbyte.area.exploration", "halfbyte.area.system")
# What a record holds beside the design and the recipe; an FPGA has no area, a cell library no LUTs.
_MEASURED = (
    *("technology", "corner", "clock_ps", "area_um2", "area_ge", "multiplier_um2"),
    *("accumulator_um2", "register_um2", "cells", "luts", "carry_cells", "flip_flops"),
    *("delay_ps", "slack_ps", "wns_ps", "critical_path", "energy_fj", "uniform_energy_fj"),
    *("clock_energy_fj", "leakage_nw", "not_measured", "operands", "proof", "netlist"),
    *("multiplier_netlist", "versions", "seconds"),
)
_PROVERS = ("python-sat",)


@dataclass(frozen=True)
class Design:
    """One MAC to be synthesised.

    Parameters
    ----------
    weight, activation : Format
        Operand formats.
    architecture : str
        A key of ``rtl.ARCHITECTURES``, or ``auto`` for the smallest of those that fit.
    terms : int
        Products that the accumulator holds without loss.
    acc_width : int, optional
        Accumulator bits, instead of the lossless width.
    overflow : Overflow
        What a narrow accumulator does.
    enable : bool
        Whether there is an enable port; areas are of MACs without.

    Raises
    ------
    ArchitectureError, TypeError, ValueError
        On construction.
    """

    weight: Format
    activation: Format
    architecture: str = AUTO
    terms: int = 256
    acc_width: int | None = None
    overflow: Overflow = Overflow.WRAP
    enable: bool = False

    def __post_init__(self) -> None:
        check_terms(self.terms)
        if self.acc_width is not None:
            check_acc_width(self.acc_width)
        if self.architecture != AUTO:
            check_architecture(self.architecture, self.weight, self.activation)

    @property
    def width(self) -> int:
        """Bits of the accumulator."""
        return self.acc_width or lossless_acc_width(self.weight, self.activation, self.terms)

    def candidates(self) -> list["Design"]:
        """The design in each architecture that fits, or itself if it names one."""
        if self.architecture != AUTO:
            return [self]
        names = applicable_architectures(self.weight, self.activation)
        return [replace(self, architecture=name) for name in names]

    @property
    def mac(self) -> Mac:
        """The MAC as a component; the architecture must be a named one."""
        return Mac(
            weight=self.weight,
            activation=self.activation,
            terms=self.terms,
            architecture=self.architecture,
            acc_width=self.acc_width,
            overflow=self.overflow,
            enable=self.enable,
        )

    @property
    def multiplier(self) -> MultiplierArchitecture:
        """The multiplier alone; the architecture must be a named one."""
        return multiplier(self.architecture, weight=self.weight, activation=self.activation)

    def rtlil(self, module: str = MAC) -> str:
        """The MAC or its multiplier as RTLIL; the architecture must be a named one."""
        with _elaborating:
            return to_rtlil(self.mac if module == MAC else self.multiplier, module)


@dataclass(frozen=True)
class _Job:
    """A synthesis of the MAC, or of its multiplier alone; the architecture is a named one."""

    design: Design
    recipe: Recipe
    technology: Technology
    module: str = MAC
    clock_ps: float | None = None
    operands: Operands | None = None

    @cached_property
    def key(self) -> str:
        """What the result depends on: inputs, code and tool versions."""
        design = self.design
        return content_key(
            {
                "formats": [
                    [fmt.bits, fmt.integers, fmt.nan_codes]
                    for fmt in (design.weight, design.activation)
                ],
                "architecture": design.architecture,
                "terms": design.terms,
                "acc_width": design.width,
                "overflow": design.overflow.value,
                "enable": design.enable,
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
        """Synthesise in a temporary folder; if this fails it is kept under ``build/failed``."""
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
        result = synthesise_rtlil(
            self.design.rtlil(self.module),
            self.technology,
            self.recipe,
            folder,
            self.module,
            self.clock_ps,
        )
        return {**asdict(result), **self._measure(folder / "netlist.json"), "netlist": None}

    def of_multiplier(self) -> "_Job":
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
        and sign logic. Synthesis optimises across the border, so the parts are no exact sum.
        Both are null if the multiplier was not synthesised alone.
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


def empty_record(design: Design) -> dict[str, Any]:
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
        **dict.fromkeys(_MEASURED),
    }


def netlist_path(name: str) -> Path:
    """Where the netlist that a record names is kept."""
    return build_dir() / "netlists" / name


@dataclass(frozen=True)
class _ProofJob:
    """The proof of a job's two netlists: that of the MAC, and that of its multiplier alone."""

    job: _Job
    netlist: Path
    multiplier: Path

    @property
    def design(self) -> Design:
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
        design = self.design
        return prove_chosen(
            design.mac, design.multiplier, self.job.technology, self.netlist, self.multiplier
        )

    def is_complete(self, result: Mapping[str, Any]) -> bool:
        """A stored proof lacks nothing."""
        return True


_Scored = tuple[_Job, dict[str, Any]]


def synthesise(
    designs: Sequence[Design],
    technology: Technology,
    *,
    clock_ps: float | None = None,
    operands: Operands | None = None,
    every: bool = False,
    prove: bool = True,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Records (``design.md``, "Result record") of the smallest netlist of each design, in order.

    Every architecture that fits is tried with the quick recipe, then the best two of each design
    with the others: the same rule for every format. Results are stored as they come, and what is
    in the store is not computed again.

    Parameters
    ----------
    designs : sequence of Design
        What to synthesise.
    technology : Technology
        The cells to use.
    clock_ps : float, optional
        A clock period to meet. The record is then that of the smallest netlist that meets it, or,
        if none does, of the fastest (its ``wns_ps`` is negative).
    operands : Operands, optional
        What the energies are measured on; the shipped set of the default model if not given.
    every : bool
        Return the records of all that was tried, the best first, not only the best.
    prove : bool
        Prove every netlist that is returned; otherwise ``proof`` is None.
    jobs : int, optional
        Processes at a time; all cores by default.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    ProofError
        A netlist or its RTL was refuted; the message has the counterexample.
    ToolError
        Yosys or ABC failed; script and log stand in ``build/failed``.
    UserError
        There is a clock, and the technology has no timing tables.
    """
    if clock_ps is not None:
        typical_slew(technology)  # raises if there are no tables
    operands = operands or load_operands(shipped_operands()[0])
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)
    try:
        firsts = [
            _Job(candidate, QUICK, technology, operands=operands)
            for design in designs
            for candidate in design.candidates()
        ]
        scored = list(zip(firsts, runner.run(firsts), strict=True))
        seconds = [job for group in _by_design(designs, scored) for job in _second_stage(group)]
        scored += zip(seconds, runner.run(seconds), strict=True)
        groups = _by_design(designs, scored)
        if clock_ps is not None:
            groups = _for_clock(designs, groups, clock_ps, runner)
        chosen = [entry for group in groups for entry in (group if every else group[:1])]
        multipliers = runner.run([job.of_multiplier() for job, _ in chosen])
        proofs = runner.run(
            [
                _ProofJob(job, netlist_path(whole["netlist"]), netlist_path(multiplier["netlist"]))
                for (job, whole), multiplier in zip(chosen, multipliers, strict=True)
                if prove
            ]
        )
    finally:
        runner.end()
    return [
        job.record(whole, multiplier, proof)
        for (job, whole), multiplier, proof in zip(
            chosen, multipliers, proofs if prove else [None] * len(chosen), strict=True
        )
    ]


def design_key(
    design: Design,
    recipe: Recipe,
    technology: Technology,
    clock_ps: float | None = None,
    operands: Operands | None = None,
) -> str:
    """What the record of a design in a named architecture depends on, as a hash."""
    return _Job(design, recipe, technology, clock_ps=clock_ps, operands=operands).key


def synthesise_named(
    design: Design,
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
    job = _Job(design, recipe, technology, clock_ps=clock_ps, operands=operands)
    with tempfile.TemporaryDirectory(prefix="halfbyte-synth-") as temporary:
        whole = {**dict.fromkeys(_MEASURED), **job.measure(Path(temporary))}
        part = job.of_multiplier().measure(Path(temporary)) if multiplier else None
    return job.record(whole, part, None)


def _label(job: _Job) -> tuple[str, str]:
    return job.design.architecture, job.recipe.name


def _by_design(designs: Sequence[Design], scored: Sequence[_Scored]) -> list[list[_Scored]]:
    """What was tried for each design, the smallest first; equals in a fixed order."""

    def rank(entry: _Scored) -> tuple[float, str, str]:
        return entry[1]["area_um2"], *_label(entry[0])

    groups = []
    for design in designs:
        candidates = design.candidates()
        groups.append(
            sorted((entry for entry in scored if entry[0].design in candidates), key=rank)
        )
    return groups


def _for_clock(
    designs: Sequence[Design], groups: Sequence[list[_Scored]], clock_ps: float, runner: JobRunner
) -> list[list[_Scored]]:
    """What was tried for each design at a clock, the best first: see :mod:`.clocked`.

    ``groups`` are the results without a clock; where the smallest meets it, nothing else is tried.
    """

    def best_first(entries: Iterable[_Scored]) -> list[_Scored]:
        return sorted(
            entries,
            key=lambda entry: (*clocked.rank(entry[1], clock_ps), *_label(entry[0])),
        )

    groups = [
        [(replace(job, clock_ps=clock_ps), result) for job, result in group] for group in groups
    ]
    open_ = [
        place for place, group in enumerate(groups) if not clocked.meets(group[0][1], clock_ps)
    ]
    for stage in (_every_structure, _every_recipe, _other_targets):
        jobs = {place: stage(designs[place], best_first(groups[place])) for place in open_}
        results = iter(runner.run([job for each in jobs.values() for job in each]))
        for place, each in jobs.items():
            groups[place] += [(job, next(results)) for job in each]
    return [best_first(group) if place in open_ else group for place, group in enumerate(groups)]


def _every_structure(design: Design, group: Sequence[_Scored]) -> list[_Job]:
    pattern = group[0][0]
    return [
        replace(pattern, design=candidate, recipe=recipe)
        for candidate in design.candidates()
        for recipe in clocked.FIRST
    ]


def _every_recipe(design: Design, group: Sequence[_Scored]) -> list[_Job]:
    timed = [job for job, _ in group if job.recipe.clocked]
    structures = list(dict.fromkeys(job.design.architecture for job in timed))
    return [
        replace(timed[0], design=replace(design, architecture=architecture), recipe=recipe)
        for architecture in structures[: clocked.STRUCTURES]
        for recipe in clocked.SECOND
        if recipe not in clocked.FIRST
    ]


def _other_targets(design: Design, group: Sequence[_Scored]) -> list[_Job]:
    timed = [job for job, _ in group if job.recipe.clocked]
    return [
        replace(job, recipe=recipe)
        for job in timed[: clocked.FINALISTS]
        for recipe in clocked.retargeted(job.recipe)
    ]


def _second_stage(group: Sequence[_Scored]) -> list[_Job]:
    return [
        replace(job, recipe=recipe)
        for job, result in group[:SECOND_ARCHITECTURES]
        if result["area_um2"] <= HOPELESS_RATIO * group[0][1]["area_um2"]
        for recipe in recipes_for(result["cells"])
    ]


def map_designs(
    designs: Sequence[Design],
    recipe: str,
    technology: Technology,
    *,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[Path]:
    """The netlists (Verilog) of designs with a named architecture, all by one recipe."""
    (chosen,) = (each for each in RECIPES if each.name == recipe)
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)
    try:
        results = runner.run([_Job(design, chosen, technology) for design in designs])
    finally:
        runner.end()
    return [netlist_path(result["netlist"]) for result in results]
