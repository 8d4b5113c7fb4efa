"""The search for the smallest MAC: every architecture, the same recipes for all, records kept."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from halfbyte.area.recipes import DEEP_CANDIDATES, Recipe, deep_recipe, quick_recipes
from halfbyte.area.synthesis import synthesise_rtlil
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

__all__ = ["Design", "synthesise"]

AUTO = "auto"
Progress = Callable[[int, int, str], None]
_VERSIONED = ("amaranth", "pyosys")


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
    design: Design
    recipe: Recipe
    technology: Technology

    @cached_property
    def key(self) -> str:
        """What the result depends on: inputs, code and tool versions."""
        design = self.design
        return content_key(
            {
                "weight": [design.weight.name, design.weight.bits, design.weight.integers],
                "quanta": [design.weight.quantum, design.activation.quantum],
                "activation": [design.activation.name, design.activation.integers],
                "architecture": design.architecture,
                "terms": design.terms,
                "acc_width": design.width,
                "overflow": design.overflow.value,
                "technology": self.technology.content_hash,
                "recipe": [self.recipe.name, self.recipe.abc],
                "code": source_fingerprint("halfbyte.rtl", "halfbyte.area"),
                "versions": versions_of(*_VERSIONED),
            }
        )

    def run(self) -> dict[str, Any]:
        """Synthesise in a temporary folder, which is kept under ``build`` if this fails."""
        folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
        try:
            result = synthesise_rtlil(self.design.rtlil, self.technology, self.recipe, folder)
        except Exception:
            failed = build_dir() / "failed" / folder.name
            shutil.move(folder, failed)
            raise
        netlist = build_dir() / "netlists" / f"{self.key[:16]}.v"
        netlist.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "mac.v", netlist)
        shutil.rmtree(folder)
        design, technology = self.design, self.technology
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
            "area_um2": result.area_um2,
            "area_ge": round(result.area_um2 / technology.nand2_area, 2),
            "multiplier_um2": result.multiplier_um2,
            "accumulator_um2": result.accumulator_um2,
            "register_um2": result.register_um2,
            "cells": result.cells,
            "delay_ps": None,
            "proof": None,
            "netlist": netlist.name,
            "versions": {
                **versions_of("halfbyte", *_VERSIONED),
                "card": technology.content_hash[:12],
            },
            "seconds": result.seconds,
        }


class _Runner:
    """Runs jobs on several processes, each result looked up in the store first."""

    def __init__(self, jobs: int, on_progress: Progress | None) -> None:
        self.store = RecordStore(build_dir() / "records" / "synth.jsonl")
        self.pool = ThreadPoolExecutor(jobs)
        self.on_progress = on_progress
        self.done = self.total = 0

    def run(self, jobs: Sequence[_Job]) -> dict[str, dict[str, Any]]:
        """Records by key of the job; the first failure is raised once running jobs have ended."""
        self.total += len(jobs)
        records = {}
        waiting: dict[Future[dict[str, Any]], _Job] = {}
        for job in jobs:
            known = self.store.get(job.key)
            if known is None:
                waiting[self.pool.submit(job.run)] = job
            else:
                records[job.key] = known
                self._step(job)
        for future in as_completed(waiting):
            job = waiting[future]
            records[job.key] = future.result()
            self.store.append(job.key, records[job.key])
            self._step(job)
        return records

    def _step(self, job: _Job) -> None:
        self.done += 1
        if self.on_progress:
            self.on_progress(self.done, self.total, f"{job.design.weight.name} {job.recipe.name}")


def synthesise(
    designs: Sequence[Design],
    technology: Technology,
    *,
    every: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Records (``design.md``, "Result record") of the smallest netlist of each design, in order.

    Every architecture that fits is tried with the quick recipes, then the best few of each design
    with the deep one: the same rule for every format. Results are stored as they come, and what is
    in the store is not computed again.

    Parameters
    ----------
    designs : sequence of Design
        What to synthesise.
    technology : Technology
        The cells to use.
    every : bool
        Return the records of all candidates, not only the smallest.
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
        quick = {
            design: [
                _Job(candidate, recipe, technology)
                for candidate in design.candidates()
                for recipe in quick_recipes()
            ]
            for design in designs
        }
        records = runner.run([job for group in quick.values() for job in group])
        deep = {design: list(_deep_jobs(group, records)) for design, group in quick.items()}
        records |= runner.run([job for group in deep.values() for job in group])
    finally:
        runner.pool.shutdown(cancel_futures=True)
    found = []
    for design in designs:
        group = sorted((records[job.key] for job in quick[design] + deep[design]), key=_rank)
        found += group if every else group[:1]
    return found


def _rank(record: dict[str, Any]) -> tuple[float, str, str]:
    return record["area_um2"], record["architecture"], record["recipe"]


def _deep_jobs(group: Sequence[_Job], records: dict[str, dict[str, Any]]) -> Iterator[_Job]:
    best = sorted(group, key=lambda job: _rank(records[job.key]))[:DEEP_CANDIDATES]
    return (replace(job, recipe=deep_recipe(job.recipe)) for job in best)
