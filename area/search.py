"""The search for the smallest MAC: every architecture, the same recipes for all, records kept."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from halfbyte.area.recipes import HOPELESS_RATIO, QUICK, SECOND_ARCHITECTURES, Recipe, recipes_for
from halfbyte.area.synthesis import MAC, MULTIPLIER, synthesise_rtlil
from halfbyte.area.technology import Technology
from halfbyte.base import RecordStore, build_dir, content_key, source_fingerprint, versions_of
from halfbyte.formats import (
    Format,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
)
from halfbyte.rtl import Mac, applicable_architectures, check_architecture, to_rtlil

__all__ = ["Design", "design_key", "synthesise", "synthesise_named"]

AUTO = "auto"
Progress = Callable[[int, int, str], None]
_VERSIONED = ("amaranth", "pyosys")
# Reads and runs designs, or reckons with their records, but has no influence on them.
_NO_INFLUENCE = ("halfbyte.area.exploration", "halfbyte.area.system")


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

    @cached_property
    def rtlil(self) -> str:
        """The MAC as RTLIL; the architecture must be a named one."""
        mac = Mac(
            weight=self.weight,
            activation=self.activation,
            terms=self.terms,
            architecture=self.architecture,
            acc_width=self.acc_width,
            overflow=self.overflow,
        )
        return to_rtlil(mac)


@dataclass(frozen=True)
class _Job:
    """A synthesis of the MAC, or of its multiplier alone; the architecture is a named one."""

    design: Design
    recipe: Recipe
    technology: Technology
    module: str = MAC

    @cached_property
    def key(self) -> str:
        """What the result depends on: inputs, code and tool versions."""
        design = self.design
        return content_key(
            {
                "formats": [[fmt.bits, fmt.integers] for fmt in (design.weight, design.activation)],
                "architecture": design.architecture,
                "terms": design.terms,
                "acc_width": design.width,
                "overflow": design.overflow.value,
                "technology": self.technology.content_hash,
                "recipe": [self.recipe.name, self.recipe.abc],
                "module": self.module,
                "code": source_fingerprint("halfbyte.rtl", "halfbyte.area", without=_NO_INFLUENCE),
                "versions": versions_of(*_VERSIONED),
            }
        )

    def run(self) -> dict[str, Any]:
        """Synthesise in a temporary folder; if this fails it is kept under ``build/failed``."""
        folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
        try:
            result = self.measure(folder)
        except BaseException:
            (build_dir() / "failed").mkdir(parents=True, exist_ok=True)
            shutil.move(folder, build_dir() / "failed" / folder.name)
            raise
        netlist = build_dir() / "netlists" / f"{self.key[:16]}.v"
        netlist.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "netlist.v", netlist)
        shutil.rmtree(folder)
        return {**result, "netlist": netlist.name}

    def measure(self, folder: Path) -> dict[str, Any]:
        """The figures of the netlist, which is left in ``folder``."""
        result = synthesise_rtlil(
            self.design.rtlil, self.technology, self.recipe, folder, self.module
        )
        return {**asdict(result), "netlist": None}

    def record(
        self, whole: Mapping[str, Any], multiplier: Mapping[str, Any] | None
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
            "format": design.weight.name,
            "activation": design.activation.name,
            "unit": "mac",
            "architecture": design.architecture,
            "recipe": self.recipe.name,
            "terms": design.terms,
            "acc_width": design.width,
            "overflow": design.overflow.value,
            "technology": technology.name,
            "corner": technology.corner,
            "clock_ps": None,
            "area_um2": area,
            "area_ge": round(area / technology.nand2_area, 2),
            "multiplier_um2": product,
            "accumulator_um2": None if product is None else round(area - product - register, 4),
            "register_um2": register,
            "cells": whole["cells"],
            "delay_ps": None,
            "proof": None,
            "netlist": whole["netlist"],
            "versions": {
                **versions_of("halfbyte", *_VERSIONED),
                "card": technology.content_hash[:12],
            },
            "seconds": whole["seconds"],
        }


class _Runner:
    """Runs jobs on several processes; each result is looked up in the store first."""

    def __init__(self, processes: int, on_progress: Progress | None) -> None:
        self.store = RecordStore(build_dir() / "records" / "synth.jsonl")
        self.pool = ThreadPoolExecutor(processes)  # each thread waits for a Yosys process
        self.on_progress = on_progress
        self.done = self.total = 0

    def run(self, jobs: Sequence[_Job]) -> list[dict[str, Any]]:
        """Results in the order of ``jobs``; the first failure is raised."""
        self.total += len(jobs)
        results: dict[str, dict[str, Any]] = {}
        waiting: dict[Future[dict[str, Any]], _Job] = {}
        # Wide designs take longest: first, so that no core is idle while one ends last.
        for job in sorted(jobs, key=lambda job: job.design.width, reverse=True):
            known = self.store.get(job.key)
            if known is None:
                waiting[self.pool.submit(job.run)] = job
            else:
                results[job.key] = known
                self._step(job)
        for future in as_completed(waiting):
            job = waiting[future]
            results[job.key] = future.result()
            self.store.append(job.key, results[job.key])
            self._step(job)
        return [results[job.key] for job in jobs]

    def _step(self, job: _Job) -> None:
        self.done += 1
        if self.on_progress:
            self.on_progress(self.done, self.total, f"{job.design.weight.name} {job.recipe.name}")


_Scored = tuple[_Job, dict[str, Any]]


def synthesise(
    designs: Sequence[Design],
    technology: Technology,
    *,
    every: bool = False,
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
    every : bool
        Return the records of all that was tried, the smallest first, not only the smallest.
    jobs : int, optional
        Processes at a time; all cores by default.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    ToolError
        Yosys or ABC failed; script and log stand in ``build/failed``.
    """
    runner = _Runner(jobs or os.cpu_count() or 1, on_progress)
    try:
        firsts = [
            _Job(candidate, QUICK, technology)
            for design in designs
            for candidate in design.candidates()
        ]
        scored = list(zip(firsts, runner.run(firsts), strict=True))
        seconds = [job for group in _by_design(designs, scored) for job in _second_stage(group)]
        scored += zip(seconds, runner.run(seconds), strict=True)
        chosen = [
            entry
            for group in _by_design(designs, scored)
            for entry in (group if every else group[:1])
        ]
        multipliers = runner.run([replace(job, module=MULTIPLIER) for job, _ in chosen])
    finally:
        runner.pool.shutdown(cancel_futures=True)
    return [
        job.record(whole, multiplier)
        for (job, whole), multiplier in zip(chosen, multipliers, strict=True)
    ]


def design_key(design: Design, recipe: Recipe, technology: Technology) -> str:
    """What the record of a design in a named architecture depends on, as a hash."""
    return _Job(design, recipe, technology).key


def synthesise_named(
    design: Design, recipe: Recipe, technology: Technology, *, multiplier: bool = False
) -> dict[str, Any]:
    """The record of one design in a named architecture, computed here and now, without the store.

    The figures of its parts are null unless ``multiplier`` asks for its multiplier alone, which
    takes half as long again. No netlist is kept. Raises ToolError if Yosys or ABC fails.
    """
    job = _Job(design, recipe, technology)
    with tempfile.TemporaryDirectory(prefix="halfbyte-synth-") as temporary:
        whole = job.measure(Path(temporary))
        part = replace(job, module=MULTIPLIER).measure(Path(temporary)) if multiplier else None
    return job.record(whole, part)


def _by_design(designs: Sequence[Design], scored: Sequence[_Scored]) -> list[list[_Scored]]:
    """What was tried for each design, the smallest first; equals in a fixed order."""

    def rank(entry: _Scored) -> tuple[float, str, str]:
        job, result = entry
        return result["area_um2"], job.design.architecture, job.recipe.name

    groups = []
    for design in designs:
        candidates = design.candidates()
        groups.append(
            sorted((entry for entry in scored if entry[0].design in candidates), key=rank)
        )
    return groups


def _second_stage(group: Sequence[_Scored]) -> list[_Job]:
    return [
        replace(job, recipe=recipe)
        for job, result in group[:SECOND_ARCHITECTURES]
        if result["area_um2"] <= HOPELESS_RATIO * group[0][1]["area_um2"]
        for recipe in recipes_for(result["cells"])
    ]
