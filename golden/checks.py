"""Check arguments; the public functions of the golden model share these checks."""

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format

__all__ = [
    "check_codes",
    "check_finite",
    "check_float",
    "check_format",
    "check_integer",
    "check_subnormals",
]

FP32_SMALLEST = 2.0**-149  # subnormal


def _kind(value: object) -> str:
    """The dtype of a tensor, or the type of any other value, for an error message."""
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def check_format(fmt: object) -> Format:
    """Return ``fmt`` if it is a :class:`Format`; raise TypeError for anything else."""
    if not isinstance(fmt, Format):
        raise TypeError(f"A format must be a halfbyte.formats.Format, not {fmt!r:.60}")
    return fmt


def check_codes(codes: object, fmt: Format) -> Tensor:
    """Return ``codes`` if it is a uint8 tensor of any shape whose elements are codes of ``fmt``.

    Raises TypeError for anything but a uint8 tensor, ValueError for a code that is too large.
    """
    check_format(fmt)
    if not isinstance(codes, Tensor) or codes.dtype != torch.uint8:
        raise TypeError(f"Codes must be a uint8 tensor, not {_kind(codes)}")
    # Every uint8 is a code of an 8-bit format.
    if fmt.bits < 8 and codes.numel() and (largest := int(codes.max())) >= 2**fmt.bits:
        raise ValueError(f"Codes of {fmt.name} must be below {2**fmt.bits}, not {largest}")
    return codes


def check_float(x: object, what: str) -> Tensor:
    """Return ``x`` if it is a floating-point tensor; else raise a TypeError about ``what``."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{what} must be a floating-point tensor, not {_kind(x)}")
    return x


def check_integer(name: str, value: object, low: int, high: int) -> int:
    """Return ``value`` if it is an integer from ``low`` to ``high``.

    Raises TypeError for another type, ValueError for an integer out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r:.60}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}, not {value}")
    return value


def check_finite(nans: int, infinities: int, count: int) -> None:
    """Raise ValueError if any of ``count`` numbers to quantize are NaN or infinite."""
    if nans or infinities:
        raise ValueError(
            f"quantize needs finite FP32 numbers, not NaN ({nans} of {count}) or infinities "
            f"({infinities} of {count})"
        )


def check_subnormals(device: torch.device) -> None:
    """Raise UserError if PyTorch flushes subnormals on ``device``: results would silently differ.

    Only on the CPU can it be told to do so.
    """
    if device.type == "cpu" and float(torch.full((), FP32_SMALLEST, device="cpu") * 1) == 0:
        raise UserError(
            "The golden model needs subnormal numbers, but PyTorch flushes them to zero here: call "
            "torch.set_flush_denormal(False)"
        )
