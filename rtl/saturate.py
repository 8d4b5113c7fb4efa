"""Saturation of a sum, decided by its upper bits."""

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["saturated"]


def saturated(m: Module, total: Value, width: int) -> Value:
    """``total``, signed and wider than ``width`` bits, clamped to ``width`` bits; signed.

    Its logic becomes part of ``m``.

    The sum is in range if all its bits from ``width - 1`` up are equal. Otherwise the bits below
    become ones, or zeros if the sum is negative. Two comparisons with the limits would each cost an
    adder.
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
