"""Makes the inputs of an array in every cycle, for a matrix product in tiles.

A tile is a part of the product that the array computes at one time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halfbyte.base import UserError
from halfbyte.golden.dot_unit import scale_parts
from halfbyte.rtl.array import SystolicSpec, WeightArraySpec
from halfbyte.rtl.dot import DotSpec
from halfbyte.sim.array.operands import Codes, Operands
from halfbyte.sim.array.weight_schedule import fill_weight_stationary

__all__ = ["Schedule", "filled", "schedule", "schedule_bytes"]

# Before the inputs of a cycle are packed, two arrays hold each of their bits as a byte.
_BYTES_PER_BIT = 2


@dataclass(frozen=True)
class Schedule:
    """The inputs of every cycle, and the order in which results leave the array.

    Parameters
    ----------
    stimulus : array
        (T, bytes) uint8: all inputs of a cycle as one number, the lowest byte first.
    order : array
        (results, columns, 2) int64: for each result, in the order in which a column gives them,
        the row of A and the row of W; -1 for a result that only fills up a tile.
    warm_up : int
        Number of cycles at the start that flush the unknown contents of the registers.
    """

    stimulus: Codes
    order: NDArray[np.int64]
    warm_up: int


def schedule(spec: SystolicSpec, operands: Operands, inputs: Mapping[str, int]) -> Schedule:
    """Schedule the tiles of a product one after the other, as early as the array allows.

    Tiles with the same weights follow each other. ``inputs`` maps the name of each input port, in
    their order, to its width. If the inner dimension K does not fill whole tiles, products of zero
    are added. Raises UserError if they are needed and neither format has a zero.
    """
    padded = _pad(spec, operands)
    tiles = [
        (row, column)
        for column in range(0, len(padded.w), spec.columns)
        for row in range(0, len(padded.a), spec.tile_tokens)
    ]
    (rows, length), columns = operands.a.shape, len(operands.w)
    cycles = spec.warm_up + spec.cycles(length, columns, rows)
    fields = {name: np.zeros((cycles, *_shape(spec, name)), np.uint8) for name in inputs}
    if isinstance(spec, WeightArraySpec):
        fill_weight_stationary(fields, spec, padded, tiles)
    else:
        _fill_output_stationary(fields, spec, padded, tiles)
    stimulus = _packed(fields, _bits(spec), inputs)
    return Schedule(stimulus, _order(spec, tiles, rows, columns), spec.warm_up)


def schedule_bytes(spec: SystolicSpec, inputs: int, outputs: int, tokens: int) -> int:
    """An estimate of the bytes of memory that :func:`schedule` needs for a layer."""
    bits = spec.rows * (spec.activation_bits + spec.scale_bits)
    bits += spec.columns * (spec.weight_bits + spec.scale_bits)
    return _BYTES_PER_BIT * bits * (spec.warm_up + spec.cycles(inputs, outputs, tokens))


def filled(spec: SystolicSpec, operands: Operands) -> Operands:
    """The operands with products of zero added, so that the inner dimension K fills whole tiles.

    Raises UserError if they are needed and neither format has a zero.
    """
    unit, length = spec.unit, operands.a.shape[1]
    if length % spec.tile_inputs and _zeros(unit) == [None, None]:
        raise UserError(
            f"{length} products do not fill whole tiles of {spec.tile_inputs}, and neither format "
            "has a zero to fill them up with"
        )
    return _extended(
        spec, operands, (1, 1), (spec.tile_inputs, -(-spec.tile_inputs // unit.block_size))
    )


def _pad(spec: SystolicSpec, operands: Operands) -> Operands:
    """The operands with rows and columns added so that they fill whole tiles."""
    return _extended(spec, filled(spec, operands), (spec.tile_tokens, spec.columns), (1, 1))


def _zeros(unit: DotSpec) -> list[int | None]:
    """The code of 0 in the format of W, and in that of A; None if there is none."""
    return [
        fmt.integers.index(0) if 0 in fmt.integers else None
        for fmt in (unit.weight, unit.activation)
    ]


def _extended(
    spec: SystolicSpec, operands: Operands, sides: tuple[int, int], steps: tuple[int, int]
) -> Operands:
    """The operands extended by zeros, and by scales for blocks of zeros.

    The rows of A and W become multiples of ``sides``. The numbers of codes and of scales in a row
    become multiples of ``steps``.
    """
    unit, (tokens, columns), (codes, scales) = spec.unit, sides, steps
    w_zero, a_zero = (zero or 0 for zero in _zeros(unit))
    w = _padded(operands.w, columns, codes, w_zero)
    a = _padded(operands.a, tokens, codes, a_zero)
    if operands.a_scales is None or operands.w_scales is None:
        return Operands(a, w)
    a_scale, w_scale = _padding_scales(unit)
    return Operands(
        a,
        w,
        _padded(operands.a_scales, tokens, scales, a_scale),
        _padded(operands.w_scales, columns, scales, w_scale),
    )


def _padding_scales(unit: DotSpec) -> tuple[int, int]:
    """Codes of A's and W's scale for a block of zeros.

    If the unit accepts only a window of exponents, the product of both scales is inside it, if any
    product is.
    """
    if unit.scale is None or unit.window is None:
        return 0, 0
    _, places = scale_parts(unit.scale)
    exponents = (places[:, None] + places)[: unit.scale.nan_code, : unit.scale.nan_code]
    inside = (exponents >= unit.window[0]) & (exponents <= unit.window[1])
    pairs = inside.nonzero().tolist()
    a, w = pairs[0] if pairs else (0, 0)
    return a, w


def _fill_output_stationary(
    fields: Mapping[str, Codes],
    spec: SystolicSpec,
    operands: Operands,
    tiles: Sequence[tuple[int, int]],
) -> None:
    """Put the inputs of each cycle into ``fields``: codes, scales and control signals."""
    unit, lanes = spec.unit, spec.unit.lanes
    used = operands.a.shape[1] // lanes
    steps = max(used, 2 * spec.rows - 1)
    for number, (row, column) in enumerate(tiles):
        first = spec.warm_up + number * steps
        span = slice(first, first + used)
        fields["a"][span] = _steps(operands.a[row : row + spec.rows], lanes)
        fields["w"][span] = _steps(operands.w[column : column + spec.columns], lanes)
        if operands.a_scales is not None and operands.w_scales is not None:
            sides = (operands.a_scales[row:], operands.w_scales[column:])
            for name, scales in zip(("a_scale", "w_scale"), sides, strict=True):
                _put_scales(fields[name][span], scales, unit)
        if "last" in fields:
            fields["last"][
                first + unit.cycles_per_block - 1 : first + used : unit.cycles_per_block
            ] = 1
        fields["clear"][first] = 1
        fields["take"][first + used] = 1


def _padded(codes: Codes, side: int, lanes: int, zero: int) -> Codes:
    """Add rows and columns of ``zero`` up to multiples of ``side`` and of ``lanes``."""
    rows, length = codes.shape
    wanted = (-(-rows // side) * side, -(-length // lanes) * lanes)
    padded = np.full(wanted, zero, np.uint8)
    padded[:rows, :length] = codes
    return padded


def _steps(codes: Codes, lanes: int) -> Codes:
    """Codes (side, K) as (steps, side, lanes), where a step has the codes of one cycle."""
    return codes.reshape(len(codes), -1, lanes).swapaxes(0, 1)


def _put_scales(field: Codes, scales: Codes, unit: DotSpec) -> None:
    """Put scales into ``field``, each in all cycles of its block.

    ``field`` is (cycles, rows, blocks); ``scales`` may have more rows, which are ignored.
    """
    steps = _steps(scales[: field.shape[1]], unit.blocks_per_cycle)
    field[:] = np.repeat(steps, unit.cycles_per_block, axis=0)[: len(field)]


def _shape(spec: SystolicSpec, name: str) -> tuple[int, ...]:
    """The shape of the entries of input ``name`` in one cycle."""
    lanes, blocks = spec.unit.lanes, spec.unit.blocks_per_cycle
    return {
        "a": (spec.rows, lanes),
        "w": (spec.columns, lanes),
        "a_scale": (spec.rows, blocks),
        "w_scale": (spec.columns, blocks),
    }.get(name, (1,))


def _bits(spec: SystolicSpec) -> dict[str, int]:
    """Bits of one entry of each input; inputs that are not listed have one bit."""
    codes = {"a": spec.unit.activation.bits, "w": spec.unit.weight.bits}
    scale = spec.unit.scale.bits if spec.unit.scale else 0
    return {**codes, "a_scale": scale, "w_scale": scale}


def _packed(
    fields: Mapping[str, Codes], bits: Mapping[str, int], inputs: Mapping[str, int]
) -> Codes:
    """The inputs of each cycle as one number, in the order of the ports; (T, bytes) uint8."""
    parts = []
    for name in inputs:
        entries = fields[name].reshape(len(fields[name]), -1, 1)
        spread = np.unpackbits(entries, axis=2, bitorder="little")[..., : bits.get(name, 1)]
        parts.append(spread.reshape(len(entries), -1))
    return np.packbits(np.concatenate(parts, axis=1), axis=1, bitorder="little")


def _order(
    spec: SystolicSpec, tiles: list[tuple[int, int]], rows: int, columns: int
) -> NDArray[np.int64]:
    """The order of the results, as in :class:`Schedule`.

    ``rows`` and ``columns`` are the sizes of the result matrix without added rows and columns.
    """
    tokens = spec.tile_tokens
    order = np.full((len(tiles) * tokens, spec.columns, 2), -1, np.int64)
    for number, (row, column) in enumerate(tiles):
        for down in range(min(tokens, rows - row)):
            for across in range(min(spec.columns, columns - column)):
                order[number * tokens + down, across] = row + down, column + across
    return order
