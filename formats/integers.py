"""Compute the widths of integers in two's complement."""

__all__ = ["signed_width"]


def signed_width(low: int, high: int) -> int:
    """Bits of the smallest two's complement word that holds ``low`` to ``high``; at least 1.

    Raises ValueError if ``low`` exceeds ``high``.
    """
    if low > high:
        raise ValueError(f"The low end {low} must not exceed the high end {high}")
    return max(high.bit_length() if high >= 0 else 0, (~low).bit_length() if low < 0 else 0) + 1
