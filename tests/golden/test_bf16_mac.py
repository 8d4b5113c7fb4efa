"""The golden BF16 MAC (BF16 operands, FP32 sum) agrees with its definition in exact fractions."""

import math
import random
import struct
from fractions import Fraction

import pytest
import torch

from halfbyte.base import UserError
from halfbyte.golden.bf16_mac import bf16_mac_stream, bf16_multiply_accumulate
from halfbyte.sim.bf16.plan import SCENARIOS
from halfbyte.sim.bf16.scenarios import rows_of

NAN = 0x7FC0_0000
INFINITY = 0x7F80_0000


def value_of(bits: int) -> float:
    """The FP32 number with these bits."""
    return struct.unpack(">f", bits.to_bytes(4, "big"))[0]


def rounded(exact: Fraction, negative_zero: bool) -> int:
    """Bits of the FP32 number nearest to ``exact``, ties to even."""
    if exact == 0:
        return 0x8000_0000 if negative_zero else 0
    sign = 0x8000_0000 if exact < 0 else 0
    exact = abs(exact)
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    if Fraction(2) ** exponent > exact:
        exponent -= 1
    quantum = Fraction(2) ** (max(exponent, -126) - 23)
    count = round(exact / quantum)  # Python's round() rounds ties to even
    magnitude = count + ((max(exponent, -126) + 126) << 23)  # a carry raises the exponent
    return sign | min(magnitude, INFINITY)


def by_definition(w: int, a: int, acc: int) -> int:
    """Bits of w * a + acc, rounded once to FP32; w and a are bits of BF16 numbers, acc of FP32."""
    x, y, z = value_of(w << 16), value_of(a << 16), value_of(acc)
    if any(map(math.isnan, (x, y, z))):
        return NAN
    if any(map(math.isinf, (x, y, z))):
        total = x * y + z
        return NAN if math.isnan(total) else struct.unpack(">I", struct.pack(">f", total))[0]
    product_negative = math.copysign(1, x) * math.copysign(1, y) < 0
    both_negative = product_negative and math.copysign(1, z) < 0
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    return rounded(exact, both_negative)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_agrees_with_exact_fractions(scenario: str) -> None:
    acc = 0
    for w, a, clear, expected in rows_of(scenario, 3000, seed=5).tolist():
        before = 0 if clear else acc
        assert by_definition(w, a, before) == expected, f"{w:04x} {a:04x} {before:08x}"
        acc = expected


def test_agrees_for_random_bits() -> None:
    generator = random.Random(9)
    for _ in range(3000):
        w, a, acc = (generator.getrandbits(bits) for bits in (16, 16, 32))
        assert bf16_multiply_accumulate(w, a, acc) == by_definition(w, a, acc)


def test_a_sum_just_above_a_tie_is_rounded_up() -> None:
    # 1 + 2^-24 is a tie and rounds to 1. A little more than the tie rounds up to 1 + 2^-23.
    one = bf16_multiply_accumulate(0x3F80, 0x3F80, 0)
    tiny = 0x2480  # 2^-54
    half = bf16_multiply_accumulate(0x3380, 0x3F80, bf16_multiply_accumulate(tiny, 0x3F80, 0))
    assert half == 0x3380_0000  # 2^-24, since 2^-54 is rounded away
    acc = 0x3380_0001  # 2^-24 + 2^-47; in a sum with 1, its last bit is one of the sticky bits
    assert bf16_multiply_accumulate(0x3F80, 0x3F80, acc) == one + 1
    assert bf16_multiply_accumulate(0x3F80, 0x3F80, 0x3380_0000) == one


@pytest.mark.parametrize(
    ("w", "a", "acc", "expected"),
    [
        (0x7F80, 0x0000, 0, NAN),  # infinity times 0
        (0x7F80, 0x3F80, 0xFF80_0000, NAN),  # infinity minus infinity
        (0x7F81, 0x3F80, 0, NAN),
        (0x7F7F, 0x7F7F, 0, INFINITY),
        (0x8000, 0x3F80, 0x8000_0000, 0x8000_0000),  # -0 + -0
        (0x8000, 0x3F80, 0, 0),
        (0xBF80, 0x3F80, 0x3F80_0000, 0),  # exact cancellation gives +0
        (0x0001, 0x3F80, 0, 0x0001_0000),  # a subnormal remains subnormal
        (0x0001, 0x0001, 0, 0),  # underflow
        (0x0001, 0x0001, 1, 1),
    ],
)
def test_corners(w: int, a: int, acc: int, expected: int) -> None:
    assert bf16_multiply_accumulate(w, a, acc) == expected


def test_stream_clears() -> None:
    one, two = 0x3F80, 0x4000
    held = bf16_mac_stream([one, one, two], [one, one, one], [True, False, True])
    assert held == [0x3F80_0000, 0x4000_0000, 0x4000_0000]


def test_flushing_subnormals_is_refused_not_ignored() -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        with pytest.raises(UserError, match="flushes them to zero"):
            bf16_multiply_accumulate(0x3F80, 0x3F80, 0)
    finally:
        torch.set_flush_denormal(False)
