"""The data in the parts of a weight-stationary array, cycle by cycle.

Two tiles of weights follow each other. In the cycles of a tile, the activations of four tokens take
turns, and the weights of all rows of the next tile pass through the element. The sums are those
that reach the element.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.dot_streams import code_words, held_streams
from halfbyte.area.timing.operands import Operands
from halfbyte.rtl.array import WeightArraySpec

__all__ = ["measured_cycles", "weight_streams"]

# Weights that stay longer take hardly any energy to change.
_MOST_CYCLES = 256


def measured_cycles(held: int) -> int:
    """The cycles that weights stay while energies are measured, if they stay ``held`` cycles."""
    return min(held, _MOST_CYCLES)


def weight_streams(spec: WeightArraySpec, operands: Operands) -> dict[str, NDArray[Any]]:
    """Input words of all parts of a weight-stationary array by port, (cycles, 64) each."""
    unit, steps = spec.element_unit, measured_cycles(spec.weight_cycles)
    streams = held_streams(unit, operands, steps)
    cycles = np.arange(2 * steps)
    codes = operands.codes(unit.weight, unit.activation)
    # As many sets of weights pass in the cycles of a tile as there are rows.
    passing = cycles * spec.rows // steps
    once = np.zeros(streams["a"].shape, np.uint64)
    first, first_tile = once.copy(), once.copy()
    first[::steps] = 1
    first_tile[:steps] = 1
    top = streams["addend"]
    if unit.is_exact:
        top = top + (streams["addend_nan"].astype(object) << unit.width)
    found = {
        "w_in": code_words(codes["w"], unit.weight.bits, unit.lanes, passing * unit.lanes),
        "a_in": streams["a"],
        "load_in": first,
        "take_in": first_tile,
        "return_in": first_tile * np.uint64(3),
        "top": top,
    }
    for side in ("w_scale", "a_scale"):
        if side in streams:
            found[f"{side}_in"] = streams[side]
    return found
