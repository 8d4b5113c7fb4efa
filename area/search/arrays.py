"""Synthesizes systolic arrays. The area and the energy per product are sums over all parts.

Each place in the grid of an array is an element, which holds a dot-product unit. The other parts
are synthesized alone: the registers of an element, the registers that delay the inputs of rows and
columns (skew), and in a weight-stationary array the registers that bring sums from the top of a
column back to its bottom (return). Logic is never merged across the borders of these parts.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.array_parts import PartJob
from halfbyte.area.search.array_records import ArrayRecord, MappedPart
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.area.search.dot_units import synthesize_dots
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.timing.energy import all_reasons
from halfbyte.area.timing.operands import Operands, load_operands, shipped_operands
from halfbyte.area.timing.weight_streams import measured_cycles
from halfbyte.base import Progress
from halfbyte.rtl.array import SystolicSpec
from halfbyte.rtl.array.names import COLUMN_DELAY, REGISTERS, ROW_DELAY, SUM_RETURN, TAKE_DELAY

__all__ = ["synthesize_arrays"]

_SKEW = (ROW_DELAY, COLUMN_DELAY, TAKE_DELAY)


def synthesize_arrays(
    specs: Sequence[SystolicSpec],
    technology: Technology,
    *,
    clock_ps: float | None = None,
    operands: Operands | None = None,
    effort: float = 1.0,
    prove: bool = True,
    every: bool = False,
    stages: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[ArrayRecord]:
    """The records of the arrays, in the order of ``specs``.

    A record has the fields of a unit's record and further ones. With ``every``, an array has one
    record for each netlist that was tried for its unit, the best first.

    Areas are in um^2. ``area_um2`` is the area of the whole array, and ``um2_per_mac`` is this area
    divided by the products per cycle. ``unit_um2`` and ``element_registers_um2`` are the areas of
    the unit and of the registers in one element. ``skew_um2`` is the area of all registers that
    delay rows and columns. ``return_um2`` is the area of all registers that bring sums back.
    ``energy_fj`` is the energy per product of all parts together. ``element_registers_fj``,
    ``skew_fj`` and ``return_fj`` are the energies per product of the parts other than units, with
    their clock pins. The areas and energies do not include wires.

    Parameters
    ----------
    specs : sequence of SystolicSpec
        Arrays to synthesize.
    technology, clock_ps, operands, effort, prove, every, stages, jobs, on_progress
        The same as for :func:`halfbyte.area.search.dot_units.synthesize_dots`.

    Raises
    ------
    ProofError, ToolError, UserError
        In the same cases as :func:`halfbyte.area.search.dot_units.synthesize_dots`. ProofError also
        if the netlist of another part of an array is wrong.
    """
    operands = operands or load_operands(shipped_operands()[0])
    groups = [[spec] for spec in specs] if every else [specs]
    records = [
        synthesize_dots(
            [spec.element_unit for spec in group],
            technology,
            clock_ps=clock_ps,
            operands=operands,
            held=[_measured_cycles(spec) for spec in group],
            every=every,
            effort=effort,
            prove=prove,
            stages=stages,
            jobs=jobs,
            on_progress=on_progress,
        )
        for group in groups
    ]
    units = records if every else [[record] for record in records[0]]
    runner = JobRunner("arrays", jobs or 1, on_progress)
    start = time.monotonic()
    wanted = [
        PartJob(spec, name, technology, operands, prove)
        for spec in specs
        for name, part in spec.parts.items()
        if part.count
    ]
    try:
        found = iter(runner.run(wanted))
    finally:
        runner.end()
    seconds = time.monotonic() - start
    parts = [
        _Parts(spec, {name: next(found) for name, part in spec.parts.items() if part.count})
        for spec in specs
    ]
    return [
        _record(each, unit, technology, seconds)
        for each, of_one in zip(parts, units, strict=True)
        for unit in of_one
    ]


def _measured_cycles(spec: SystolicSpec) -> int | None:
    """The number of cycles for which each weight stays in its element in energy measurements.

    None for an output-stationary array, in which weights move every cycle.
    """
    return None if spec.weight_cycles is None else measured_cycles(spec.weight_cycles)


@dataclass(frozen=True)
class _Parts:
    """The mapped parts of an array other than its units, by name."""

    spec: SystolicSpec
    mapped: Mapping[str, MappedPart]

    def area(self, names: Iterable[str]) -> float:
        """The area of all parts with these names together."""
        return sum(self.total(name, "area_um2") for name in names)

    def total(self, name: str, field: str) -> float:
        """The sum of a field over all copies of a part; 0 if the array does not have the part."""
        if name not in self.mapped:
            return 0.0
        return float(getattr(self.mapped[name], field)) * self.spec.parts[name].count

    def energy(self, names: Iterable[str], *fields: str) -> float | None:
        """The energy in fJ per product of all parts with these names; None if any is unknown."""
        found = 0.0
        for name in names:
            for field in fields:
                if name in self.mapped and getattr(self.mapped[name], field) is None:
                    return None
                found += self.total(name, field)
        return round(found / self.spec.macs, 3)


def _record(parts: _Parts, unit: DotRecord, technology: Technology, seconds: float) -> ArrayRecord:
    """The record of an array, from the record of its unit and its other parts."""
    spec, mapped = parts.spec, parts.mapped
    skew, returned = parts.area(_SKEW), parts.area([SUM_RETURN])
    area = spec.elements * unit.area_um2 + parts.area(mapped)
    flip_flops, cells = (
        round(
            spec.elements * getattr(unit, field) + sum(parts.total(each, field) for each in mapped)
        )
        for field in ("flip_flops", "cells")
    )
    per_mac = round(area / spec.macs, 4)
    return ArrayRecord.from_json(
        {
            **unit.as_json(),
            **spec.fields,
            "architecture": unit.architecture,
            "weight_cycles": _measured_cycles(spec),
            "area_um2": round(area, 4),
            "area_ge": round(area / technology.nand2_area, 2),
            "um2_per_lane": per_mac,
            "um2_per_mac": per_mac,
            "unit_um2": unit.area_um2,
            "element_registers_um2": mapped[REGISTERS].area_um2,
            "skew_um2": round(skew, 4),
            "return_um2": round(returned, 4),
            "register_um2": round(flip_flops * technology.flip_flop.area, 4),
            "cells": cells,
            "flip_flops": flip_flops,
            **_energies(unit, parts),
            "not_measured": all_reasons(
                unit.not_measured, *(part.not_measured for part in mapped.values())
            ),
            "parts_proof": {name: part.proof for name, part in mapped.items()}
            if unit.proof
            else None,
            "seconds": round(unit.seconds + seconds, 3),
        }
    )


def _energies(unit: DotRecord, parts: _Parts) -> dict[str, float | None]:
    """The record's energies per product in fJ; None where the energy of a part is not known."""
    both = ("data_energy_fj", "clock_energy_fj")
    more, clock = parts.energy(parts.mapped, *both), parts.energy(parts.mapped, both[1])

    def with_more(energy: float | None, addition: float | None) -> float | None:
        return None if energy is None or addition is None else round(energy + addition, 3)

    return {
        "energy_fj": with_more(unit.energy_fj, more),
        "glitch_energy_fj": with_more(unit.glitch_energy_fj, more),
        "clock_energy_fj": with_more(unit.clock_energy_fj, clock),
        "element_registers_fj": parts.energy([REGISTERS], *both),
        "skew_fj": parts.energy(_SKEW, *both),
        "return_fj": parts.energy([SUM_RETURN], *both),
    }
