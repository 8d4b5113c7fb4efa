"""Makes operands for the test bench of the BF16 MAC. Some depend on the accumulator's value."""

import math
import random
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from halfbyte.golden.bf16_mac import bf16_multiply_accumulate

__all__ = ["rows_of"]

# Zeros, subnormals, numbers near 1, small and large numbers up to the limits, infinities, NaN.
_SPECIAL = tuple(
    magnitude | sign << 15
    for magnitude in (
        0, 0x0001, 0x007F, 0x0080, 0x00FF, 0x1FFF, 0x2000, 0x3F7F, 0x3F80, 0x3F81, 0x5F80, 0x7F00,
        0x7F7F, 0x7F80, 0x7F81, 0x7FC0, 0x7FFF,
    )
    for sign in (0, 1)
)  # fmt: skip
_CLEAR = 0.1  # probability that a cycle clears the accumulator

_Operands = tuple[int, int]
_Choice = Callable[[random.Random, int], _Operands]


def _bf16(value: float) -> int:
    """The bits of ``value`` as a BF16 number, truncated, with a magnitude of at most 3.0e38."""
    limited = max(-3.0e38, min(3.0e38, value))
    return int.from_bytes(struct.pack(">f", limited)[:2], "big")


def _value(bits: int) -> float:
    """The FP32 number with these bits."""
    value: float = struct.unpack(">f", bits.to_bytes(4, "big"))[0]
    return value


def _any(generator: random.Random, acc: int) -> _Operands:
    """Operands with random bits."""
    return generator.getrandbits(16), generator.getrandbits(16)


def _special(generator: random.Random, acc: int) -> _Operands:
    return generator.choice(_SPECIAL), generator.choice(_SPECIAL)


def _near_one(generator: random.Random, acc: int) -> _Operands:
    """Operands with the common exponents of weights and activations, 2^-9 to 2^2."""

    def number() -> int:
        sign, fraction = generator.getrandbits(1), generator.getrandbits(7)
        return sign << 15 | generator.randrange(118, 130) << 7 | fraction

    return number(), number()


def _cancelling(generator: random.Random, acc: int) -> _Operands:
    """Mostly operands whose product is about the negated accumulator, so that most bits cancel."""
    held = _value(acc)
    if not math.isfinite(held) or held == 0 or generator.random() < 0.3:
        return _any(generator, acc) if generator.random() < 0.2 else _near_one(generator, acc)
    w = _bf16(2.0 ** generator.randrange(-20, 20) * generator.uniform(1, 2))
    return w, _bf16(-held / _value(w << 16))


def _ties(generator: random.Random, acc: int) -> _Operands:
    """Mostly operands whose product is about half an ulp of the accumulator, often exactly half.

    An ulp is a unit in the last place of a number.
    """
    held = _value(acc)
    if not math.isfinite(held) or generator.random() < 0.2:
        return _near_one(generator, acc)
    _, exponent = math.frexp(held)
    scale = 2.0 ** max(-140, min(120, exponent - 25 + generator.randrange(-1, 2)))
    factor = generator.choice((1.0, 1.0, 3.0, 5.0, 1.0078125, -1.0, -3.0))
    return _bf16(scale), _bf16(factor)


_CHOICES: dict[str, _Choice] = {
    "special": _special,
    "random": _any,
    "cancelling": _cancelling,
    "ties": _ties,
    "sums": _near_one,
}


def rows_of(scenario: str, cycles: int, seed: int) -> NDArray[np.uint32]:
    """The operands of a scenario and the golden model's accumulators, one row for each cycle.

    Returns (cycles, 4) uint32: w, a, clear, and acc after the cycle.
    """
    generator = random.Random(f"{scenario} {seed}")  # noqa: S311
    choose = _CHOICES[scenario]
    acc = 0
    rows = []
    for cycle in range(cycles):
        clear = cycle == 0 or generator.random() < _CLEAR
        before = 0 if clear else acc
        w, a = choose(generator, before)
        acc = bf16_multiply_accumulate(w, a, before)
        rows.append((w, a, clear, acc))
    return np.array(rows, dtype=np.uint32)
