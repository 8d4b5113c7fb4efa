"""Saturation of a sum, decided by its upper bits."""

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["saturated"]


def saturated(m: Module, total: Value, width: int) -> Value:
    """``total`` clamped to the range of signed numbers of ``width`` bits.

    ``total`` must be signed and wider than ``width`` bits. The logic becomes part of ``m``.

    ``total`` is in range if all its bits from ``width - 1`` up are equal. Otherwise the bits below
    become ones, or zeros if ``total`` is negative. This needs no adder, while each comparison
    with a limit would cost one.
    """
    top = width - 1
    sum_ = Signal(total.shape())
    outside = Signal()
    below = Signal()
    sign = sum_[-1]
    m.d.comb += [
        sum_.eq(total),
        outside.eq((sum_[top:-1] ^ sign.replicate(len(sum_) - width)).any()),
        below.eq(outside & sign),
    ]
    low = (sum_[:top] | outside.replicate(top)) & ~below.replicate(top)
    return Cat(low, sign).as_signed()
