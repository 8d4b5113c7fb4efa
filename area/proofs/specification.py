"""Specifies what a MAC must compute from its formats' values. The RTL is proved to do the same.

This module does not use the RTL. The product is a table of all products of the formats' integers.
The rest of a MAC is one addition, a clamp if the accumulator saturates, and the effects of
``clear`` and ``enable``.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.formats import Format, Overflow, signed_width

__all__ = ["product", "product_tables", "saturated", "step"]


@cache
def _tables(weight: Format, activation: Format) -> tuple[int, ...]:
    """The tables that :func:`product_tables` returns, computed once for each pair of formats."""
    products = np.multiply.outer(np.array(activation.integers), np.array(weight.integers)).ravel()
    _check_products(products.tolist(), weight, activation)
    width = signed_width(int(products.min()), int(products.max()))
    return tuple(
        int.from_bytes(np.packbits(products >> place & 1, bitorder="little").tobytes(), "little")
        for place in range(width)
    )


def _check_products(products: Sequence[int], weight: Format, activation: Format) -> None:
    """Assert that products, times both quanta, are the products of the formats' exact values.

    The RTL and the golden model (PyTorch) use a format's integers without checking them.
    """
    (w_values, w_unit), (a_values, a_unit) = map(_over_one_denominator, (weight, activation))
    exact = [one * other for one in a_values for other in w_values]
    if [product * w_unit * a_unit for product in products] != exact:
        raise AssertionError(
            f"The integers of {weight.name} or {activation.name} do not give the format's values"
        )


def _over_one_denominator(fmt: Format) -> tuple[list[int], int]:
    """Values and quantum as integers over one common denominator."""
    common = math.lcm(fmt.quantum.denominator, *(value.denominator for value in fmt.values))
    return [int(value * common) for value in fmt.values], int(fmt.quantum * common)


def product_tables(weight: Format, activation: Format) -> tuple[int, ...]:
    """Bits of the signed product, least significant first, each as a table over both codes.

    Bit ``w | a << weight.bits`` of a table is the product's bit for the codes ``w`` and ``a``.
    """
    return _tables(weight, activation)


def product(aig: Aig, weight: Format, activation: Format, width: int | None = None) -> list[int]:
    """The product of the codes' values, in two's complement, in units of the quanta's product.

    If ``width`` is given, only that many of the lowest bits are returned.
    """
    return [aig.table(table) for table in product_tables(weight, activation)[:width]]


def _extended(word: Sequence[int], width: int) -> list[int]:
    """``word`` truncated to ``width`` bits, or extended to them with its sign bit."""
    return [*word, *[word[-1]] * (width - len(word))][:width]


def saturated(aig: Aig, total: Sequence[int], width: int) -> list[int]:
    """``total`` clamped to the range of ``width`` bits; both words are in two's complement.

    ``total`` fits if all its bits from the new sign bit up are equal.
    """
    sign = total[-1]
    outside = FALSE
    for literal in total[width - 1 : -1]:
        outside = aig.disjunction(outside, aig.exclusive(literal, sign))
    low = [aig.choose(outside, sign ^ 1, literal) for literal in total[: width - 1]]
    return [*low, sign]


def step(
    aig: Aig,
    term: Sequence[int],
    acc: Sequence[int],
    clear: int,
    *,
    overflow: Overflow = Overflow.WRAP,
    enable: int = TRUE,
) -> list[int]:
    """The accumulator after the clock edge: ``enable ? limit((clear ? 0 : acc) + term) : acc``.

    ``term`` and ``acc`` are in two's complement, least significant bit first.
    """
    width = len(acc)
    whole = max(width, len(term)) + 1
    base = [aig.conjunction(literal, clear ^ 1) for literal in acc]
    total = aig.add(_extended(base, whole), _extended(term, whole))
    limited = saturated(aig, total, width) if overflow is Overflow.SATURATE else total[:width]
    return [aig.choose(enable, after, before) for after, before in zip(limited, acc, strict=True)]
