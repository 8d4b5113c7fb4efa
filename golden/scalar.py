"""The golden model for single numbers, written as in ``docs/architecture.md``.

The functions use only ints and Fractions, so nothing rounds except :func:`round_to_fp32`. The
tensor code is tested against them, and shares only :mod:`halfbyte.formats` with them. All values of
a format are integers times one number, its *quantum*.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from halfbyte.formats import Format, Overflow, Ties

__all__ = [
    "decode",
    "decode_integer",
    "dequantize",
    "dot",
    "encode",
    "gemm",
    "mac",
    "mac_stream",
    "pack",
    "product",
    "quantize",
    "round_to_fp32",
    "step",
    "unpack",
]

# IEEE 754 binary32: 24 significant bits, the smallest subnormal 2^-149, everything below 2^128.
FP32_SIGNIFICAND_BITS = 24
FP32_MIN_EXPONENT = -149
FP32_LIMIT = Fraction(2) ** 128


def round_to_fp32(value: Fraction) -> Fraction:
    """The FP32 number nearest to ``value``, ties to even. Raises ValueError beyond FP32's range."""
    if value == 0:
        return value
    magnitude = abs(value)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if Fraction(2) ** exponent > magnitude:
        exponent -= 1  # now 2^exponent <= magnitude < 2^(exponent + 1)
    ulp = Fraction(2) ** max(exponent - FP32_SIGNIFICAND_BITS + 1, FP32_MIN_EXPONENT)
    rounded = round(value / ulp) * ulp  # round() rounds a Fraction's ties to even
    if abs(rounded) >= FP32_LIMIT:
        raise ValueError("The result exceeds the range of FP32")
    return rounded


def decode(code: int, fmt: Format) -> Fraction:
    """The exact value of ``code``."""
    return fmt.values[code]


def decode_integer(code: int, fmt: Format) -> int:
    """The value of ``code`` in units of the quantum."""
    return int(fmt.values[code] / fmt.quantum)


def encode(value: Fraction, fmt: Format) -> int:
    """The code of the format's value nearest to ``value``; ``fmt.ties`` decides at midpoints."""
    distance = min(abs(candidate - value) for candidate in fmt.values)
    nearest = {candidate for candidate in fmt.values if abs(candidate - value) == distance}
    codes = {candidate: _smallest_code(candidate, fmt) for candidate in nearest}
    if fmt.ties is Ties.DOWN or len(nearest) == 1:
        return codes[min(nearest)]
    return next(code for code in codes.values() if code % 2 == 0)


def _smallest_code(value: Fraction, fmt: Format) -> int:
    """The smallest code with this value, except codes that mean NaN in the format's standard."""
    return min(
        code
        for code, candidate in enumerate(fmt.values)
        if candidate == value and code not in fmt.nan_codes
    )


def pack(codes: Sequence[int]) -> list[int]:
    """Two 4-bit codes per byte, the even index in the low nibble; an odd count is padded with 0."""
    padded = [*codes, 0] if len(codes) % 2 else list(codes)
    return [low | high << 4 for low, high in zip(padded[0::2], padded[1::2], strict=True)]


def unpack(packed: Sequence[int], count: int) -> list[int]:
    """The first ``count`` 4-bit codes of packed bytes."""
    return [nibble for byte in packed for nibble in (byte & 15, byte >> 4)][:count]


def product(w_code: int, a_code: int, weight: Format, activation: Format) -> int:
    """Product of two values, in units of ``weight.quantum * activation.quantum``."""
    return decode_integer(w_code, weight) * decode_integer(a_code, activation)


def dot(w_codes: Sequence[int], a_codes: Sequence[int], weight: Format, activation: Format) -> int:
    """Sum of the products, in units of ``weight.quantum * activation.quantum``."""
    return sum(product(w, a, weight, activation) for w, a in zip(w_codes, a_codes, strict=True))


def mac(acc: int, addend: int, *, clear: bool, acc_width: int, overflow: Overflow) -> int:
    """One cycle of the MAC: ``acc <= (clear ? 0 : acc) + addend`` in ``acc_width`` bits."""
    total = (0 if clear else acc) + addend
    half = 1 << acc_width - 1  # the accumulator holds -half to half - 1
    if overflow is Overflow.SATURATE:
        return max(-half, min(half - 1, total))
    return (total + half) % (2 * half) - half


def mac_stream(
    w_codes: Sequence[int],
    a_codes: Sequence[int],
    clear: Sequence[bool],
    *,
    weight: Format,
    activation: Format,
    acc_width: int,
    overflow: Overflow,
    initial: int = 0,
) -> list[int]:
    """The accumulator after each cycle, as :func:`mac` defines it.

    ``initial`` is the accumulator before the first cycle.
    """
    acc, seen = initial, []
    for w, a, start in zip(w_codes, a_codes, clear, strict=True):
        addend = product(w, a, weight, activation)
        acc = mac(acc, addend, clear=start, acc_width=acc_width, overflow=overflow)
        seen.append(acc)
    return seen


def _block_bounds(length: int, block: int) -> list[tuple[int, int]]:
    """Begin and end of each block; the last may be shorter."""
    return list(pairwise([*range(0, length, block), length])) if length else []


def quantize(row: Sequence[Fraction], fmt: Format, block: int) -> tuple[list[int], list[Fraction]]:
    """Codes of a row of FP32 values, and one FP32 scale per block."""
    codes: list[int] = []
    scales: list[Fraction] = []
    for begin, end in _block_bounds(len(row), block):
        absmax = max(abs(value) for value in row[begin:end])
        scale = round_to_fp32(absmax / round_to_fp32(fmt.max_value)) or Fraction(1)
        codes += [encode(round_to_fp32(value / scale), fmt) for value in row[begin:end]]
        scales.append(scale)
    return codes, scales


def step(scale: Fraction, fmt: Format) -> Fraction:
    """A block's scale times the quantum: the value of one unit of its integers."""
    return round_to_fp32(scale * round_to_fp32(fmt.quantum))


def dequantize(
    codes: Sequence[int], scales: Sequence[Fraction], fmt: Format, block: int
) -> list[Fraction]:
    """The FP32 values that a row of codes stands for."""
    return [
        round_to_fp32(decode_integer(code, fmt) * step(scales[index // block], fmt))
        for index, code in enumerate(codes)
    ]


def gemm(
    a_codes: Sequence[Sequence[int]],
    a_scales: Sequence[Sequence[Fraction]],
    w_codes: Sequence[Sequence[int]],
    w_scales: Sequence[Sequence[Fraction]],
    *,
    activation: Format,
    weight: Format,
    block: int,
) -> list[list[Fraction]]:
    """Block-scaled ``A W^T`` of M rows of activations and N rows of weights: M rows of N results.

    Each row has K codes, and a scale for each block.
    """

    def cell(m: int, n: int) -> Fraction:
        y = Fraction(0)
        for b, (begin, end) in enumerate(_block_bounds(len(a_codes[m]), block)):
            exact = dot(w_codes[n][begin:end], a_codes[m][begin:end], weight, activation)
            scale = round_to_fp32(step(a_scales[m][b], activation) * step(w_scales[n][b], weight))
            y = round_to_fp32(y + round_to_fp32(round_to_fp32(Fraction(exact)) * scale))
        return y

    return [[cell(m, n) for n in range(len(w_codes))] for m in range(len(a_codes))]
