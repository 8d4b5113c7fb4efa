"""Number formats: the exact value of each code, and the widths of integers, products and sums.

The only other package of halfbyte that this one imports is :mod:`halfbyte.base`.
"""

from halfbyte.formats.catalogue import bundled, load, names, user_names
from halfbyte.formats.errors import FormatError
from halfbyte.formats.integers import signed_width
from halfbyte.formats.model import Format, Ties
from halfbyte.formats.scale_code import SCALE_CODES, ScaleCode, find_scale_code
from halfbyte.formats.widths import (
    MAX_ACC_WIDTH,
    MAX_TERMS,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
    product_extremes,
)

__all__ = [
    "MAX_ACC_WIDTH",
    "MAX_TERMS",
    "SCALE_CODES",
    "Format",
    "FormatError",
    "Overflow",
    "ScaleCode",
    "Ties",
    "bundled",
    "check_acc_width",
    "check_terms",
    "find_scale_code",
    "load",
    "lossless_acc_width",
    "names",
    "product_extremes",
    "signed_width",
    "user_names",
]
