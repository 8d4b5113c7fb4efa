"""Compute exact products, dot products, and the accumulator of a MAC in each cycle, in integers.

All values of a format are integers times one number, its *quantum*.
"""

import torch
from torch import Tensor

from halfbyte.formats import MAX_TERMS, Format, Overflow, check_acc_width
from halfbyte.golden.checks import check_integer
from halfbyte.golden.codec import decode_integers

__all__ = ["accumulate", "dot", "mac_stream", "product", "sums_since", "wrapped"]

INT64_BITS = 64


def product(w_codes: Tensor, a_codes: Tensor, weight: Format, activation: Format) -> Tensor:
    """Exact products in units of ``weight.quantum * activation.quantum``.

    w_codes, a_codes: uint8, of shapes that broadcast. Returns int64 of the broadcast shape.
    """
    return decode_integers(w_codes, weight) * decode_integers(a_codes, activation)


def dot(w_codes: Tensor, a_codes: Tensor, weight: Format, activation: Format) -> Tensor:
    """Exact dot products over the last dimension, in units of the product of the quanta.

    w_codes, a_codes: (..., K) uint8, with leading shapes that broadcast and K up to 2^20.
    Returns (...) int64. Raises ValueError if the lengths of the last dimensions differ or exceed
    2^20.
    """
    w, a = decode_integers(w_codes, weight), decode_integers(a_codes, activation)
    lengths = {codes.shape[-1] if codes.ndim else None for codes in (w_codes, a_codes)}
    if len(lengths) != 1 or None in lengths:
        raise ValueError(
            "dot needs codes whose last dimensions have the same length, "
            f"not {tuple(w_codes.shape)} and {tuple(a_codes.shape)}"
        )
    # A product has at most 40 bits of magnitude, so 2^20 of them stay below 2^60.
    if w.shape[-1] > MAX_TERMS:
        raise ValueError(f"dot sums at most {MAX_TERMS} products, not {w.shape[-1]}")
    return (w * a).sum(dim=-1)


def mac_stream(
    w_codes: Tensor,
    a_codes: Tensor,
    clear: Tensor,
    *,
    weight: Format,
    activation: Format,
    acc_width: int,
    overflow: Overflow = Overflow.WRAP,
    initial: int = 0,
) -> Tensor:
    """The accumulator after each cycle of ``acc <= (clear ? 0 : acc) + w * a``.

    w_codes, a_codes: (T,) uint8. clear: (T,) bool. Returns (T,) int64, in units of
    ``weight.quantum * activation.quantum``, each within ``acc_width`` bits. ``initial`` is the
    accumulator before the first cycle. If ``acc_width`` bits hold every sum, both overflow rules
    give the exact sums.
    """
    _check_stream(w_codes, a_codes, clear)
    products = product(w_codes, a_codes, weight, activation)
    return accumulate(products, clear, acc_width=acc_width, overflow=overflow, initial=initial)


def accumulate(
    addends: Tensor,
    clear: Tensor,
    *,
    acc_width: int,
    overflow: Overflow = Overflow.WRAP,
    initial: int = 0,
) -> Tensor:
    """The accumulator after each cycle of ``acc <= (clear ? 0 : acc) + addend``.

    addends: (T,) int64; for an accumulator that wraps, they may be reduced modulo 2^64.
    clear: (T,) bool. Returns (T,) int64.
    """
    check_acc_width(acc_width)
    if not isinstance(overflow, Overflow):
        raise TypeError(
            f"overflow must be an Overflow such as halfbyte.Overflow.SATURATE, not {overflow!r}"
        )
    half = 1 << acc_width - 1
    low, high = -half, half - 1
    check_integer("initial", initial, low, high)
    if overflow is Overflow.SATURATE:
        return _saturating_sums(addends, clear, initial, low, high)
    return wrapped(sums_since(addends, clear, initial), acc_width)


def _check_stream(w_codes: Tensor, a_codes: Tensor, clear: Tensor) -> None:
    """Raise TypeError or ValueError unless ``mac_stream`` accepts these types and shapes."""
    if not all(isinstance(tensor, Tensor) for tensor in (w_codes, a_codes, clear)):
        came = ", ".join(type(each).__name__ for each in (w_codes, a_codes, clear))
        raise TypeError(
            f"w_codes, a_codes and clear must be tensors, not {came}; torch.as_tensor converts "
            "arrays"
        )
    if clear.dtype != torch.bool:
        raise TypeError(f"clear must be a bool tensor, not {clear.dtype}")
    shapes = [tuple(tensor.shape) for tensor in (w_codes, a_codes, clear)]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        came = ", ".join(map(str, shapes))
        raise ValueError(
            f"w_codes, a_codes and clear must be three vectors of one length, not of shapes {came}"
        )


def sums_since(products: Tensor, clear: Tensor, initial: int = 0) -> Tensor:
    """Running sums of ``products``, modulo 2^64, that start again at each clear; (T,) int64.

    ``initial`` is the sum before the first cycle.
    """
    if len(products) == 0:
        return products
    # totals[t] is what the sum before cycle t would be if nothing were ever cleared.
    totals = torch.cat((products.new_tensor([initial]), products)).cumsum(0)  # (T + 1,)
    cycles = torch.arange(len(products), device=products.device)
    last_clear = torch.where(clear, cycles, -1).cummax(0).values  # (T,), -1 before the first clear
    forgotten = torch.where(last_clear >= 0, totals[last_clear.clamp(min=0)], 0)
    return totals[1:] - forgotten


def wrapped(sums: Tensor, width: int) -> Tensor:
    """Keep the low ``width`` bits as two's complement."""
    spare = INT64_BITS - width
    return (sums << spare) >> spare


def _saturating_sums(products: Tensor, clear: Tensor, initial: int, low: int, high: int) -> Tensor:
    """The saturated sums, (T,) int64. Each depends on the one before, so this is a loop."""
    acc, seen = initial, []
    for addend, start in zip(products.tolist(), clear.tolist(), strict=True):
        total = addend if start else acc + addend
        acc = low if total < low else high if total > high else total
        seen.append(acc)
    return torch.tensor(seen, dtype=torch.int64, device=products.device)
