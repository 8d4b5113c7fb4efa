"""Systolic arrays: the area of every part from netlists, delay and energy of a product.

An array has three parts: a proved netlist of its unit, once for each element; the registers of each
element, synthesized alone; and the registers that delay rows and columns. Logic is never merged
across the borders of these parts.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.array_records import ArrayRecord, MappedRegisters
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.area.search.dot_units import synthesize_dots
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.array_streams import measure_registers
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.base import Progress, code_fingerprint, content_key, versions_of
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.array import ArraySpec, ElementRegisters

__all__ = ["synthesize_arrays"]

_REGISTERS = "registers"
_CODE = ("halfbyte.area.synthesis.yosys", "halfbyte.area.timing.array_streams")


@dataclass(frozen=True)
class _RegistersJob:
    """The registers of one element, synthesized."""

    spec: ArraySpec
    technology: Technology
    operands: Operands
    result_type = MappedRegisters

    @cached_property
    def rtlil(self) -> str:
        return to_rtlil(ElementRegisters(self.spec), _REGISTERS)

    @cached_property
    def key(self) -> str:
        """What the result depends on."""
        return content_key(
            {
                "rtlil": self.rtlil,
                "technology": self.technology.content_hash,
                "rows": self.spec.rows,
                "operands": self.operands.content_hash,
                "code": code_fingerprint(*_CODE),
                "versions": versions_of("amaranth", "pyosys"),
            }
        )

    @property
    def label(self) -> str:
        """For the progress line."""
        return f"{self.spec.unit.weight.name}, registers of an element"

    @property
    def cost(self) -> float:
        """How long it takes, roughly."""
        return 1.0

    def is_complete(self, result: MappedRegisters) -> bool:
        """Always true: the record holds the whole result."""
        return True

    def run(self) -> MappedRegisters:
        """Area and cells."""
        with TemporaryDirectory(prefix="halfbyte-array-") as temporary:
            folder = Path(temporary)
            found = synthesize_rtlil(self.rtlil, self.technology, QUICK, folder, _REGISTERS)
            netlist = folder / "netlist.json"
            energy = measure_registers(
                netlist, _REGISTERS, self.technology, self.spec, self.operands
            )
        lanes = self.spec.unit.lanes
        return MappedRegisters(
            area_um2=found.area_um2,
            cells=found.cells,
            flip_flops=found.flip_flops,
            data_energy_fj=round((energy.total - energy.clock) / lanes, 3) if energy else None,
            clock_energy_fj=round(energy.clock / lanes, 3) if energy else None,
        )


def synthesize_arrays(
    specs: Sequence[ArraySpec],
    technology: Technology,
    *,
    clock_ps: float | None = None,
    operands: Operands | None = None,
    effort: float = 1.0,
    prove: bool = True,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[ArrayRecord]:
    """A record of each array, in order: the fields of its unit's record, and the array's own.

    Parameters
    ----------
    specs : sequence of ArraySpec
        The arrays.
    technology, clock_ps, operands, effort, prove, jobs, on_progress
        The same as for :func:`halfbyte.area.search.dot_units.synthesize_dots`.

    Areas are in um^2. ``area_um2`` is that of the whole array, and ``um2_per_mac`` that area per
    product. Each element has ``unit_um2`` and ``element_registers_um2``; all skew registers
    together have ``skew_um2``. ``energy_fj`` is the energy of a product in the unit and in the
    element's registers, of which ``element_registers_fj`` is that in the registers, with their
    clock pins. It leaves out the skew registers and wires. Raises the same errors as
    ``synthesize_dots``.
    """
    operands = operands or load_operands(shipped_operands()[0])
    units = synthesize_dots(
        [spec.unit for spec in specs],
        technology,
        clock_ps=clock_ps,
        operands=operands,
        effort=effort,
        prove=prove,
        jobs=jobs,
        on_progress=on_progress,
    )
    runner = JobRunner("arrays", jobs or 1, on_progress)
    start = time.monotonic()
    try:
        registers = runner.run([_RegistersJob(spec, technology, operands) for spec in specs])
    finally:
        runner.end()
    seconds = time.monotonic() - start
    return [
        _record(spec, unit, found, technology, seconds)
        for spec, unit, found in zip(specs, units, registers, strict=True)
    ]


def _record(
    spec: ArraySpec,
    unit: DotRecord,
    registers: MappedRegisters,
    technology: Technology,
    seconds: float,
) -> ArrayRecord:
    skew = spec.skew_bits * technology.flip_flop.area
    area = spec.elements * (unit.area_um2 + registers.area_um2) + skew
    flip_flops = spec.elements * (unit.flip_flops + registers.flip_flops) + spec.skew_bits
    per_mac = round(area / spec.macs, 4)
    return ArrayRecord.from_json(
        {
            **unit.as_json(),
            **spec.fields,
            "architecture": unit.architecture,
            "area_um2": round(area, 4),
            "area_ge": round(area / technology.nand2_area, 2),
            "um2_per_lane": per_mac,
            "um2_per_mac": per_mac,
            "unit_um2": unit.area_um2,
            "element_registers_um2": registers.area_um2,
            "skew_um2": round(skew, 4),
            "register_um2": round(flip_flops * technology.flip_flop.area, 4),
            "cells": spec.elements * (unit.cells + registers.cells) + spec.skew_bits,
            "flip_flops": flip_flops,
            **_energies(unit, registers),
            "seconds": round(unit.seconds + seconds, 3),
        }
    )


def _energies(unit: DotRecord, registers: MappedRegisters) -> dict[str, float | None]:
    """Energies per product of a unit with its element's registers; None where not known."""
    data, clock = registers.data_energy_fj, registers.clock_energy_fj
    more = None if data is None or clock is None else round(data + clock, 3)

    def with_more(energy: float | None, addition: float | None) -> float | None:
        return None if energy is None or addition is None else round(energy + addition, 3)

    return {
        "energy_fj": with_more(unit.energy_fj, more),
        "glitch_energy_fj": with_more(unit.glitch_energy_fj, more),
        "clock_energy_fj": with_more(unit.clock_energy_fj, clock),
        "element_registers_fj": more,
    }
