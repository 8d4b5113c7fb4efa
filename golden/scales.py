"""Compute block scales, as the hardware stores them, from absolute maxima of blocks (absmax)."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import SCALE_CODES, Format, ScaleCode
from halfbyte.golden.checks import check_subnormals
from halfbyte.golden.codec import nearest_fp32
from halfbyte.golden.powers import E8M0_RULES, power_of_two_exponents

__all__ = [
    "BlockScales",
    "ScaleFormat",
    "block_scales",
    "exact_tensor",
    "scale_blocks",
    "scales_of_codes",
]

FP32_LARGEST = float(np.finfo(np.float32).max)
FP32_SMALLEST = 2.0**-149  # subnormal
FP16_SMALLEST = 2.0**-24  # subnormal
BF16_SMALLEST = 2.0**-133  # subnormal
# FP8 E4M3 "fn" (OCP OFP8 1.0): no infinities, largest 448, smallest subnormal 2^-9.
E4M3_LARGEST, E4M3_SMALLEST = 448.0, 2.0**-9
# Unsigned E5M3: bias 15, all ones is NaN, so the largest is 1.75 * 2^16.
UE5M3_LARGEST, UE5M3_SMALLEST = 114688.0, 2.0**-17
UE5M3_MANTISSA_BITS, UE5M3_BIAS = 3, 15
E8M0_BIAS = 127


class ScaleFormat(enum.Enum):
    """The type of stored block scales, and the rule that chooses them."""

    FP32 = "fp32"
    """absmax divided by the format's largest value, in FP32."""

    FP16 = "fp16"
    """The FP32 scale rounded to the nearest FP16 number, ties to even."""

    BF16 = "bf16"
    """The FP32 scale rounded to the nearest BF16 number, ties to even."""

    E8M0_FLOOR = "e8m0_floor"
    """2^(floor(log2 absmax) - floor(log2 largest value)): OCP MX 1.0, section 6.3. The
    largest elements of a block may saturate."""

    E8M0_UP = "e8m0_up"
    """The smallest power of two that is at least the exact quotient of absmax and the format's
    largest value."""

    E4M3 = "e4m3"
    """FP8 block scales and one FP32 scale for the whole tensor, as in NVFP4."""

    E8M0_CEIL = "e8m0_ceil"
    """2^(ceil(log2 absmax) - floor(log2 largest value)): "CEIL" of torchao's MX formats."""

    E8M0_NEAREST = "e8m0_nearest"
    """Like ``e8m0_floor``, but one power of two higher unless absmax / scale is nearer to the
    format's largest value than to the next power of two. For E2M1 this equals "EVEN" of torchao and
    AMD Quark, and the rule of compressed-tensors."""

    E8M0_RCEIL = "e8m0_rceil"
    """The FP32 quotient of absmax and the largest value, rounded up to a power of two. This is the
    rule for UE8M0 in NVIDIA's cuBLAS manual, and "RCEIL" of torchao. It can differ from
    ``e8m0_up`` where the FP32 quotient is not exact."""

    E4M3_MODELOPT = "e4m3_modelopt"
    """Like ``e4m3``, but with the order of operations of NVIDIA's ModelOpt. The tensor's scale is
    the tensor's absmax / (largest * 448), where *largest* is the format's largest value. The E4M3
    scale of a block is the block's absmax / (largest * the tensor's scale)."""

    UE5M3 = "ue5m3"
    """The FP32 scale rounded to the nearest number of unsigned E5M3, ties to even. The tensor has
    no scale of its own."""

    @property
    def bits(self) -> int:
        """Bits stored for each block's scale; a scale of the whole tensor is not counted."""
        return _WIDE_BITS.get(self, 8)

    @property
    def code(self) -> ScaleCode | None:
        """The codes that are stored; None for scales of more than eight bits."""
        if self.bits > 8:
            return None
        return SCALE_CODES[self.value.partition("_")[0]]

    @property
    def has_tensor_scale(self) -> bool:
        """Whether the whole tensor has an FP32 scale besides those of the blocks."""
        return self in _TENSOR_SCALED


_WIDE_BITS = {ScaleFormat.FP32: 32, ScaleFormat.FP16: 16, ScaleFormat.BF16: 16}
_TENSOR_SCALED = (ScaleFormat.E4M3, ScaleFormat.E4M3_MODELOPT)


@dataclass(frozen=True, eq=False)
class BlockScales:
    """The scales of a tensor's blocks.

    Parameters
    ----------
    values : Tensor
        (..., blocks) float32, positive and finite: the divisors of the elements.
    codes : Tensor or None
        (..., blocks) uint8: the stored bytes, if the scales' type has 8 bits (E8M0: exponent plus
        127; E4M3 and UE5M3: their bits).
    tensor_scale : Tensor or None
        float32 without dimensions: the factor that all scales contain, if the codes are E4M3.
    """

    values: Tensor
    codes: Tensor | None = None
    tensor_scale: Tensor | None = None


@lru_cache(maxsize=256)
def exact_tensor(value: Fraction, device: torch.device) -> Tensor:
    """``value`` rounded once to FP32, as a tensor without dimensions. Callers must not write to it.

    PyTorch may turn a division by a Python number into a multiplication, which rounds differently.
    A division by a tensor stays a division.
    """
    with torch.inference_mode(False):  # callers outside inference mode get the same cached tensor
        return torch.tensor(nearest_fp32(value), dtype=torch.float32, device=device)


def block_scales(
    absmax: Tensor,
    fmt: Format,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    clip: float | Tensor = 1.0,
) -> Tensor:
    """Scales of the blocks of one tensor; (..., blocks) float32: see :func:`scale_blocks`."""
    return scale_blocks(absmax, fmt, scale_format, clip).values


def scale_blocks(
    absmax: Tensor,
    fmt: Format,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    clip: float | Tensor = 1.0,
    tensor_absmax: Tensor | None = None,
) -> BlockScales:
    """Scales of the blocks of one tensor, with the bytes that are stored.

    Parameters
    ----------
    absmax : Tensor
        (..., blocks) float32: the blocks' absolute maxima, finite.
    fmt : Format
        Format of the elements. The scale maps absmax to the largest value of the format.
    scale_format : ScaleFormat
        The type of the scales, and the rule that chooses them. Each scale is a value of the type.
        With E4M3, it is such a value times the tensor's scale, rounded to FP32.
    clip : float or Tensor
        Absmax is first multiplied by this number, or by this tensor, which broadcasts to
        ``absmax``. The scale of a whole tensor ignores clipping.
    tensor_absmax : Tensor, optional
        float32 without dimensions: absmax of the whole tensor, if ``absmax`` covers only a part of
        it.

    A scale that is too small or too large for its type becomes the smallest or largest one. A
    block of zeros has scale 1 (with E4M3, the tensor's scale). With ``FP32`` and
    ``E4M3_MODELOPT``, the same is true of a block whose scale underflows to 0.

    Raises UserError if absmax divided by the format's largest value exceeds FP32, or if PyTorch
    flushes subnormal numbers to zero.
    """
    check_subnormals(absmax.device)
    largest = exact_tensor(fmt.max_value, absmax.device)
    if bool((absmax / largest).isinf().any()):
        raise UserError(
            f"{fmt.name}: a block scale exceeds FP32, since the format's largest value is only "
            f"{float(fmt.max_value):.3g}; rescale the values"
        )
    clipped = absmax * clip
    if scale_format is ScaleFormat.FP32:
        scales = clipped / largest
        return BlockScales(torch.where(scales == 0, torch.ones_like(scales), scales))
    if scale_format.has_tensor_scale:
        whole = _largest_of(absmax) if tensor_absmax is None else tensor_absmax
        return _e4m3_scales(absmax, clipped, whole, largest, scale_format)
    if scale_format.value in E8M0_RULES:
        exponents = power_of_two_exponents(clipped, fmt, largest, scale_format.value)
        exponents = exponents.where(absmax > 0, 0)
        scales = torch.ldexp(torch.ones_like(absmax), exponents)
        return BlockScales(scales, (exponents + E8M0_BIAS).to(torch.uint8))
    narrowed = _NARROWED[scale_format](clipped / largest)
    scales = torch.where(absmax == 0, torch.ones_like(narrowed), narrowed)
    return BlockScales(scales, _ue5m3_codes(scales) if scale_format is ScaleFormat.UE5M3 else None)


def scales_of_codes(
    codes: Tensor, scale_format: ScaleFormat, tensor_scale: Tensor | None = None
) -> Tensor:
    """The FP32 scales of stored bytes: ``BlockScales.values`` for ``BlockScales.codes``.

    codes: (..., blocks) uint8. tensor_scale: broadcasts to ``codes``; it is used only for E4M3, and
    is 1 by default. Raises ValueError for a type that does not have 8 bits.
    """
    if scale_format.value in E8M0_RULES:
        ones = torch.ones(codes.shape, device=codes.device)
        return torch.ldexp(ones, codes.to(torch.int32) - E8M0_BIAS)
    if scale_format.has_tensor_scale:
        scale = torch.ones((), device=codes.device) if tensor_scale is None else tensor_scale
        values = codes.view(torch.float8_e4m3fn).to(torch.float32) * scale
        return values.clamp(FP32_SMALLEST, FP32_LARGEST)
    if scale_format is not ScaleFormat.UE5M3:
        raise ValueError(f"The scales must be stored in 8 bits, not as {scale_format.value}")
    field = (codes >> UE5M3_MANTISSA_BITS).to(torch.int32)
    hidden = torch.where(field > 0, 1 << UE5M3_MANTISSA_BITS, 0)
    significand = (codes & 7).to(torch.float32) + hidden
    return torch.ldexp(significand, field.clamp_min(1) - UE5M3_BIAS - UE5M3_MANTISSA_BITS)


def _largest_of(absmax: Tensor) -> Tensor:
    return absmax.amax() if absmax.numel() else absmax.new_zeros(())


def _float_narrowed(dtype: torch.dtype, smallest: float) -> Callable[[Tensor], Tensor]:
    """A function that rounds scales to ``dtype``, to nearest, ties to even, and clamps them.

    The result is float32, from ``smallest`` to the largest value of ``dtype``.
    """

    def narrowed(scales: Tensor) -> Tensor:
        rounded = scales.to(dtype).to(torch.float32)
        return rounded.clamp(smallest, torch.finfo(dtype).max)

    return narrowed


def _ue5m3_narrowed(scales: Tensor) -> Tensor:
    """Round to the nearest positive finite number of unsigned E5M3, ties to even; float32."""
    wide = scales.double().clamp(UE5M3_SMALLEST, UE5M3_LARGEST)
    _, exponent = torch.frexp(wide)  # 2^(exponent - 1) <= wide < 2^exponent
    place = (exponent - 1 - UE5M3_MANTISSA_BITS).clamp_min(1 - UE5M3_BIAS - UE5M3_MANTISSA_BITS)
    rounded = torch.ldexp(torch.ldexp(wide, -place).round(), place)  # round() rounds ties to even
    return rounded.clamp_max(UE5M3_LARGEST).to(torch.float32)


def _ue5m3_codes(scales: Tensor) -> Tensor:
    """Bits of values of unsigned E5M3: ``[7:3] exponent, [2:0] mantissa``; uint8."""
    _, exponent = torch.frexp(scales)
    field = (exponent - 1 + UE5M3_BIAS).clamp_min(0)
    place = field.clamp_min(1) - UE5M3_BIAS - UE5M3_MANTISSA_BITS
    significand = torch.ldexp(scales.double(), -place).to(torch.int32)  # with the hidden bit
    # The hidden bit of a normal number adds one to the exponent field; a subnormal has none.
    return (significand + ((field.clamp_min(1) - 1) << UE5M3_MANTISSA_BITS)).to(torch.uint8)


_NARROWED: dict[ScaleFormat, Callable[[Tensor], Tensor]] = {
    ScaleFormat.FP16: _float_narrowed(torch.float16, FP16_SMALLEST),
    ScaleFormat.BF16: _float_narrowed(torch.bfloat16, BF16_SMALLEST),
    ScaleFormat.UE5M3: _ue5m3_narrowed,
}


def _e4m3_scales(
    absmax: Tensor, clipped: Tensor, whole: Tensor, largest: Tensor, rule: ScaleFormat
) -> BlockScales:
    """E4M3 block scales times the tensor's scale, rounded to FP32."""
    limit = torch.full_like(largest, E4M3_LARGEST)
    if rule is ScaleFormat.E4M3:
        tensor_scale = _tensor_scale(whole, whole / largest / limit)
        ratios = clipped / largest / tensor_scale
    else:  # the operations of NVFP4QTensor in ModelOpt, where a quotient of zero becomes 1
        tensor_scale = _tensor_scale(whole, whole / (largest * limit))
        ratios = clipped / (largest * tensor_scale).clamp_min(FP32_SMALLEST)
        ratios = torch.where(ratios == 0, torch.ones_like(ratios), ratios)
    stored = ratios.clamp(E4M3_SMALLEST, E4M3_LARGEST).to(torch.float8_e4m3fn)
    stored = torch.where(absmax == 0, torch.ones_like(ratios), stored.to(torch.float32))
    codes = stored.to(torch.float8_e4m3fn).view(torch.uint8)
    values = (stored * tensor_scale).clamp(FP32_SMALLEST, FP32_LARGEST)
    return BlockScales(values, codes, tensor_scale)


def _tensor_scale(whole: Tensor, quotient: Tensor) -> Tensor:
    """The tensor's scale, at least the smallest positive FP32 number; 1 for a tensor of zeros."""
    return torch.where(whole == 0, torch.ones_like(quotient), quotient.clamp_min(FP32_SMALLEST))
