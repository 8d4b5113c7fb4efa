"""Generates the tables of formats for ``arithmetic.h``, as C++ headers.

The tables are computed from the definition of the nearest value, not by the golden model's encoder.
Bisection over all floats finds the first float that rounds to the next higher value.
"""

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise

from halfbyte.formats import Format, Ties
from halfbyte.golden.codec import check_fp32_range

__all__ = ["format_header", "header_name", "tables_source"]

MAX_CODES = 256
NEVER = '__builtin_nanf("")'  # a threshold that no float reaches
# The key of the largest finite float. The key of a float is an integer: the bits of its magnitude,
# negated for negative floats. Keys are in the order of the floats.
LAST_KEY = 0x7F7FFFFF
SIGNIFICAND_BITS = 24
SMALLEST_EXPONENT = -149

_HEADER = """\
// Format {name}, {bits} bits, quantum {quantum}. Generated; do not edit.
#pragma once
#include "arithmetic.h"

namespace halfbyte {{
constexpr Format format_{name} = {{
    {{{bits}, {{{thresholds}}},
     {{{codes}}}}},
    {{{bits}, {magnitude}, {quantum_literal}, {{{integers}}}}},
    {{{largest_literal}, {exponent}, {significand}, {middle}}}}};
static_assert(well_formed(format_{name}), "format table");
}}  // namespace halfbyte
"""

_SOURCE = """\
{includes}

extern "C" __attribute__((visibility("default"))) const halfbyte::Format *{symbol}() {{
  static constexpr halfbyte::Format formats[] = {{{tables}}};
  return formats;
}}
"""

SYMBOL = "hb_formats"


def _float_of_key(key: int) -> float:
    """The float that ``key`` stands for."""
    magnitude: float = struct.unpack("<f", struct.pack("<I", abs(key)))[0]
    return magnitude if key >= 0 else -magnitude


def _first_float_above(lower: Fraction, upper: Fraction, *, tie_goes_up: bool) -> float:
    """The smallest float that rounds to the value ``upper`` and not to ``lower``."""

    def belongs(key: int) -> bool:
        x = Fraction(_float_of_key(key))
        below, above = x - lower, upper - x
        return below > above or (below == above and tie_goes_up)

    # `low` does not belong to the upper value, or is below all floats; `high` belongs to it.
    low, high = -LAST_KEY - 1, LAST_KEY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if belongs(middle) else (middle, high)
    return _float_of_key(high)


def _ascending_codes(fmt: Format) -> list[int]:
    """The codes that encoding gives, in ascending order of their values.

    If several codes have the same value, encoding gives the smallest of them. It never gives codes
    of NaN.
    """
    chosen: dict[Fraction, int] = {}
    for code in reversed(range(len(fmt.values))):
        if code not in fmt.nan_codes:
            chosen[fmt.values[code]] = code
    return [chosen[value] for value in sorted(chosen)]


def _thresholds(fmt: Format, codes: Sequence[int]) -> list[float]:
    """For every two neighbouring values, the first float that rounds to the higher one."""
    return [
        _first_float_above(
            fmt.values[lower],
            fmt.values[upper],
            tie_goes_up=fmt.ties is Ties.EVEN and upper % 2 == 0,
        )
        for lower, upper in pairwise(codes)
    ]


def _floor_log2(value: Fraction) -> int:
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    return exponent if Fraction(2) ** exponent <= value else exponent - 1


def _rounded_to_fp32(value: Fraction) -> float:
    """A positive value, rounded to FP32 (to nearest, ties to even), as a Python float."""
    place = max(_floor_log2(value) - SIGNIFICAND_BITS + 1, SMALLEST_EXPONENT)
    return float(round(value / Fraction(2) ** place) * Fraction(2) ** place)


def _listed(numbers: Sequence[int | str]) -> str:
    return ", ".join(map(str, numbers))


def _literal(x: float) -> str:
    return f"{x.hex()}f"


@cache
def format_header(fmt: Format) -> str:
    """The C++ header that defines ``halfbyte::format_NAME``.

    Raises UserError if FP32 cannot hold the format's values.
    """
    check_fp32_range(fmt)
    # Largest in arithmetic.h explains exponent, significand and middle.
    codes = _ascending_codes(fmt)
    thresholds = _thresholds(fmt, codes)
    exponent = _floor_log2(fmt.max_value)
    significand = fmt.max_value / Fraction(2) ** (exponent - SIGNIFICAND_BITS + 1)
    return _HEADER.format(
        name=fmt.name,
        bits=fmt.bits,
        quantum=fmt.quantum,
        thresholds=_listed([*map(_literal, thresholds), *[NEVER] * (MAX_CODES - len(thresholds))]),
        codes=_listed(codes),
        magnitude=max(map(abs, fmt.integers)),
        quantum_literal=_literal(_rounded_to_fp32(fmt.quantum)),
        integers=_listed(fmt.integers),
        largest_literal=_literal(_rounded_to_fp32(fmt.max_value)),
        exponent=exponent,
        significand=int(significand),
        middle=math.ceil((significand + 2**SIGNIFICAND_BITS) / 2),
    )


def header_name(fmt: Format) -> str:
    """The file that holds the header of ``fmt``."""
    return f"format_{fmt.name}.h"  # the prefix avoids the names of other headers


def tables_source(formats: Sequence[Format]) -> str:
    """A C++ source whose function ``hb_formats`` returns the tables of ``formats``, in order.

    It includes the header of each format under the name that :func:`header_name` gives.
    """
    return _SOURCE.format(
        includes="\n".join(f'#include "{header_name(fmt)}"' for fmt in formats),
        symbol=SYMBOL,
        tables=", ".join(f"halfbyte::format_{fmt.name}" for fmt in formats),
    )
