"""Computes the input data of the parts of a weight-stationary array, cycle by cycle.

In such an array, each element keeps its weights for some cycles. A *tile* is the set of weights
that all elements keep at one time. One element is simulated, while it keeps the weights of one tile
and then of the next. In the cycles of a tile, the activations of four tokens take turns, and the
weights that come next pass through the element on their way down, one set for each row of the
array. The element adds its products to the sums that it receives from the element below.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.dot_streams import code_words, held_streams
from halfbyte.area.timing.operands import Operands
from halfbyte.rtl.array import WeightArraySpec

__all__ = ["measured_cycles", "weight_streams"]

# For weights that stay longer, energies are measured as if they stayed for this many cycles, since
# such rare changes take hardly any energy.
_MOST_CYCLES = 256


def measured_cycles(held: int) -> int:
    """The cycles for which weights stay in a measurement: ``held``, but at most 256."""
    return min(held, _MOST_CYCLES)


def weight_streams(spec: WeightArraySpec, operands: Operands) -> dict[str, NDArray[Any]]:
    """Input words of all parts of a weight-stationary array by port, (cycles, 64) each.

    The second axis has 64 independent copies of the array.
    """
    unit, steps = spec.element_unit, measured_cycles(spec.weight_cycles)
    streams = held_streams(unit, operands, steps)
    cycles = np.arange(2 * steps)
    codes = operands.codes(unit.weight, unit.activation)
    # In the cycles of a tile, one set of weights for each row passes through the element.
    passing = cycles * spec.rows // steps
    first = np.zeros(streams["a"].shape, np.uint64)
    first_tile = first.copy()
    first[::steps] = 1
    first_tile[:steps] = 1
    top = streams["addend"]
    if unit.is_exact:  # the bit that marks a NaN lies above the sum
        top = top + (streams["addend_nan"].astype(object) << unit.width)
    found = {
        "w_in": code_words(codes["w"], unit.weight.bits, unit.lanes, passing * unit.lanes),
        "a_in": streams["a"],
        "load_in": first,
        "take_in": first_tile,
        "return_in": first_tile * np.uint64(3),  # both control bits: clear and take
        "top": top,
    }
    for side in ("w_scale", "a_scale"):
        if side in streams:
            found[f"{side}_in"] = streams[side]
    return found
