"""Pack two 4-bit codes into each byte, as a memory holds them, and unpack them."""

import torch
from torch import Tensor

from halfbyte.golden.checks import check_integer

__all__ = ["pack", "unpack"]

CODE_LIMIT = 16


def _check_bytes(tensor: object, what: str) -> None:
    if not isinstance(tensor, Tensor) or tensor.dtype != torch.uint8:
        came = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"{what} must be a uint8 tensor, not {came}")
    if tensor.ndim == 0:
        raise ValueError(f"{what} must have at least one dimension, not 0")


def pack(codes: Tensor) -> Tensor:
    """Pack codes of at most 4 bits along the last dimension.

    codes: (..., K) uint8, each below 16. Returns (..., ceil(K / 2)) uint8: even indices in the low
    nibble, odd ones in the high nibble; an odd K is padded with code 0.
    """
    _check_bytes(codes, "Codes")
    if codes.numel() and (largest := int(codes.max())) >= CODE_LIMIT:
        raise ValueError(
            "Only codes of at most 4 bits fit two to a byte: "
            f"they must be below {CODE_LIMIT}, not {largest}"
        )
    low, high = codes[..., 0::2], codes[..., 1::2]
    packed = low.clone()
    packed[..., : high.shape[-1]] |= high << 4
    return packed


def unpack(packed: Tensor, count: int) -> Tensor:
    """Undo :func:`pack`.

    packed: (..., ceil(count / 2)) uint8. Returns (..., count) uint8.
    """
    _check_bytes(packed, "Packed codes")
    width = packed.shape[-1]
    check_integer("count", count, max(0, 2 * width - 1), 2 * width)
    nibbles = torch.stack((packed & 15, packed >> 4), dim=-1)  # (..., width, 2)
    return nibbles.flatten(-2)[..., :count]
