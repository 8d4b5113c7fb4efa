"""Computes the input data of the parts of an output-stationary array, cycle by cycle.

In such an array, each element computes a sum of its own, and results leave at the top of their
column. While an element computes a sum, the earlier results of the elements below it pass through
its registers, one in every second cycle. The element that is measured is in the middle of a column.
Its codes are those of :func:`.dot_streams.dot_streams`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.dot_streams import code_products, dot_streams, sum_words
from halfbyte.area.timing.operands import CYCLES as TERMS
from halfbyte.area.timing.operands import Operands
from halfbyte.rtl.array import ArraySpec

__all__ = ["element_streams"]

# The bits of the control word that moves with the activations: start a new sum, send the result of
# the previous sum out, and end a block.
_CLEAR, _TAKE, _LAST = 1, 2, 4


def _sums(spec: ArraySpec, operands: Operands, cycles: int) -> NDArray[Any]:
    """The word in the unit's accumulator after each cycle, (cycles, 64)."""
    unit = spec.unit
    products = code_products(unit, operands.codes(unit.weight, unit.activation))
    terms = np.arange(cycles * unit.lanes) % TERMS
    products = products[terms].reshape(cycles, unit.lanes, -1).sum(axis=1)
    sums = np.concatenate([np.zeros_like(products[:1]), products.cumsum(axis=0)])
    # The accumulator has only whole blocks, and a block may take several cycles.
    added = np.arange(1, cycles + 1)
    if unit.gathers:
        added -= added % unit.cycles_per_block
    return sum_words(unit, sums[added])


def element_streams(spec: ArraySpec, operands: Operands) -> dict[str, NDArray[Any]]:
    """Input words of :class:`halfbyte.rtl.array.ElementRegisters` by port, (cycles, 64) each."""
    unit_streams = dot_streams(spec.unit, operands)
    cycles = len(unit_streams["w"])
    control = np.zeros((cycles, 1), np.uint64)
    # The result of a sum leaves the accumulator in the first cycle of the next sum.
    control[0] |= _CLEAR | _TAKE
    if "last" in unit_streams:
        control += unit_streams["last"][:, :1] * np.uint64(_LAST)
    sums = _sums(spec, operands, cycles)
    passing = np.zeros_like(sums)
    valid = np.zeros((cycles, sums.shape[1]), np.uint64)
    # One result comes from each element below the middle one, unless the next sum starts before.
    # Results of other streams stand in for those of other elements.
    for number in range((spec.rows - 1) // 2):
        cycle = 2 * (number + 1)
        if cycle < cycles:
            passing[cycle] = np.roll(sums[-1], number + 1)
            valid[cycle] = 1
    streams = {
        "w_in": unit_streams["w"],
        "a_in": unit_streams["a"],
        "control_in": np.broadcast_to(control, valid.shape),
        "acc": np.roll(sums, 1, axis=0),
        "sum_in": passing,
        "valid_in": valid,
    }
    for side in ("w_scale", "a_scale"):
        if side in unit_streams:
            streams[f"{side}_in"] = unit_streams[side]
    return streams
