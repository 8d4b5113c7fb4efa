"""Compute accumulator widths from formats, for the golden model, RTL and GPU code.

All values of a format are integers times one number, its *quantum*.
"""

import enum

from halfbyte.base.errors import UserError
from halfbyte.formats.integers import signed_width
from halfbyte.formats.model import Format

__all__ = [
    "MAX_ACC_WIDTH",
    "MAX_TERMS",
    "Overflow",
    "check_acc_width",
    "check_terms",
    "lossless_acc_width",
    "product_extremes",
]

MAX_TERMS = 2**20
# The golden model accumulates in int64.
MAX_ACC_WIDTH = 64


class Overflow(enum.Enum):
    """What an accumulator does with a sum outside its range."""

    WRAP = "wrap"
    """Keep the low bits (two's complement)."""

    SATURATE = "saturate"
    """Clamp to the nearest end of the range, after every addition."""


def product_extremes(weight: Format, activation: Format) -> tuple[int, int]:
    """Lowest and highest product, in units of ``weight.quantum * activation.quantum``."""
    w_ends = (min(weight.integers), max(weight.integers))
    a_ends = (min(activation.integers), max(activation.integers))
    products = [w * a for w in w_ends for a in a_ends]
    return min(products), max(products)


def check_terms(terms: object) -> int:
    """Return ``terms``, a number of products, if an accumulator may sum that many.

    Raises TypeError unless it is an integer, and UserError unless it is 1 to 2^20.
    """
    if type(terms) is not int:
        raise TypeError(f"Number of terms must be an integer, not {terms!r}")
    if not 1 <= terms <= MAX_TERMS:
        raise UserError(f"Number of terms must be 1 to {MAX_TERMS}, not {terms}")
    return terms


def check_acc_width(acc_width: object) -> int:
    """Return ``acc_width`` if an accumulator may have that many bits.

    Raises TypeError unless it is an integer, and UserError unless it is 2 to 64.
    """
    if type(acc_width) is not int:
        raise TypeError(f"Accumulator width must be an integer, not {acc_width!r}")
    if not 2 <= acc_width <= MAX_ACC_WIDTH:
        raise UserError(f"Accumulator width must be 2 to {MAX_ACC_WIDTH}, not {acc_width}")
    return acc_width


def lossless_acc_width(weight: Format, activation: Format, terms: int = 256) -> int:
    """Bits of the smallest accumulator that holds every sum of up to ``terms`` products.

    The width follows from the lowest and the highest product that can occur. Products of two E2M1
    values are -144 to 144 units, so the sum of 256 needs 17 bits. Raises the errors of
    :func:`check_terms`.
    """
    low, high = product_extremes(weight, activation)
    return signed_width(min(0, low * check_terms(terms)), max(0, high * terms))
