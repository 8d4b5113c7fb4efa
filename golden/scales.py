"""Block scales: from a block's absolute maximum to the scale that the hardware stores."""

import enum
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden.codec import nearest_fp32

__all__ = ["ScaleFormat", "block_scales", "exact_tensor"]

FP32_LARGEST = float(np.finfo(np.float32).max)
FP32_SMALLEST = 2.0**-149  # subnormal
FP16_SMALLEST = 2.0**-24  # subnormal
BF16_SMALLEST = 2.0**-133  # subnormal
# FP8 E4M3 "fn" (OCP OFP8 1.0): no infinities, largest 448, smallest subnormal 2^-9.
E4M3_LARGEST, E4M3_SMALLEST = 448.0, 2.0**-9
E8M0_EXPONENTS = (-127, 127)


class ScaleFormat(enum.Enum):
    """The type in which block scales are stored."""

    FP32 = "fp32"
    """absmax over the format's largest value, in FP32."""

    FP16 = "fp16"
    """The FP32 scale rounded to FP16, nearest even."""

    BF16 = "bf16"
    """The FP32 scale rounded to BF16, nearest even."""

    E8M0_FLOOR = "e8m0_floor"
    """2^(floor(log2 absmax) - floor(log2 largest value)): OCP MX 1.0, section 6.3; may saturate."""

    E8M0_UP = "e8m0_up"
    """The smallest power of two with which absmax does not exceed the largest value."""

    E4M3 = "e4m3"
    """FP8 block scales under one FP32 scale for the whole tensor, as NVFP4 has them."""

    @property
    def bits(self) -> int:
        """Bits stored for each block; a tensor's own scale is not counted."""
        return _BITS[self]


_BITS = {
    ScaleFormat.FP32: 32,
    ScaleFormat.FP16: 16,
    ScaleFormat.BF16: 16,
    ScaleFormat.E8M0_FLOOR: 8,
    ScaleFormat.E8M0_UP: 8,
    ScaleFormat.E4M3: 8,
}


@lru_cache(maxsize=256)
def exact_tensor(value: Fraction, device: torch.device) -> Tensor:
    """``value`` rounded once to FP32, as a tensor without dimensions. Not to be written to.

    Not a Python number: PyTorch may turn a division by a number into a multiplication.
    """
    with torch.inference_mode(False):  # the tensor outlives the caller's mode
        return torch.tensor(nearest_fp32(value), dtype=torch.float32, device=device)


def block_scales(
    absmax: Tensor,
    fmt: Format,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    clip: float | Tensor = 1.0,
) -> Tensor:
    """Scales of the blocks of one tensor.

    absmax: (..., blocks) float32, the blocks' absolute maxima, finite. ``clip`` shrinks them; a
    number or broadcastable to ``absmax``. Returns (..., blocks) float32, positive and finite, each
    a value of ``scale_format``; with E4M3, such a value times the tensor's scale (FP32).

    A scale too small or too large for its format is the smallest or largest one that it has. A
    block of zeros has scale 1 (with E4M3, the tensor's scale); so has, in FP32, one whose scale
    underflows. The E4M3 tensor scale is that of the unclipped tensor: its largest absmax is stored
    as 448.

    Raises UserError where absmax over the format's largest value exceeds FP32.
    """
    largest = exact_tensor(fmt.max_value, absmax.device)
    if bool((absmax / largest).isinf().any()):
        raise UserError(
            f"{fmt.name}: a block scale exceeds FP32, for the format's largest value is only "
            f"{float(fmt.max_value):.3g}; rescale the values"
        )
    clipped = absmax * clip
    if scale_format is ScaleFormat.FP32:
        scales = clipped / largest
        return torch.where(scales == 0, torch.ones_like(scales), scales)
    if scale_format is ScaleFormat.E4M3:
        return _e4m3_scales(absmax, clipped, largest)
    if scale_format is ScaleFormat.FP16:
        scales = _narrowed(clipped / largest, torch.float16, FP16_SMALLEST)
    elif scale_format is ScaleFormat.BF16:
        scales = _narrowed(clipped / largest, torch.bfloat16, BF16_SMALLEST)
    else:
        scales = _powers_of_two(clipped, fmt, up=scale_format is ScaleFormat.E8M0_UP)
    return torch.where(absmax == 0, torch.ones_like(scales), scales)


def _narrowed(scales: Tensor, dtype: torch.dtype, smallest: float) -> Tensor:
    """Rounded to ``dtype``, nearest even, within its positive finite range; float32."""
    rounded = scales.to(dtype).to(torch.float32)
    return rounded.clamp(smallest, torch.finfo(dtype).max)


def _e4m3_scales(absmax: Tensor, clipped: Tensor, largest: Tensor) -> Tensor:
    """E4M3 block scales times the tensor's scale, rounded to FP32."""
    if absmax.numel() == 0:
        return torch.ones_like(absmax)
    tensor_absmax = absmax.amax()
    tensor_scale = tensor_absmax / largest / torch.full_like(largest, E4M3_LARGEST)
    tensor_scale = tensor_scale.clamp_min(FP32_SMALLEST)
    tensor_scale = torch.where(tensor_absmax == 0, torch.ones_like(tensor_scale), tensor_scale)
    ratios = (clipped / largest / tensor_scale).clamp(E4M3_SMALLEST, E4M3_LARGEST)
    ratios = ratios.to(torch.float8_e4m3fn).to(torch.float32)
    ratios = torch.where(absmax == 0, torch.ones_like(ratios), ratios)
    return (ratios * tensor_scale).clamp(FP32_SMALLEST, FP32_LARGEST)


def _powers_of_two(absmax: Tensor, fmt: Format, *, up: bool) -> Tensor:
    """E8M0 scales: by the floor rule, or the smallest that keep absmax from saturating."""
    fraction, exponent = torch.frexp(absmax)  # absmax = fraction * 2^exponent, 1/2 <= fraction < 1
    limit, emax = _fraction_and_exponent(fmt.max_value)
    exponent = exponent - emax
    if up:
        exponent = exponent + (fraction > limit)
    exponent = exponent.where(absmax > 0, E8M0_EXPONENTS[0])  # clipped to nothing: the smallest
    return torch.ldexp(torch.ones_like(absmax), exponent.clamp(*E8M0_EXPONENTS))


def _fraction_and_exponent(value: Fraction) -> tuple[float, int]:
    """``frexp`` of an exact positive number; the fraction is rounded down to FP32."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value >= Fraction(2) ** exponent:
        exponent += 1
    fraction = value / Fraction(2) ** exponent
    rounded = np.float32(nearest_fp32(fraction))
    if Fraction(float(rounded)) > fraction:
        rounded = np.nextafter(rounded, np.float32(0))
    return float(rounded), exponent
