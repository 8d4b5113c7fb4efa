"""Makes inputs to check the kernels: formats, shapes, and numbers that are hard to round."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor

from halfbyte.formats import Format, Ties, lossless_acc_width
from halfbyte.golden.scales import ScaleFormat

__all__ = [
    "LARGE_SHAPE",
    "SHAPES",
    "Shape",
    "absmax_near_thresholds",
    "mac_columns",
    "mac_widths",
    "matrix",
    "near_thresholds",
    "random_formats",
]

SEED = 4
# Random formats like those of users: bits, largest integer, denominator of the values.
_RANDOM = ((4, 24, 3), (3, 7, 8), (6, 2**19, 1024))
RANDOM_CYCLES = 3000
# The significant bits of a scale, for the types of scales for which absmax_near_thresholds() makes
# ties between neighbouring scales.
_SIGNIFICANDS = {
    ScaleFormat.FP16: 11,
    ScaleFormat.BF16: 8,
    ScaleFormat.E4M3: 4,
    ScaleFormat.E4M3_MODELOPT: 4,
    ScaleFormat.UE5M3: 4,
    ScaleFormat.E8M0_NEAREST: 4,  # scales are powers of two: 4 bits give cases between them
}


@dataclass(frozen=True)
class Shape:
    """A product of an (m, k) by an (n, k) matrix, both in blocks of ``block`` along k."""

    m: int
    n: int
    k: int
    block: int


SHAPES = (
    Shape(1, 1, 1, 1),
    Shape(1, 1, 128, 128),
    Shape(2, 3, 131, 128),  # the last block is shorter
    Shape(7, 5, 97, 13),  # primes; neighbouring blocks of odd length share a byte
    Shape(3, 2, 64, 1),
    Shape(5, 4, 40, 1000),  # a block longer than the row
    Shape(8, 131, 256, 16),
    Shape(129, 9, 192, 32),
    Shape(4, 4, 288, 96),  # blocks that lie in two of a kernel's chunks of 128 bytes
    Shape(3, 2, 600, 256),
    Shape(70, 2200, 33, 33),  # more tiles across than Tiling::GROUP in product.h
    Shape(1, 37, 1040, 16),  # two spans of 512 codes (gemm_rows.h) and a part of one
    Shape(2, 9, 512, 32),
    Shape(5, 35, 528, 128),
    Shape(16, 5, 2048, 1024),  # blocks of several spans
    Shape(0, 3, 5, 4),
    Shape(3, 0, 5, 4),
    Shape(3, 2, 0, 4),
)
LARGE_SHAPE = Shape(307, 269, 1100, 128)


def random_formats(seed: int = SEED) -> list[Format]:
    """Three random formats like those that users write; the same seed gives the same formats."""
    source = random.Random(seed)  # noqa: S311 - values of a test, nothing secret
    formats = []
    for index, (bits, top, denominator) in enumerate(_RANDOM):
        integers = [source.randint(-top, top) for _ in range(2**bits - 2)]
        values = tuple(Fraction(integer, denominator) for integer in [0, top, *integers])
        formats.append(
            Format(
                name=f"user{index}_{seed}",
                title="A user's",
                bits=bits,
                values=values,
                ties=Ties.DOWN,
            )
        )
    return formats


def matrix(rows: int, length: int, block: int, *, seed: int, spread: float = 1.0) -> Tensor:
    """Normally distributed numbers and special cases; (rows, length) float32.

    The special cases are zeros of both signs, small numbers, a block of zeros and an outlier. The
    standard deviation of the normal numbers is ``spread``.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, length, generator=generator) * spread
    if x.numel():
        flat = x.view(-1)
        flat[::7] *= 2.0**-20
        flat[::11] = 0.0
        flat[5::13] = -0.0
        x[rows // 2, : min(block, length)] = 0.0  # a block of zeros
        x[-1, -1] = spread * 9
    return x


def _neighbours(x: Tensor, steps: int = 2) -> Tensor:
    """``x`` (float32), and for each number the next ``steps`` floats below and above it."""
    around = [x]
    below = above = x
    for _ in range(steps):
        below = torch.nextafter(below, torch.tensor(-torch.inf))
        above = torch.nextafter(above, torch.tensor(torch.inf))
        around += [below, above]
    return torch.cat(around)


def near_thresholds(fmt: Format) -> Tensor:
    """Every value, every midpoint of neighbouring values, and two floats on each side of them.

    Then follow, with both signs, zero, the smallest and the largest finite magnitude and infinity,
    and last random numbers. Returns float32.
    """
    values = sorted(set(fmt.values))
    middles = [(low + high) / 2 for low, high in pairwise(values)]
    points = torch.tensor([float(value) for value in [*values, *middles]], dtype=torch.float32)
    tiny, huge = 2.0**-149, torch.finfo(torch.float32).max
    special = torch.tensor([0.0, -0.0, tiny, -tiny, huge, -huge, torch.inf, -torch.inf])
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(1000, generator=generator) * float(fmt.max_value)
    return torch.cat((_neighbours(points), special, noise))


def absmax_near_thresholds(fmt: Format, rule: ScaleFormat) -> Tensor:
    """Absolute maxima of blocks whose scales are hard to round: ties, ends of ranges, subnormals.

    ``rule`` is the type of the scales. Returns float32, positive and finite.
    """
    largest = float(fmt.max_value)
    powers = torch.tensor([2.0**exponent for exponent in range(-149, 120)])
    scales = [powers]
    significand = _SIGNIFICANDS.get(rule)
    if significand:
        steps = 2**significand
        fractions = torch.arange(steps, 2 * steps, max(1, steps // 64)) + 0.5  # ties
        for exponent in (-140, -134, -126, -30, -24, -15, -9, -3, 0, 8, 15, 30):
            scales.append(fractions * (2.0**exponent / steps))
    points = torch.cat(scales).to(torch.float64) * largest
    around = _neighbours(points.to(torch.float32))
    # From this bound on, absmax divided by a largest value below 1 could exceed FP32.
    return around[(around > 0) & (around < 2.0**120 * min(1.0, largest))]


def mac_widths(weight: Format, activation: Format) -> Sequence[int]:
    """Accumulator widths: lossless for 256 products; for 1 product; 2 bits less than that; 64."""
    one = max(2, lossless_acc_width(weight, activation, 1))
    return (lossless_acc_width(weight, activation, 256), one, max(2, one - 2), 64)


def mac_columns(
    weight: Format, activation: Format, *, streams: int = 3, seed: int = SEED
) -> Iterator[Tensor]:
    """Yield the inputs of MAC units: weight codes, activation codes, clear, enable.

    Each is (streams, T) for T cycles. All pairs of codes come first, then random ones. In the first
    cycle of every stream, clear and enable are true.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.cartesian_prod(torch.arange(2**weight.bits), torch.arange(2**activation.bits))
    shape = (streams, RANDOM_CYCLES)
    for column, bits in enumerate((weight.bits, activation.bits)):
        noise = torch.randint(2**bits, shape, generator=generator)
        yield torch.cat((pairs[:, column].expand(streams, -1), noise), dim=1).to(torch.uint8)
    length = len(pairs) + RANDOM_CYCLES
    for probability in (1 / 16, 3 / 4):
        flags = torch.rand(streams, length, generator=generator) < probability
        flags[:, 0] = True
        yield flags
