"""Makes the inputs of a weight-stationary array in every cycle.

Such an array keeps weights in its units, while activations and sums move through it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from halfbyte.rtl.array import WeightArraySpec
from halfbyte.sim.array.operands import Codes, Operands

__all__ = ["fill_weight_stationary"]


def fill_weight_stationary(
    fields: Mapping[str, Codes],
    spec: WeightArraySpec,
    operands: Operands,
    tiles: Sequence[tuple[int, int]],
) -> None:
    """Put the inputs of each cycle into ``fields``: codes, scales and control signals.

    A tile is a part of the product, some rows by some columns, that the array computes at one time.
    ``tiles`` has the first token (row of A) and the first output (row of W) of each tile. The array
    adds up all products of one tile before it begins the next tile. So it holds the sums of only
    one tile.
    """
    rows, steps = spec.rows, spec.steps
    parts = operands.a.shape[1] // spec.tile_inputs
    sides = [("", operands.a, operands.w)]
    if operands.a_scales is not None and operands.w_scales is not None:
        sides.append(("_scale", operands.a_scales, operands.w_scales))
    first = spec.warm_up + rows - 1
    for token, output in tiles:
        for part in range(parts):
            tokens = slice(first, first + steps)
            weights = slice(first - rows + 1, first + rows, 2)
            for suffix, of_a, of_w in sides:
                # (steps or columns, rows, lanes or blocks)
                a, w = (
                    np.array_split(codes, parts, axis=1)[part].reshape(len(codes), rows, -1)
                    for codes in (of_a[token : token + steps], of_w[output : output + spec.columns])
                )
                # The last row of the array, which is the lowest, gets the first inputs.
                fields[f"a{suffix}"][tokens] = a[:, ::-1]
                fields[f"w{suffix}"][weights] = w.swapaxes(0, 1)
            fields["load"][first] = 1
            fields["clear"][tokens] = part == 0
            fields["take"][tokens] = part == parts - 1
            first += steps
