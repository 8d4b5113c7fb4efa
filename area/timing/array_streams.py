"""The data in the parts of an output-stationary array, cycle by cycle.

The codes are those on which units are measured. A result is the unit's sum of the cycles before.
While a sum is computed, the results of the elements below pass, one in every second cycle. The
element that is measured is in the middle of a column.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.dot_streams import code_products, dot_streams, sum_words
from halfbyte.area.timing.operands import CYCLES as TERMS
from halfbyte.area.timing.operands import Operands
from halfbyte.rtl.array import ArraySpec

__all__ = ["element_streams"]

_CLEAR, _TAKE, _LAST = 1, 2, 4


def _sums(spec: ArraySpec, operands: Operands, cycles: int) -> NDArray[Any]:
    """The unit's accumulator after each cycle as a number of ``result_bits``; (cycles, 64)."""
    unit = spec.unit
    products = code_products(unit, operands.codes(unit.weight, unit.activation))
    terms = np.arange(cycles * unit.lanes) % TERMS
    products = products[terms].reshape(cycles, unit.lanes, -1).sum(axis=1)
    return sum_words(unit, products.cumsum(axis=0))


def element_streams(spec: ArraySpec, operands: Operands) -> dict[str, NDArray[Any]]:
    """Input words of :class:`halfbyte.rtl.array.ElementRegisters` by port, (cycles, 64) each."""
    unit_streams = dot_streams(spec.unit, operands)
    cycles = len(unit_streams["w"])
    control = np.zeros((cycles, 1), np.uint64)
    # The result of a sum leaves in the first cycle of the next one.
    control[0] |= _CLEAR | _TAKE
    if "last" in unit_streams:
        control += unit_streams["last"][:, :1] * np.uint64(_LAST)
    sums = _sums(spec, operands, cycles)
    passing = np.zeros_like(sums)
    valid = np.zeros((cycles, sums.shape[1]), np.uint64)
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
