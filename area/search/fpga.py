"""Synthesis of MACs for three families of FPGAs, with Yosys' own commands.

A record counts the lookup tables (LUTs), carry cells and flip-flops that a MAC uses.
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from halfbyte.area.search.jobs import Job, JobRunner
from halfbyte.area.search.records import FpgaRecord
from halfbyte.area.search.synthesis_jobs import design_fields
from halfbyte.base import (
    Progress,
    Record,
    UserError,
    code_fingerprint,
    content_key,
    run_yosys,
    versions_of,
)
from halfbyte.rtl import MacSpec

__all__ = ["TARGETS", "FpgaTarget", "pick_target", "synthesize_fpga"]

_VERSIONED = ("amaranth", "pyosys")


@dataclass(frozen=True)
class FpgaTarget:
    """A family of FPGAs.

    DSP blocks (hard multipliers) are not used, since they would hide what a format costs. A slice
    of an FPGA also has multiplexers beside its LUTs; these are not counted as LUTs.

    Parameters
    ----------
    name, title : str
        Short name, and readable name.
    command : str
        The Yosys command that synthesizes for the family.
    luts, carries, flip_flops : str
        The letters with which the names of LUTs, carry cells and flip-flops begin.
    others : tuple of str
        Names of all other cells that may occur.
    """

    name: str
    title: str
    command: str
    luts: str
    carries: str
    flip_flops: str
    others: tuple[str, ...]


TARGETS = {
    target.name: target
    for target in (
        FpgaTarget(
            "ice40", "Lattice iCE40", "synth_ice40 -top mac", "SB_LUT4", "SB_CARRY", "SB_DFF", ()
        ),
        FpgaTarget(
            "ecp5",
            "Lattice ECP5",
            "synth_ecp5 -top mac -nodsp",
            "LUT4",
            "CCU2C",
            "TRELLIS_FF",
            ("PFUMX", "L6MUX21"),
        ),
        FpgaTarget(
            "xc7",
            "Xilinx 7 series",
            "synth_xilinx -top mac -family xc7 -flatten -nodsp -noiopad -noclkbuf",
            "LUT",
            "CARRY4",
            "FD",
            ("MUXF7", "MUXF8", "INV"),
        ),
    )
}


def pick_target(name: str) -> FpgaTarget:
    """The target named ``name``; for an unknown name, raises a UserError that lists all names."""
    if name not in TARGETS:
        raise UserError(f"Target must be one of {', '.join(TARGETS)}, not {name[:60]!r}")
    return TARGETS[name]


@dataclass(frozen=True)
class _Resources(Record):
    """The cells of a netlist for an FPGA, counted by kind."""

    luts: int
    """Number of lookup tables."""
    carry_cells: int
    """Number of carry cells."""
    flip_flops: int
    """Number of flip-flops."""
    cells: int
    """Number of cells of all kinds."""
    seconds: float
    """Time that synthesis took, in s."""


@dataclass(frozen=True)
class _FpgaJob(Job[_Resources]):
    """Synthesizes a MAC in one architecture for one family of FPGAs."""

    design: MacSpec
    target: FpgaTarget
    result_type = _Resources

    @cached_property
    def key(self) -> str:
        """A hash of everything that the result depends on."""
        return content_key(
            {
                "rtlil": self.design.rtlil(),
                "command": self.target.command,
                "code": code_fingerprint(__name__),
                "versions": versions_of(*_VERSIONED),
            }
        )

    @property
    def label(self) -> str:
        """A text for the progress line."""
        return f"{self.design.weight.name} {self.design.architecture}"

    @property
    def cost(self) -> float:
        """Roughly how long the job takes; wide designs take longest."""
        return self.design.width

    def run(self) -> _Resources:
        """Synthesize in a temporary folder."""
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="halfbyte-fpga-") as temporary:
            folder = Path(temporary)
            (folder / "design.il").write_text(self.design.rtlil())
            script = [
                "read_rtlil design.il",
                "setattr -unset init w:*",
                self.target.command,
                "tee -q -o statistics.json stat -json",
            ]
            run_yosys("\n".join(script) + "\n", folder, f"Synthesis for {self.target.title}")
            design = json.loads((folder / "statistics.json").read_text())["design"]
        counts = {
            cell: int(count)
            for cell, count in design["num_cells_by_type"].items()
            if cell != "$scopeinfo"  # Yosys' notes about the hierarchy, not hardware
        }
        return _Resources(
            **_by_resource(counts, self.target),
            cells=sum(counts.values()),
            seconds=round(time.monotonic() - start, 3),
        )

    def record(self, result: _Resources) -> FpgaRecord:
        """The result as a record; fields that do not apply to FPGAs are None."""
        return FpgaRecord(
            **design_fields(self.design),
            recipe=self.target.command.split()[0],
            technology=self.target.name,
            versions=versions_of("halfbyte", *_VERSIONED),
            **asdict(result),
        )


def _by_resource(counts: Mapping[str, int], target: FpgaTarget) -> dict[str, int]:
    """The numbers of cells by kind; raises AssertionError for an unknown cell."""
    found = {"luts": 0, "carry_cells": 0, "flip_flops": 0}
    for cell, count in counts.items():
        if cell.startswith(target.carries):
            found["carry_cells"] += count
        elif cell.startswith(target.flip_flops):
            found["flip_flops"] += count
        elif cell.startswith(target.luts):
            found["luts"] += count
        elif cell not in target.others:
            raise AssertionError(f"Netlist for {target.title} holds an unknown cell: {cell}")
    return found


def synthesize_fpga(
    designs: Sequence[MacSpec],
    target: FpgaTarget,
    *,
    every: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[FpgaRecord]:
    """Records of the MACs on an FPGA: for each design, the architecture with the fewest LUTs.

    ``target`` is the family of FPGAs. The other parameters mean the same as in
    :func:`halfbyte.area.synthesize`. Raises ToolError if Yosys fails.
    """
    runner = JobRunner("fpga", jobs or os.cpu_count() or 1, on_progress)
    try:
        tried = [_FpgaJob(each, target) for design in designs for each in design.candidates()]
        results = dict(zip(tried, runner.run(tried), strict=True))
    finally:
        runner.end()
    records = []
    for design in designs:
        candidates = [_FpgaJob(each, target) for each in design.candidates()]
        best_first = sorted(
            candidates,
            key=lambda job: (
                results[job].luts,
                results[job].carry_cells,
                job.design.architecture,
            ),
        )
        records += [job.record(results[job]) for job in (best_first if every else best_first[:1])]
    return records
