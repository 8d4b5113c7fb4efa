"""The inputs of an array, cycle by cycle, for a matrix product tile by tile."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.golden import Quantized
from halfbyte.rtl.array import ArraySpec
from halfbyte.rtl.dot import DotSpec

__all__ = ["Operands", "Schedule", "schedule"]

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Operands:
    """Codes of a product ``A W^T``, and of the scales of their blocks.

    Parameters
    ----------
    a, w : array
        (M, K) and (N, K) uint8.
    a_scales, w_scales : array, optional
        (M, K / block) and (N, K / block) uint8; without scales None.
    """

    a: Codes
    w: Codes
    a_scales: Codes | None = None
    w_scales: Codes | None = None

    @classmethod
    def of(cls, a: Quantized, w: Quantized) -> "Operands":
        """The codes of two quantized matrices, (M, K) and (N, K), and of their scales.

        Raises UserError if the blocks do not divide K, ValueError if scales are not codes of eight
        bits.
        """
        length = a.codes.shape[1]
        if length % a.block:
            raise UserError(
                f"Blocks of {a.block} do not divide the {length} elements of a row: choose another "
                "block"
            )
        if a.scale_codes is None or w.scale_codes is None:
            raise ValueError("The scales of both matrices must be codes of eight bits")
        return cls(a.codes.numpy(), w.codes.numpy(), a.scale_codes.numpy(), w.scale_codes.numpy())

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Codes of both matrices, and of their scales, which they must have."""
        if self.a_scales is None or self.w_scales is None:
            raise ValueError("These operands have no scales")
        arrays = (self.a, self.w, self.a_scales, self.w_scales)
        a, w, a_scales, w_scales = map(torch.from_numpy, arrays)
        return a, w, a_scales, w_scales


@dataclass(frozen=True)
class Schedule:
    """The inputs of every cycle, and which result leaves when.

    Parameters
    ----------
    stimulus : array
        (T, bytes) uint8: the array's inputs of each cycle, one after the other, the lowest first.
    order : array
        (results, columns, 2) int64: row of A and row of W for the results that leave each column,
        in order; -1 for padding.
    warm_up : int
        Cycles at the start that flush the unknown contents of the registers.
    """

    stimulus: Codes
    order: NDArray[np.int64]
    warm_up: int


def schedule(spec: ArraySpec, operands: Operands, inputs: Mapping[str, int]) -> Schedule:
    """The tiles of a product, one after the other without a gap, weights changing slowest.

    ``inputs`` are the widths of the array's ports in their order. K is filled up to whole steps
    with products of zero. Raises UserError if neither format has a zero and K is not a multiple of
    a step.
    """
    unit = spec.unit
    lanes = unit.lanes
    zeros = [
        fmt.integers.index(0) if 0 in fmt.integers else None
        for fmt in (unit.weight, unit.activation)
    ]
    if operands.a.shape[1] % lanes and zeros == [None, None]:
        raise UserError(
            f"{operands.a.shape[1]} products do not fill whole steps of {lanes} lanes, and neither "
            "format has a zero to fill them up with"
        )
    w = _padded(operands.w, spec.columns, lanes, zeros[0] or 0)
    a = _padded(operands.a, spec.rows, lanes, zeros[1] or 0)
    used = a.shape[1] // lanes
    steps = max(used, spec.least_steps)
    tiles = [
        (row, column)
        for column in range(0, len(w), spec.columns)
        for row in range(0, len(a), spec.rows)
    ]
    warm_up = 2 * spec.rows + spec.columns + 2
    cycles = warm_up + spec.cycles(operands.a.shape[1], len(operands.w), len(operands.a))
    fields = {name: np.zeros((cycles, *_shape(spec, name)), np.uint8) for name in inputs}
    for number, (row, column) in enumerate(tiles):
        first = warm_up + number * steps
        span = slice(first, first + used)
        fields["a"][span] = _steps(a[row : row + spec.rows], lanes)
        fields["w"][span] = _steps(w[column : column + spec.columns], lanes)
        if unit.scale:
            assert operands.a_scales is not None and operands.w_scales is not None  # noqa: S101
            _put_scales(fields["a_scale"][span], operands.a_scales[row : row + spec.rows], unit)
            _put_scales(
                fields["w_scale"][span], operands.w_scales[column : column + spec.columns], unit
            )
        if "last" in fields:
            fields["last"][
                first + unit.cycles_per_block - 1 : first + used : unit.cycles_per_block
            ] = 1
        fields["clear"][first] = 1
        fields["take"][first + used] = 1
    stimulus = _packed(fields, _bits(spec), inputs)
    order = _order(spec, tiles, len(operands.a), len(operands.w))
    return Schedule(stimulus, order, warm_up)


def _padded(codes: Codes, side: int, lanes: int, zero: int) -> Codes:
    rows, length = codes.shape
    wanted = (-(-rows // side) * side, -(-length // lanes) * lanes)
    padded = np.full(wanted, zero, np.uint8)
    padded[:rows, :length] = codes
    return padded


def _steps(codes: Codes, lanes: int) -> Codes:
    """(side, K) codes as (steps, side, lanes)."""
    return codes.reshape(len(codes), -1, lanes).swapaxes(0, 1)


def _put_scales(field: Codes, scales: Codes, unit: DotSpec) -> None:
    """Each block's scale in every step of the block; rows beyond the operand keep code 0."""
    repeated = np.repeat(scales.T, unit.cycles_per_block, axis=0)
    field[: len(repeated), : repeated.shape[1]] = repeated[: len(field)]


def _shape(spec: ArraySpec, name: str) -> tuple[int, ...]:
    lanes = spec.unit.lanes
    return {
        "a": (spec.rows, lanes),
        "w": (spec.columns, lanes),
        "a_scale": (spec.rows,),
        "w_scale": (spec.columns,),
    }.get(name, (1,))


def _bits(spec: ArraySpec) -> dict[str, int]:
    """Bits of one entry of each field."""
    codes = {"a": spec.unit.activation.bits, "w": spec.unit.weight.bits}
    return {**codes, "a_scale": spec.scale_bits, "w_scale": spec.scale_bits}


def _packed(
    fields: Mapping[str, Codes], bits: Mapping[str, int], inputs: Mapping[str, int]
) -> Codes:
    """All fields of a cycle as one row of bits, in the order of the ports, in bytes."""
    parts = []
    for name in inputs:
        entries = fields[name].reshape(len(fields[name]), -1, 1)
        spread = np.unpackbits(entries, axis=2, bitorder="little")[..., : bits.get(name, 1)]
        parts.append(spread.reshape(len(entries), -1))
    return np.packbits(np.concatenate(parts, axis=1), axis=1, bitorder="little")


def _order(
    spec: ArraySpec, tiles: list[tuple[int, int]], rows: int, columns: int
) -> NDArray[np.int64]:
    order = np.full((len(tiles) * spec.rows, spec.columns, 2), -1, np.int64)
    for number, (row, column) in enumerate(tiles):
        for down in range(min(spec.rows, rows - row)):
            for across in range(min(spec.columns, columns - column)):
                order[number * spec.rows + down, across] = row + down, column + across
    return order
