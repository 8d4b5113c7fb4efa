"""Checks and aligns compressed bytes for the DFloat11 decoders, and lists the element types."""

import torch
from torch import Tensor

__all__ = ["TYPES", "aligned", "check_bytes"]

ALIGNMENT = 16  # bytes; the kernels need data at a multiple of it

TYPES = {
    1: torch.bfloat16,
    2: torch.float16,
    3: torch.float8_e4m3fn,
    4: torch.float8_e5m2,
    5: torch.int8,
    6: torch.uint8,
    7: torch.float32,
}
"""Element types, by their number in docs/dfloat11.md."""


def check_bytes(data: Tensor) -> None:
    """Raise TypeError if compressed data is not (bytes,) uint8."""
    if data.dtype != torch.uint8 or data.ndim != 1:
        raise TypeError(
            f"Compressed data must be uint8 with 1 dimension, not {data.dtype} with {data.ndim}"
        )


def aligned(data: Tensor) -> Tensor:
    """``data``, contiguous at a multiple of ALIGNMENT; copied if necessary."""
    data = data.contiguous()
    return data if data.data_ptr() % ALIGNMENT == 0 else data.clone()
