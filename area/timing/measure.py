"""Measures the delay, energy and leakage of a MAC's netlist."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import Netlist, read_netlist
from halfbyte.area.timing.activity import simulate
from halfbyte.area.timing.delay import Timing, analyse_timing
from halfbyte.area.timing.energy import all_reasons, analyse_energy, no_leakage
from halfbyte.area.timing.glitches import glitch_energy
from halfbyte.area.timing.operands import Operands, operand_streams
from halfbyte.base import Record, UserError
from halfbyte.formats import Format

__all__ = ["Measured", "acc_cycles", "measure_netlist", "slack"]


@dataclass(frozen=True, kw_only=True)
class Measured(Record):
    """Delay, energies and leakage of a MAC; a field is None if it was not measured."""

    delay_ps: float | None = None
    """Least clock period, in ps."""
    critical_path: str | None = None
    """Where the slowest path begins and ends, and through how many cells it goes."""
    acc_delay_ps: float | None = None
    """Time from the clock's edge until the output ``acc``, the sum, has settled, in ps."""
    energy_fj: float | None = None
    """Energy in fJ of one multiply-accumulate on the given operands, without glitches."""
    glitch_energy_fj: float | None = None
    """Like ``energy_fj``, but with the glitches that the cells' delays cause."""
    uniform_energy_fj: float | None = None
    """Energy in fJ of one multiply-accumulate on uniformly random codes, without glitches."""
    clock_energy_fj: float | None = None
    """The part of ``energy_fj`` that the clock pins of flip-flops take, in fJ."""
    leakage_nw: float | None = None
    """Leakage, in nW."""
    not_measured: str | None = None
    """What the library lacks for fields that are null; null if it lacks nothing."""


def measure_netlist(
    path: Path,
    top: str,
    technology: Technology,
    *,
    weight: Format,
    activation: Format,
    terms: int,
    operands: Operands | None,
) -> Measured:
    """Delay with its critical path, energies and leakage of a netlist.

    ``path`` is the netlist in the format of Yosys' ``write_json``, with the module ``top``. Without
    ``operands``, energies are left out, which saves most of the time. A field is None if the
    technology lacks data for it, such as timing tables, and ``not_measured`` says why.
    """
    netlist = read_netlist(path, technology.cells, top)
    unknown = no_leakage(netlist)
    result = Measured(leakage_nw=netlist.leakage, not_measured=unknown)
    try:
        timing = analyse_timing(netlist, technology)
        result = replace(
            result,
            delay_ps=timing.delay_ps,
            critical_path=_summary(timing),
            acc_delay_ps=timing.output_ps,
        )
        if operands is None:
            return result
        activities = [
            simulate(netlist, _streams(netlist, operand_streams(each, weight, activation, terms)))
            for each in (operands, None)
        ]
        real, uniform = (
            analyse_energy(netlist, technology, timing, activity) for activity in activities
        )
        glitching = glitch_energy(netlist, technology, timing, activities[0])
    except UserError as error:
        return replace(result, not_measured=all_reasons(str(error), unknown))
    return replace(
        result,
        energy_fj=round(real.total, 3),
        glitch_energy_fj=round(glitching.total, 3),
        uniform_energy_fj=round(uniform.total, 3),
        clock_energy_fj=round(real.clock, 3),
    )


def _streams(
    netlist: Netlist, streams: Mapping[str, NDArray[np.uint8]]
) -> dict[str, NDArray[np.uint8]]:
    """The given streams, and streams of ones for all other inputs, such as ``enable``."""
    ones = np.ones_like(streams["clear"])
    return {**dict.fromkeys(netlist.inputs, ones), **streams}


def slack(delay_ps: float | None, clock_ps: float | None) -> tuple[float | None, float | None]:
    """Slack at a clock, and worst negative slack, which is 0 if the clock is met; both in ps.

    Both are None without a delay or a clock.
    """
    if delay_ps is None or clock_ps is None:
        return None, None
    left = round(clock_ps - delay_ps, 2)
    return left, min(left, 0.0)


def acc_cycles(acc_delay_ps: float | None, clock_ps: float | None) -> int | None:
    """The number of cycles until ``acc`` has settled; None without a delay or a clock.

    Cycles are counted from the last clock edge at which the registers change. The number may be
    more than 1 for a carry-save accumulator: its final addition may take longer than a cycle.
    """
    if acc_delay_ps is None or clock_ps is None:
        return None
    return math.ceil(acc_delay_ps / clock_ps)


def _summary(timing: Timing) -> str:
    """The critical path as text: ``w[1] to acc[16], 27 cells``."""
    first = timing.path[0]
    return f"{first.net} to {timing.end}, {len(timing.path) - (not first.cell)} cells"
