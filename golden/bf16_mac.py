"""The golden BF16 MAC: exact products, and sums that are rounded once to FP32.

The result is the FP32 number nearest to the exact sum, ties to even. The golden MAC computes in
Python's floats, whose significands have 53 bits. They hold every product of two BF16 numbers
exactly, but not every sum of such a product and an FP32 number. So the golden MAC rounds the sum in
two steps, first to 53 bits, then to FP32. The second step could go wrong if the result of the first
lay half-way between two FP32 numbers. So the first step rounds *to odd*, and the two steps together
give the same result as a single rounding (Boldo and Melquiond, "Emulation of a FMA and correctly
rounded sums", IEEE Transactions on Computers 57(4), 2008).
"""

import ctypes
import math
import struct
from collections.abc import Iterable

from halfbyte.base import UserError

__all__ = ["bf16_mac_stream", "bf16_multiply_accumulate"]

QUIET_NAN = 0x7FC0_0000
FP64_SMALLEST = 5e-324  # subnormal


def _from_bits(bits: int) -> float:
    value: float = struct.unpack("<f", bits.to_bytes(4, "little"))[0]
    return value


def _to_bits(value: float) -> int:
    """Bits of the FP32 number nearest to ``value``, ties to even; every NaN gives 7FC00000."""
    if math.isnan(value):
        return QUIET_NAN
    return int.from_bytes(bytes(ctypes.c_float(value)), "little")


def _sum_to_odd(one: float, other: float) -> float:
    """The sum, rounded to odd: an inexact sum becomes the neighbour whose last bit is 1."""
    total = one + other
    if not math.isfinite(total):
        return total
    # The exact error of the sum (Knuth's TwoSum).
    back = total - one
    error = (one - (total - back)) + (other - back)
    is_even = not struct.pack("<d", total)[0] & 1
    if error and is_even:
        return math.nextafter(total, math.copysign(math.inf, error))
    return total


def bf16_multiply_accumulate(w: int, a: int, acc: int) -> int:
    """``acc + w * a``, rounded once.

    ``w`` and ``a`` are bits of BF16 numbers; ``acc`` and the result are bits of FP32 numbers.
    Raises UserError if the processor flushes subnormal numbers to zero.
    """
    if FP64_SMALLEST * 1.0 == 0:
        raise UserError(
            "The golden model needs subnormal numbers, but the processor flushes them to zero "
            "here: call torch.set_flush_denormal(False)"
        )
    product = _from_bits(w << 16) * _from_bits(a << 16)
    return _to_bits(_sum_to_odd(product, _from_bits(acc)))


def bf16_mac_stream(w: Iterable[int], a: Iterable[int], clear: Iterable[bool]) -> list[int]:
    """The accumulator after each cycle, as bits of FP32; it is 0 before the first cycle.

    ``w`` and ``a`` are bits of BF16 numbers. Where ``clear`` is true, that cycle starts a new sum.
    """
    acc, held = 0, []
    for weight, activation, clears in zip(w, a, clear, strict=True):
        acc = bf16_multiply_accumulate(weight, activation, 0 if clears else acc)
        held.append(acc)
    return held
