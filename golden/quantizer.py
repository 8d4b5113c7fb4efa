"""Block quantiser: codes, and one FP32 scale per block of the last dimension."""

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import MAX_TERMS, Format
from halfbyte.golden.checks import check_codes, check_float, check_integer
from halfbyte.golden.codec import check_fp32_range, decode_integers, encode, nearest_fp32

__all__ = ["DEFAULT_BLOCK", "Quantized", "quantize"]

DEFAULT_BLOCK = 128


def _fp32_tensor(value: Fraction, device: torch.device) -> Tensor:
    """A tensor without dimensions.

    Not a Python number: PyTorch may turn a division by a number into a multiplication.
    """
    return torch.tensor(nearest_fp32(value), dtype=torch.float32, device=device)


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantised tensor.

    Parameters
    ----------
    codes : Tensor
        (..., K) uint8.
    scales : Tensor
        (..., ceil(K / block)) float32, positive and finite; the last block may be shorter.
    format : Format
        What the codes mean.
    block : int
        Elements that share a scale, 1 to 2^20.
    """

    codes: Tensor
    scales: Tensor
    format: Format
    block: int = DEFAULT_BLOCK

    def __post_init__(self) -> None:
        check_fp32_range(self.format)
        check_integer("block", self.block, 1, MAX_TERMS)
        check_codes(self.codes, self.format)
        if not isinstance(self.scales, Tensor) or self.scales.dtype != torch.float32:
            raise TypeError("Block scales must be a float32 tensor")
        if self.codes.ndim == 0:
            raise ValueError("Codes must have at least one dimension, not 0")
        *rows, length = self.codes.shape
        wanted = (*rows, -(-length // self.block))
        if self.scales.shape != wanted:
            raise ValueError(
                f"Block scales of {length} codes in blocks of {self.block} must have the shape "
                f"{wanted}, not {tuple(self.scales.shape)}"
            )
        if not bool(((self.scales > 0) & self.scales.isfinite()).all()):
            raise ValueError("Block scales must be positive and finite")

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor that was quantised."""
        return self.codes.shape

    @property
    def steps(self) -> Tensor:
        """What one unit of the integers is worth: scales times the quantum, rounded to FP32."""
        return self.scales * _fp32_tensor(self.format.quantum, self.scales.device)

    def dequantize(self) -> Tensor:
        """Integers times steps, rounded to FP32; (..., K) float32."""
        integers = decode_integers(self.codes, self.format).to(torch.float32)
        steps = self.steps.repeat_interleave(self.block, dim=-1)
        return integers * steps[..., : self.codes.shape[-1]]


def _check_input(x: Tensor) -> Tensor:
    """``x`` as finite float32 with at least one dimension."""
    if check_float(x, "What is quantised").ndim == 0:
        raise ValueError("quantize wants at least one dimension, not 0")
    single = x.detach().to(torch.float32)
    if not bool(single.isfinite().all()):
        nans, infinities = int(single.isnan().sum()), int(single.isinf().sum())
        raise ValueError(
            f"quantize wants finite FP32 numbers, but of {single.numel()} there are "
            f"{nans} NaN and {infinities} infinite"
        )
    return single


def _block_scales(blocks: Tensor, fmt: Format) -> Tensor:
    """blocks: (..., blocks, block) float32. Returns (..., blocks) float32."""
    scales = blocks.abs().amax(dim=-1) / _fp32_tensor(fmt.max_value, blocks.device)
    if bool(scales.isinf().any()):
        raise UserError(
            f"{fmt.name}: a block scale exceeds FP32, for the format's largest value is only "
            f"{float(fmt.max_value):.3g}; rescale the values"
        )
    # Zero stands for an all-zero block, or for one so small that its scale underflows.
    return torch.where(scales > 0, scales, torch.ones_like(scales))


def quantize(x: Tensor, fmt: Format, *, block: int | None = DEFAULT_BLOCK) -> Quantized:
    """Quantise blocks of the last dimension, each scaled by its absolute maximum.

    x: (..., K) floating point; float64 is rounded to float32 first. ``block`` elements share the
    scale ``absmax / fmt.max_value`` (FP32); None makes one block of the whole last dimension. A
    tail is a shorter block; a block of zeros has scale 1. The codes are those of ``x / scale``
    (FP32).

    Raises TypeError if ``x`` is not floating point, ValueError on NaN or infinities.
    """
    single = _check_input(x)
    check_fp32_range(fmt)
    length = single.shape[-1]
    size = max(length, 1) if block is None else check_integer("block", block, 1, MAX_TERMS)
    count = -(-length // size)
    padded = torch.nn.functional.pad(single, (0, count * size - length))
    blocks = padded.reshape(*single.shape[:-1], count, size)  # (..., count, size)
    scales = _block_scales(blocks, fmt)  # (..., count)
    codes = encode(blocks / scales.unsqueeze(-1), fmt)
    codes = codes.reshape(*single.shape[:-1], count * size)[..., :length]
    return Quantized(codes.contiguous(), scales, fmt, size)
