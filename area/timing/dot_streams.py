"""Makes the inputs of a dot-product unit, cycle by cycle, and measures its delay and energy.

A lane of a unit multiplies one pair of codes in a cycle. A chained unit, as in a weight-stationary
array, adds the products to the input ``addend`` instead of its own accumulator, and keeps its
weights for many cycles. Inputs are words: in a cycle, a port gets the codes of all lanes as one
word. There are 64 independent streams of words, one for each simulated copy of the unit.
"""

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
from halfbyte.area.timing.energy import all_reasons, analyse_energy, no_leakage
from halfbyte.area.timing.glitches import glitch_energy
from halfbyte.area.timing.operands import CYCLES as TERMS
from halfbyte.area.timing.operands import ROWS, Operands
from halfbyte.base import Record, UserError
from halfbyte.rtl.dot import DotSpec

__all__ = [
    "DotMeasured",
    "code_products",
    "code_words",
    "dot_streams",
    "held_streams",
    "measure_dot",
    "sum_words",
]

# Cycles for which a chained unit keeps its weights if it is measured alone. A weight-stationary
# array with 16 rows keeps them for at least this long.
HELD = 17


def dot_streams(spec: DotSpec, operands: Operands, held: int = HELD) -> dict[str, NDArray[Any]]:
    """The input words of 64 units, (cycles, 64) for each port.

    Each unit computes a dot product of 256 terms, in at least two cycles. If these cycles have room
    for more terms, terms are repeated. A chained unit instead keeps weights for ``held`` cycles
    (:func:`held_streams`).

    The codes are those on which MACs are measured, and the lanes take them in order. All block
    scales are 1, since the operands do not include the scales of the model.
    """
    if spec.chained:
        return held_streams(spec, operands, held)
    cycles = max(2, -(-TERMS // spec.lanes))
    codes = operands.codes(spec.weight, spec.activation)
    terms = np.arange(cycles) * spec.lanes
    streams = {
        "w": code_words(codes["w"], spec.weight.bits, spec.lanes, terms),
        "a": code_words(codes["a"], spec.activation.bits, spec.lanes, terms),
        "clear": _marks(cycles, [0]),
        **_scales(spec, cycles),
    }
    if spec.gathers:
        last = range(spec.cycles_per_block - 1, cycles, spec.cycles_per_block)
        streams["last"] = _marks(cycles, last)
    return streams


def held_streams(spec: DotSpec, operands: Operands, held: int) -> dict[str, NDArray[Any]]:
    """The input words of 64 chained units, which keep each set of weights for ``held`` cycles.

    There are two sets of weights, from an early and a late part of a dot product of 256 terms. A
    unit with more than 128 lanes gets the same set twice. While a set stays, the activations of
    four tokens (rows of activations) take turns. ``addend`` is the sum of the terms before those of
    the set.
    """
    codes = operands.codes(spec.weight, spec.activation)
    groups = max(TERMS // spec.lanes, 1)
    starts = np.array([groups // 4, groups * 3 // 4]) * spec.lanes
    turns = np.arange(2 * held)
    firsts = np.repeat(starts, held)
    # Four neighbouring streams have the same weights and the activations of different tokens.
    streams = np.arange(STREAMS)
    turned = streams // ROWS * ROWS + (streams + turns[:, None]) % ROWS
    sums = code_products(spec, codes).cumsum(axis=0)
    before = np.concatenate([np.zeros((1, STREAMS), np.int64), sums])
    found = {
        "w": code_words(codes["w"], spec.weight.bits, spec.lanes, firsts),
        "a": np.take_along_axis(
            code_words(codes["a"], spec.activation.bits, spec.lanes, firsts), turned, axis=1
        ),
        "addend": np.take_along_axis(sum_words(spec, before[firsts]), turned, axis=1),
        **_scales(spec, 2 * held),
    }
    if spec.is_exact:
        found["addend_nan"] = _marks(2 * held, [])
    return found


def code_products(spec: DotSpec, codes: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.int64]:
    """The products of weights and activations, from arrays of their codes, ``w`` and ``a``.

    Their unit is the product of both formats' quanta. All values of a format are integer multiples
    of its quantum.
    """
    weights, activations = (
        np.array(fmt.integers, np.int64)[codes[port]]
        for port, fmt in (("w", spec.weight), ("a", spec.activation))
    )
    products: NDArray[np.int64] = weights * activations
    return products


def sum_words(spec: DotSpec, totals: NDArray[np.int64]) -> NDArray[Any]:
    """Sums of products as words of the unit's accumulator, if all scales are 1.

    ``totals`` are in the unit of :func:`code_products`.
    """
    if spec.is_fp32:
        scaled = np.ldexp(totals.astype(np.float32), spec.exponent_of_quantum)
        bits: NDArray[Any] = scaled.astype(np.float32).view(np.uint32).astype(object)
        return bits
    shift = -spec.lowest_exponent if spec.is_exact else 0
    words: NDArray[Any] = (totals.astype(object) << max(shift, 0)) & ((1 << spec.width) - 1)
    return words


def code_words(
    codes: NDArray[np.uint8], bits: int, lanes: int, firsts: NDArray[np.int64]
) -> NDArray[np.object_]:
    """The codes of all lanes joined into one word for each cycle, with lane 0 in the lowest bits.

    ``firsts`` has the number of the term that lane 0 takes in each cycle. After the last of 256
    terms, the first one follows again.
    """
    words = np.zeros((len(firsts), STREAMS), object)
    for lane in range(lanes):
        words += codes[(firsts + lane) % TERMS].astype(object) << lane * bits
    return words


def _scales(spec: DotSpec, cycles: int) -> dict[str, NDArray[Any]]:
    """The input words of scales that are all 1, by port; empty for a unit without scales."""
    if spec.scale is None:
        return {}
    bits, one = spec.scale.bits, spec.scale.values.index(1)
    word = sum(one << number * bits for number in range(spec.blocks_per_cycle))
    ones = np.full((cycles, STREAMS), word, object)
    return {"w_scale": ones, "a_scale": ones}


def _marks(cycles: int, places: Any) -> NDArray[np.uint64]:
    """The input words of a port of one bit, which is high in the cycles ``places``."""
    marks = np.zeros((cycles, STREAMS), np.uint64)
    marks[list(places)] = 1
    return marks


@dataclass(frozen=True, kw_only=True)
class DotMeasured(Record):
    """Delay, energies and leakage of a unit; a field is None if it was not measured."""

    delay_ps: float | None = None
    """Least clock period, in ps."""
    critical_path: str | None = None
    """Where the slowest path begins and ends, and how many nets it has."""
    energy_fj: float | None = None
    """Energy per product, in fJ, without glitches."""
    glitch_energy_fj: float | None = None
    """Energy per product, in fJ, with the glitches that the cells' delays cause."""
    clock_energy_fj: float | None = None
    """The part of ``energy_fj`` that the clock pins of flip-flops take, in fJ."""
    leakage_nw: float | None = None
    """Leakage, in nW."""
    not_measured: str | None = None
    """What the library lacks for fields that are null; null if it lacks nothing."""


def measure_dot(
    path: Path,
    technology: Technology,
    spec: DotSpec,
    operands: Operands | None,
    held: int | None = None,
) -> DotMeasured:
    """Delay with its critical path, energies and leakage of a netlist.

    ``path`` is the netlist in the format of Yosys' ``write_json``. A field is None if the
    technology lacks data for it, such as timing tables or the supply voltage, and ``not_measured``
    says why. Energies are left out without ``operands``. ``held`` is the number of
    cycles for which a chained unit keeps its weights; by default it is ``HELD``.
    """
    netlist = read_netlist(path, technology.cells, "dot")
    unknown = no_leakage(netlist)
    result = DotMeasured(leakage_nw=netlist.leakage, not_measured=unknown)
    try:
        timing = analyse_timing(netlist, technology)
        where = f"{timing.path[0].net} to {timing.end}, {len(timing.path)} points"
        result = replace(result, delay_ps=timing.delay_ps, critical_path=where)
        if operands is None:
            return result
        streams: Mapping[str, Any] = dot_streams(spec, operands, held or HELD)
        used = {name: streams[name] for name in netlist.inputs}
        activity = simulate(netlist, used)
        energy = analyse_energy(netlist, technology, timing, activity)
        glitching = glitch_energy(netlist, technology, timing, activity)
    except UserError as error:
        return replace(result, not_measured=all_reasons(str(error), unknown))
    return replace(
        result,
        energy_fj=_each(energy.total, spec.lanes),
        glitch_energy_fj=_each(glitching.total, spec.lanes),
        clock_energy_fj=_each(energy.clock, spec.lanes),
    )


def _each(energy: float | None, lanes: int) -> float | None:
    """The energy per lane, rounded."""
    return None if energy is None else round(energy / lanes, 3)
