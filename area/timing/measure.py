"""What is measured of a mapped MAC beside its area: delay, energy and leakage, for the record."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import Netlist, read_netlist
from halfbyte.area.timing.activity import simulate
from halfbyte.area.timing.delay import Timing, analyse_timing
from halfbyte.area.timing.energy import Energy, analyse_energy
from halfbyte.area.timing.operands import Operands, operand_streams
from halfbyte.base import UserError
from halfbyte.formats import Format

__all__ = ["measure_netlist", "measured_fields"]

_FIELDS = (
    *("delay_ps", "critical_path", "acc_delay_ps"),
    *("energy_fj", "uniform_energy_fj", "clock_energy_fj"),
)


def measure_netlist(
    path: Path,
    top: str,
    technology: Technology,
    *,
    weight: Format,
    activation: Format,
    terms: int,
    operands: Operands,
) -> dict[str, Any]:
    """Delay in ps with its critical path, energies in fJ per MAC, leakage in nW.

    ``path`` is the netlist as Yosys' ``write_json`` wrote it. What the technology lacks tables for
    is None, and ``not_measured`` says why.
    """
    netlist = read_netlist(path, technology.cells, top)
    unknown = None if netlist.leakage is not None else "the library states no leakage, or no unit"
    result = {
        **dict.fromkeys(_FIELDS),
        "leakage_nw": netlist.leakage,
        "not_measured": unknown,
    }
    try:
        timing = analyse_timing(netlist, technology)
        result["delay_ps"] = timing.delay_ps
        result["critical_path"] = _summary(timing)
        result["acc_delay_ps"] = timing.output_ps
        found = [
            _energy(netlist, technology, timing, _streams(netlist, streams))
            for streams in (
                operand_streams(each, weight, activation, terms) for each in (operands, None)
            )
        ]
    except UserError as error:
        result["not_measured"] = "; ".join(filter(None, (str(error), unknown)))
        return result
    real, uniform = found
    return {
        **result,
        "energy_fj": round(real.total, 3),
        "uniform_energy_fj": round(uniform.total, 3),
        "clock_energy_fj": round(real.clock, 3),
    }


def _streams(netlist: Netlist, streams: Mapping[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """With every other input, such as an enable, high."""
    ones = np.ones_like(streams["clear"])
    return {**dict.fromkeys(netlist.inputs, ones), **streams}


def measured_fields(measured: Mapping[str, Any], clock_ps: float | None) -> dict[str, Any]:
    """The record's fields: what was measured, and the slack at a clock.

    ``wns_ps`` is the worst negative slack, 0 where the clock is met. ``acc_cycles`` is how many
    cycles after its edge ``acc`` has settled: 1, unless it comes from a final addition that takes
    longer (``acc_delay_ps``); counted from the edge after which the registers stand still.
    """
    delay, settled = measured["delay_ps"], measured["acc_delay_ps"]
    slack = None if clock_ps is None or delay is None else round(clock_ps - delay, 2)
    return {
        "delay_ps": delay,
        "slack_ps": slack,
        "wns_ps": None if slack is None else min(slack, 0.0),
        "acc_cycles": None if None in (clock_ps, settled) else math.ceil(settled / clock_ps),
        **{name: measured[name] for name in (*_FIELDS[1:], "leakage_nw", "not_measured")},
    }


def _energy(
    netlist: Netlist, technology: Technology, timing: Timing, streams: Mapping[str, Any]
) -> Energy:
    return analyse_energy(netlist, technology, timing, simulate(netlist, streams))


def _summary(timing: Timing) -> str:
    """``w[1] to acc[16], 27 cells``."""
    first = timing.path[0]
    return f"{first.net} to {timing.end}, {len(timing.path) - (not first.cell)} cells"
