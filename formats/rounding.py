"""A format's values rounded to fewer bits, so that hardware for fitted values stays small.

Fitted values, such as 0.6962 and 0.5251, are integers only in units of 1/10000. They make a wide
multiplier and accumulator. On a grid of ``bits`` bits they move a little and cost less.
"""

from dataclasses import replace

from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import Format
from halfbyte.formats.quantile import MAX_LUT_BITS, MIN_LUT_BITS, round_to_grid

__all__ = ["largest_change", "rounded"]


def rounded(fmt: Format, bits: int) -> Format:
    """The format with its values on the grid ``k / (2^(bits-1) - 1)`` of its greatest magnitude.

    It is called ``NAME_lutBITS``. Raises FormatError if two values become one, or if the width is
    out of range.
    """
    if not MIN_LUT_BITS <= bits <= MAX_LUT_BITS:
        raise FormatError(
            f"A table has {MIN_LUT_BITS} to {MAX_LUT_BITS} bits, not {bits}: {fmt.name}@{bits}"
        )
    greatest = max(map(abs, fmt.values))
    values = tuple(
        each * greatest for each in round_to_grid([value / greatest for value in fmt.values], bits)
    )
    if len(set(values)) < len(set(fmt.values)):
        raise FormatError(f"{bits} bits are too few for {fmt.name}: two of its values become one")
    return replace(
        fmt,
        name=f"{fmt.name}_lut{bits}",
        title=f"{fmt.title}, {bits}-bit table",
        values=values,
        family="values",
        source=f"{fmt.source}; rounded to {bits} bits".lstrip("; "),
    )


def largest_change(fmt: Format, other: Format) -> float:
    """Largest change of a value, as a part of the greatest magnitude."""
    greatest = max(map(abs, fmt.values))
    pairs = zip(fmt.values, other.values, strict=True)
    return float(max(abs(one - two) for one, two in pairs) / greatest)
