"""Round a format's values to fewer bits, for smaller hardware.

Measured values are often whole multiples of a very small number only. For 0.5251 and 0.3949, for
example, the largest such number is 1/10000. Such values need a wide multiplier and a wide
accumulator. If they are rounded to a coarser grid, they change little, but cost much less.
"""

from dataclasses import replace

from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import Format
from halfbyte.formats.quantile import MAX_LUT_BITS, MIN_LUT_BITS, round_to_grid

__all__ = ["largest_change", "rounded"]


def rounded(fmt: Format, bits: int) -> Format:
    """The format with its values rounded to ``bits`` bits.

    The new values are whole multiples of ``m / (2^(bits-1) - 1)``, where m is the greatest
    magnitude. The new name is ``NAME_lutBITS``. Raises FormatError if two different values become
    equal, or if the width is out of range.
    """
    if not MIN_LUT_BITS <= bits <= MAX_LUT_BITS:
        raise FormatError(
            f"Values can be rounded to {MIN_LUT_BITS} to {MAX_LUT_BITS} bits, not {bits}: "
            f"{fmt.name}@{bits}"
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
    """The largest difference between the values of a code in both formats.

    It is divided by the greatest magnitude of ``fmt``.
    """
    greatest = max(map(abs, fmt.values))
    pairs = zip(fmt.values, other.values, strict=True)
    return float(max(abs(one - two) for one, two in pairs) / greatest)
