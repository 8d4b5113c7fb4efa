"""Saturation of a sum, by a look at its upper bits."""

from amaranth.hdl import Cat, Value

__all__ = ["saturated"]


def saturated(total: Value, width: int) -> Value:
    """``total``, signed and wider than ``width`` bits, clamped to ``width`` bits; signed.

    It is in range if all its bits from ``width - 1`` up are alike. Otherwise the bits below become
    ones, and zeros again where the sum is negative. Two comparisons with the limits would each
    cost an adder.
    """
    top = width - 1
    sign = total[-1]
    upper = total[top:-1] ^ sign.replicate(len(total) - width)
    outside = upper.any()
    low = (total[:top] | outside.replicate(top)) & ~(outside & sign).replicate(top)
    return Cat(low, sign).as_signed()
