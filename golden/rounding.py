"""Round values to a format and back, fast enough for the forward passes of a network.

The result equals ``golden.quantize(...).dequantize()`` to the last bit. For most formats no codes
are made: a table gives the nearest value. Its index is the leading bits of the float: the sign, the
exponent and some mantissa bits. A *cell* of the table stands for all floats with the same index.
The number of mantissa bits is chosen so that the nearest value changes at most once in a cell. The
encoder of :mod:`halfbyte.golden.codec` fills the table, so it also decides ties.

All values of a format are integers times one number, its *quantum*.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden.codec import decode_integers, encode
from halfbyte.golden.operand import Operand
from halfbyte.golden.quantizer import SupernormalSign, prefer_mirrored, to_blocks
from halfbyte.golden.scales import exact_tensor, scale_blocks

__all__ = ["BlockGrid", "BlockRounding"]

FP32_MANTISSA_BITS = 23
FP32_INFINITY_BITS = 0x7F800000
# If the values are too close together for this resolution, the encoder is used instead of a table.
MAX_CELL_MANTISSA_BITS = 8
# Elements that are looked up at a time, so that intermediate results stay in the cache.
CHUNK = 1 << 17


@dataclass(frozen=True, eq=False)
class _Cells:
    """Nearest values in units of the quantum, by the leading bits of a float.

    ``shift`` is the number of low bits that are not in the index. ``turn[c]`` divides the floats of
    cell ``c``: above it, the nearest value is ``values[2 * c + 1]``, else ``values[2 * c]``. turn:
    (2^(9 + mantissa bits),) float32; values: twice as many.
    """

    shift: int
    turn: Tensor
    values: Tensor

    def nearest(self, x: Tensor) -> Tensor:
        """The integers nearest to ``x``; ``x`` and the result are float32 of one shape."""
        nearest = torch.empty_like(x, memory_format=torch.contiguous_format)
        parts = zip(
            torch.split(x.reshape(-1), CHUNK), torch.split(nearest.view(-1), CHUNK), strict=True
        )
        for part, result in parts:
            index = part.view(torch.int32) >> self.shift
            index &= len(self.turn) - 1
            is_above = part > self.turn.index_select(0, index)
            index.mul_(2).add_(is_above)
            torch.index_select(self.values, 0, index, out=result)
        return nearest


def _floats(bits: Tensor, sign: int) -> Tensor:
    """float32 numbers with this sign and these bits of the magnitude, at most infinity."""
    return bits.clamp(max=FP32_INFINITY_BITS).to(torch.int32).view(torch.float32) * sign


def _half_cells(fmt: Format, shift: int, sign: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """For the cells of one sign: the bits of the last magnitude before the nearest value changes,
    and the nearest values before (``near``) and after it (``far``).

    The result is None if the nearest value changes more than once in a cell.
    """
    count = 2 ** (31 - shift)
    first = torch.arange(count) << shift  # int64 bits of each cell's smallest magnitude
    last = first + 2**shift - 1
    near, far = (encode(_floats(bits, sign), fmt) for bits in (first, last))
    rank = torch.empty(2**fmt.bits, dtype=torch.int64)
    rank[list(fmt.sorted_codes)] = torch.arange(len(fmt.sorted_codes))
    steps = (rank[near.int()] - rank[far.int()]).abs()
    if int(steps.max()) > 1:
        return None
    below, above = first.clone(), last.clone()  # bisection finds the last magnitude that is near
    for _ in range(shift):
        middle = (below + above + 1) // 2
        is_near = encode(_floats(middle, sign), fmt) == near
        below, above = torch.where(is_near, middle, below), torch.where(is_near, above, middle - 1)
    near_values, far_values = (decode_integers(each, fmt).to(torch.float32) for each in (near, far))
    return below, near_values, far_values


@lru_cache(maxsize=64)
def _cells(fmt: Format) -> _Cells | None:
    """The format's table; None if its cells would need too many mantissa bits."""
    for mantissa_bits in range(MAX_CELL_MANTISSA_BITS + 1):
        shift = FP32_MANTISSA_BITS - mantissa_bits
        # The cached table must not depend on the caller's default device.
        with torch.device("cpu"):
            positive = _half_cells(fmt, shift, 1)
            negative = _half_cells(fmt, shift, -1)
        if positive and negative:
            turn, near, far = positive
            negative_turn, negative_near, negative_far = negative
            # Negative floats ascend toward zero. So in these cells the far value comes before the
            # turn, which is the smallest magnitude with the far value.
            return _Cells(
                shift,
                torch.cat([_floats(turn, 1), _floats(negative_turn + 1, -1)]),
                torch.stack(
                    [torch.cat([near, negative_far]), torch.cat([far, negative_near])], dim=1
                ).flatten(),
            )
    return None


@dataclass(frozen=True, eq=False)
class BlockGrid:
    """The grid of values to which each block is rounded: the format's integers times a step.

    Parameters
    ----------
    scales : Tensor
        (..., blocks) float32; negative if the block uses the negated values of the format.
    steps : Tensor
        (..., blocks) float32: the value of one unit of the format's integers.
    """

    scales: Tensor
    steps: Tensor


class BlockRounding:
    """Rounds blocks of the last dimension to a format and back.

    Parameters
    ----------
    fmt : Format
        The format that is evaluated.
    operand : Operand
        How to round: blocks, scales, signs and ties, and perhaps a format to use instead of
        ``fmt``. ``operand.clip`` is not applied: the caller passes the factors as ``clip``.
    tensor_absmax : Tensor, optional
        float32 without dimensions: the largest magnitude (absmax) of the whole tensor. It is needed
        if a tensor with E4M3 scales is rounded in parts.
    """

    def __init__(self, fmt: Format, operand: Operand, tensor_absmax: Tensor | None = None) -> None:
        self.format = operand.format_of(fmt)
        self.operand = operand
        self.tensor_absmax = tensor_absmax
        self._cells = _cells(self.format)

    def nearest(self, ratios: Tensor) -> Tensor:
        """The format's values nearest to ``ratios``, in units of the quantum; float32.

        ratios: any shape, float32: values divided by their block's scale.
        """
        if self._cells is not None:
            return self._cells.nearest(ratios)
        return decode_integers(encode(ratios, self.format), self.format).to(torch.float32)

    def blocks(self, x: Tensor) -> Tensor:
        """Split ``x``, (..., K), into (..., blocks, block); zeros fill up the last block."""
        return to_blocks(x, self.operand.block or max(1, x.shape[-1]))

    def grid(self, x: Tensor, clip: float | Tensor = 1.0) -> BlockGrid:
        """Scales and steps of the blocks of ``x``, (..., K) float32, without rounding ``x``.

        Raises UserError if values are not finite.
        """
        blocks = self.blocks(x)
        scales = self._scales(blocks, clip)
        if self.operand.supernormal_sign is SupernormalSign.BLOCK:
            _, mirrored = self._signed(blocks / scales.unsqueeze(-1))
            scales = torch.where(mirrored, -scales, scales)
        return BlockGrid(scales, self._steps(scales))

    def __call__(self, x: Tensor, clip: float | Tensor = 1.0) -> Tensor:
        """Round ``x`` to values of the format times their scale.

        x: (..., K) float32; the result has the same shape and type. ``clip`` multiplies absmax
        first, as in :func:`halfbyte.golden.quantize`.

        Raises UserError if values are not finite.
        """
        blocks = self.blocks(x)
        scales = self._scales(blocks, clip)
        ratios = blocks / scales.unsqueeze(-1)
        steps = self._steps(scales)
        if self.operand.supernormal_sign is SupernormalSign.BLOCK:
            integers, mirrored = self._signed(ratios)
            steps = torch.where(mirrored, -steps, steps)
        else:
            integers = self.nearest(ratios)
        rounded = integers.mul_(steps.unsqueeze(-1)).flatten(-2)
        return rounded[..., : x.shape[-1]]

    def _scales(self, blocks: Tensor, clip: float | Tensor) -> Tensor:
        """The scale of each block. Raises UserError if values are not finite."""
        absmax = blocks.abs().amax(-1)
        if not bool(absmax.isfinite().all()):
            raise UserError("values to quantize must be finite, but some are NaN or infinite")
        rule = self.operand.scale_format
        return scale_blocks(absmax, self.format, rule, clip, self.tensor_absmax).values

    def _steps(self, scales: Tensor) -> Tensor:
        return scales * exact_tensor(self.format.quantum, scales.device)

    def _signed(self, ratios: Tensor) -> tuple[Tensor, Tensor]:
        """Integers for the better sign of each block, and which blocks use negated values."""
        plain, negated = self.nearest(ratios), self.nearest(-ratios)
        mirrored = prefer_mirrored(ratios, plain, negated, self.format)
        return torch.where(mirrored.unsqueeze(-1), negated, plain), mirrored
