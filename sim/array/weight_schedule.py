"""The inputs of a weight-stationary array, cycle by cycle."""

from collections.abc import Mapping, Sequence

from halfbyte.rtl.array import WeightArraySpec
from halfbyte.sim.array.operands import Codes, Operands

__all__ = ["fill_weight_stationary"]


def fill_weight_stationary(
    fields: Mapping[str, Codes],
    spec: WeightArraySpec,
    operands: Operands,
    tiles: Sequence[tuple[int, int]],
) -> None:
    """Put the inputs of each cycle into ``fields``: codes, scales and control of all tiles.

    ``tiles`` has the first token and the first output of each tile. All inputs of the layer pass
    through one tile before the next begins. So the array holds the sums of one tile at a time.
    """
    rows, steps = spec.rows, spec.steps
    parts = operands.a.shape[1] // spec.tile_inputs
    first = spec.warm_up + rows - 1
    for token, output in tiles:
        for part in range(parts):
            tokens = slice(first, first + steps)
            weights = slice(first - rows + 1, first + rows, 2)
            sides = (operands.a, token, steps), (operands.w, output, spec.columns)
            a, w = (_of_rows(codes, begin, count, part, spec) for codes, begin, count in sides)
            # The lowest row, which is the last, has the first inputs.
            fields["a"][tokens] = a[:, ::-1]
            fields["w"][weights] = w.swapaxes(0, 1)
            if operands.a_scales is not None and operands.w_scales is not None:
                blocks = slice(part * rows, (part + 1) * rows)
                a_scales = operands.a_scales[token : token + steps, blocks]
                fields["a_scale"][tokens] = a_scales[:, ::-1]
                w_scales = operands.w_scales[output : output + spec.columns, blocks]
                fields["w_scale"][weights] = w_scales.T
            fields["load"][first] = 1
            fields["clear"][tokens] = part == 0
            fields["take"][tokens] = part == parts - 1
            first += steps


def _of_rows(codes: Codes, begin: int, count: int, part: int, spec: WeightArraySpec) -> Codes:
    """The codes of one tile, (count, rows, lanes)."""
    inputs = slice(part * spec.tile_inputs, (part + 1) * spec.tile_inputs)
    return codes[begin : begin + count, inputs].reshape(count, spec.rows, spec.unit.lanes)
