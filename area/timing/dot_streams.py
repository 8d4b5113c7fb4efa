"""The inputs of a dot-product unit, cycle by cycle, while its delay and energy are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.timing.activity import LANES as STREAMS
from halfbyte.area.timing.activity import simulate
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.energy import analyse_energy
from halfbyte.area.timing.glitches import glitch_energy
from halfbyte.area.timing.operands import CYCLES as TERMS
from halfbyte.area.timing.operands import Operands
from halfbyte.base import Record, UserError
from halfbyte.rtl.dot import DotSpec

__all__ = ["DotMeasured", "dot_streams", "measure_dot"]


def dot_streams(spec: DotSpec, operands: Operands) -> dict[str, NDArray[Any]]:
    """The input words of 64 units, (cycles, 64) for each port.

    Each unit computes one dot product of 256 terms.

    The codes are those that the MACs are measured on, one for each lane in a cycle. All scales are
    1, since the operands do not hold the scales of the model.
    """
    cycles = max(2, -(-TERMS // spec.lanes))
    codes = operands.codes(spec.weight, spec.activation)
    streams = {
        "w": _words(codes["w"], spec.weight.bits, spec.lanes, cycles),
        "a": _words(codes["a"], spec.activation.bits, spec.lanes, cycles),
        "clear": _marks(cycles, [0]),
    }
    if spec.scale:
        one = np.full((cycles, STREAMS), spec.scale.values.index(1), np.uint64)
        streams |= {"w_scale": one, "a_scale": one}
    if spec.gathers:
        last = range(spec.cycles_per_block - 1, cycles, spec.cycles_per_block)
        streams["last"] = _marks(cycles, last)
    return streams


def _words(codes: NDArray[np.uint8], bits: int, lanes: int, cycles: int) -> NDArray[np.object_]:
    """The codes of all lanes joined into one word, lane 0 lowest.

    The terms start again after the last of the 256.
    """
    words = np.zeros((cycles, STREAMS), object)
    for lane in range(lanes):
        terms = (np.arange(cycles) * lanes + lane) % TERMS
        words += codes[terms].astype(object) << lane * bits
    return words


def _marks(cycles: int, places: Any) -> NDArray[np.uint64]:
    marks = np.zeros((cycles, STREAMS), np.uint64)
    marks[list(places)] = 1
    return marks


@dataclass(frozen=True, kw_only=True)
class DotMeasured(Record):
    """Delay, energies and leakage of a unit; None where the library lacks tables."""

    delay_ps: float | None = None
    """Least clock period, in ps."""
    critical_path: str | None = None
    """Where the slowest path begins and ends."""
    energy_fj: float | None = None
    """Energy per product, in fJ, without glitches."""
    glitch_energy_fj: float | None = None
    """Energy per product, in fJ, with the glitches that the cells' delays cause."""
    clock_energy_fj: float | None = None
    """The part of the energy that the clock's pins take, in fJ."""
    leakage_nw: float | None = None
    """Leakage, in nW."""
    not_measured: str | None = None
    """Why a field is null."""


def measure_dot(
    path: Path, technology: Technology, spec: DotSpec, operands: Operands | None
) -> DotMeasured:
    """Delay with its critical path, energies and leakage of a netlist.

    ``path`` is the netlist in the format of Yosys' ``write_json``. A figure is None if the
    technology lacks its tables, and ``not_measured`` says why. Energies are left out without
    ``operands``.
    """
    netlist = read_netlist(path, technology.cells, "dot")
    result = DotMeasured(leakage_nw=netlist.leakage)
    try:
        timing = analyse_timing(netlist, technology)
        where = f"{timing.path[0].net} to {timing.end}, {len(timing.path)} points"
        result = replace(result, delay_ps=timing.delay_ps, critical_path=where)
        if operands is None:
            return result
        streams: Mapping[str, Any] = dot_streams(spec, operands)
        used = {name: streams[name] for name in netlist.inputs}
        activity = simulate(netlist, used)
        energy = analyse_energy(netlist, technology, timing, activity)
        glitching = glitch_energy(netlist, technology, timing, activity)
    except UserError as error:
        return replace(result, not_measured=str(error))
    return replace(
        result,
        energy_fj=_each(energy.total, spec.lanes),
        glitch_energy_fj=_each(glitching.total, spec.lanes),
        clock_energy_fj=_each(energy.clock, spec.lanes),
    )


def _each(energy: float | None, lanes: int) -> float | None:
    return None if energy is None else round(energy / lanes, 3)
