"""Quantize tensors in blocks: find a code for each element, and a scale for each block.

A *supernormal* value is an extra value in place of negative zero, such as the +8 of the format
E2M1+SR. It makes a format asymmetric. So a block may be *mirrored*: it is negated before it
is encoded and after it is decoded, and +8 serves as -8. To the hardware, a mirrored block has a
negative scale.

Blocks run along the last dimension. All values of a format are integers times one number, its
*quantum*.
"""

import enum
from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.formats import MAX_TERMS, Format
from halfbyte.golden.checks import check_codes, check_finite, check_float, check_integer
from halfbyte.golden.codec import check_fp32_range, decode_integers, encode
from halfbyte.golden.scales import ScaleFormat, exact_tensor, scale_blocks

__all__ = [
    "DEFAULT_BLOCK",
    "Quantized",
    "SupernormalSign",
    "check_clip",
    "prefer_mirrored",
    "quantize",
    "to_blocks",
]

DEFAULT_BLOCK = 128


class SupernormalSign(enum.Enum):
    """Whether blocks may be mirrored."""

    FIXED = "fixed"
    """Never: the format's values are used as they are."""

    BLOCK = "block"
    """A block is mirrored if that makes its squared error smaller. One bit per block is stored."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized tensor.

    Parameters
    ----------
    codes : Tensor
        (..., K) uint8.
    scales : Tensor
        (..., ceil(K / block)) float32, positive and finite; the last block may be shorter.
    format : Format
        The format of the codes.
    block : int
        Number of elements that share a scale, 1 to 2^20.
    mirrored : Tensor, optional
        A bool for each scale: whether the block's values are the negated values of its codes.
    scale_codes : Tensor, optional
        A uint8 for each scale: the stored byte, if the scales' type has 8 bits.
    tensor_scale : Tensor, optional
        float32 without dimensions: the scale of the whole tensor, if the scale codes are E4M3. A
        block's scale is the value of its code times this scale.
    """

    codes: Tensor
    scales: Tensor
    format: Format
    block: int = DEFAULT_BLOCK
    mirrored: Tensor | None = None
    scale_codes: Tensor | None = None
    tensor_scale: Tensor | None = None

    def __post_init__(self) -> None:
        check_fp32_range(self.format)
        check_integer("block", self.block, 1, MAX_TERMS)
        check_codes(self.codes, self.format)
        if not isinstance(self.scales, Tensor) or self.scales.dtype != torch.float32:
            came = getattr(self.scales, "dtype", type(self.scales).__name__)
            raise TypeError(f"Block scales must be a float32 tensor, not {came}")
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
        if self.mirrored is not None and (
            self.mirrored.dtype != torch.bool or self.mirrored.shape != wanted
        ):
            raise ValueError(
                f"Mirrored blocks must be a bool tensor of shape {wanted}, not "
                f"{self.mirrored.dtype} of shape {tuple(self.mirrored.shape)}"
            )
        if self.scale_codes is not None and (
            self.scale_codes.dtype != torch.uint8 or self.scale_codes.shape != wanted
        ):
            raise ValueError(
                f"Scale codes must be a uint8 tensor of shape {wanted}, not "
                f"{self.scale_codes.dtype} of shape {tuple(self.scale_codes.shape)}"
            )

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor that was quantized."""
        return self.codes.shape

    @property
    def steps(self) -> Tensor:
        """The value of one unit of a block's integers: scale times quantum, rounded to FP32.

        Shape of ``scales``, float32. The steps of mirrored blocks are negative.
        """
        steps = self.scales * exact_tensor(self.format.quantum, self.scales.device)
        return steps if self.mirrored is None else torch.where(self.mirrored, -steps, steps)

    def dequantize(self) -> Tensor:
        """Integers times steps, rounded to FP32; (..., K) float32."""
        integers = decode_integers(self.codes, self.format).to(torch.float32)
        length = self.codes.shape[-1]
        steps = self.steps.repeat_interleave(min(self.block, max(length, 1)), dim=-1)
        return integers * steps[..., :length]


def _check_input(x: Tensor) -> Tensor:
    """``x`` as finite float32 with at least one dimension."""
    if check_float(x, "The input of quantize").ndim == 0:
        raise ValueError("quantize needs a tensor with at least one dimension, not 0")
    single = x.detach().to(torch.float32)
    if not bool(single.isfinite().all()):
        check_finite(int(single.isnan().sum()), int(single.isinf().sum()), single.numel())
    return single


def check_clip(clip: float | Tensor) -> float | Tensor:
    """Return ``clip`` if it is a number, or a float32 tensor of numbers, above 0 and at most 1."""
    if isinstance(clip, Tensor):
        if clip.dtype != torch.float32:
            raise TypeError(f"clip must be a float32 tensor, not {clip.dtype}")
        if not bool(((clip > 0) & (clip <= 1)).all()):
            low, high = float(clip.min()), float(clip.max())
            raise ValueError(
                f"clip must be above 0 and at most 1 in every block, not from {low} to {high}"
            )
    elif not 0 < clip <= 1:
        raise ValueError(f"clip must be above 0 and at most 1, not {clip}")
    return clip


def to_blocks(x: Tensor, block: int) -> Tensor:
    """Split the last dimension into blocks; the last block is filled up with zeros.

    x: (..., K). A ``block`` above K counts as K. Returns (..., ceil(K / block), block), as a view
    if no zeros are added.
    """
    length = x.shape[-1]
    block = min(block, max(length, 1))
    count = -(-length // block)
    if length % block:
        x = torch.nn.functional.pad(x, (0, count * block - length))
    return x.reshape(*x.shape[:-1], count, block)


def prefer_mirrored(ratios: Tensor, plain: Tensor, negated: Tensor, fmt: Format) -> Tensor:
    """Which blocks have a smaller squared error when mirrored; (..., blocks) bool.

    ratios: (..., blocks, block) float32, values divided by their block's scale. ``plain`` and
    ``negated`` are the format's integers for ``ratios`` and for ``-ratios``, as float32. The errors
    are compared in units of the scale, since squares of tiny values would underflow. If both errors
    are equal, the block is not mirrored.
    """
    quantum = exact_tensor(fmt.quantum, ratios.device)
    mirrored_error = (ratios + negated * quantum).square().sum(-1)
    return mirrored_error < (ratios - plain * quantum).square().sum(-1)


def quantize(
    x: Tensor,
    fmt: Format,
    *,
    block: int | None = DEFAULT_BLOCK,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    clip: float | Tensor = 1.0,
    supernormal_sign: SupernormalSign = SupernormalSign.FIXED,
    tensor_absmax: Tensor | None = None,
) -> Quantized:
    """Quantize blocks of the last dimension, each scaled by its absolute maximum (absmax).

    The scale of a block maps absmax to the format's largest value, as far as ``scale_format``
    allows. The codes are those of ``x / scale`` (in FP32), or of ``-x / scale`` in mirrored blocks.

    Parameters
    ----------
    x : Tensor
        (..., K), floating point. float64 is rounded to float32 first.
    fmt : Format
        Format of the codes.
    block : int, optional
        Number of elements that share a scale, 1 to 2^20; None makes one block of the whole last
        dimension. The last block may be shorter.
    scale_format : ScaleFormat
        Type of the scales, and the rule that chooses them: see :func:`scale_blocks`.
    clip : float or Tensor
        The factor by which absmax is multiplied first: a number above 0 and at most 1, or a float32
        tensor of such numbers that broadcasts to the scales' shape (..., blocks).
    supernormal_sign : SupernormalSign
        Whether blocks may be mirrored.
    tensor_absmax : Tensor, optional
        float32 without dimensions: absmax of the whole tensor. It is needed if ``x`` is a part of a
        tensor with E4M3 scales.

    Raises
    ------
    TypeError
        ``x`` is not floating point, ``block`` is not an integer, or the tensor ``clip`` is not
        float32.
    ValueError
        ``x`` has NaN, infinities or no dimension, or ``block`` or ``clip`` is out of range.
    UserError
        FP32 cannot hold the format's values or a scale, or PyTorch flushes subnormal numbers to
        zero.
    """
    single = _check_input(x)
    check_fp32_range(fmt)
    length = single.shape[-1]
    size = max(length, 1) if block is None else check_integer("block", block, 1, MAX_TERMS)
    blocks = to_blocks(single, size)  # (..., count, size)
    absmax = blocks.abs().amax(dim=-1)  # (..., count)
    scales = scale_blocks(absmax, fmt, scale_format, check_clip(clip), tensor_absmax)
    ratios = blocks / scales.values.unsqueeze(-1)
    codes, mirrored = encode(ratios, fmt), None
    if supernormal_sign is SupernormalSign.BLOCK:
        negated = encode(-ratios, fmt)
        plain = decode_integers(codes, fmt).to(torch.float32)
        mirrored = prefer_mirrored(
            ratios, plain, decode_integers(negated, fmt).to(torch.float32), fmt
        )
        codes = torch.where(mirrored.unsqueeze(-1), negated, codes)
    codes = codes.flatten(-2)[..., :length]
    return Quantized(
        codes.contiguous(), scales.values, fmt, size, mirrored, scales.codes, scales.tensor_scale
    )
