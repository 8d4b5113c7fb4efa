"""Operands of dot-product units that are hard to add and to round."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.formats import Format, ScaleCode
from halfbyte.gpu_ref.cases import Shape

__all__ = ["SCALE_KINDS", "UNIT_SHAPES", "Cycles", "codes_of", "cycles_of", "scales_of"]

UNIT_SHAPES = (
    Shape(1, 1, 1, 1),
    Shape(2, 3, 131, 32),  # a tail of odd length
    Shape(5, 7, 200, 16),
    Shape(3, 2, 96, 48),  # blocks of several groups of the Blackwell model
    Shape(33, 9, 512, 32),
    Shape(4, 3, 24, 8),
    Shape(0, 3, 32, 16),
    Shape(3, 2, 0, 16),
)
SCALE_KINDS = ("middle", "any", "low", "high", "opposite")
"""Around 1; every code, NaN too; the least ones; the largest ones; low on one side and high on the
other."""
CYCLES, STREAMS = 600, 2
_REACH = 12  # binades around 1, or from an end
_CANCELLING = 0.3


def codes_of(generator: torch.Generator, fmt: Format, *shape: int) -> Tensor:
    """Random codes; some rows have only one code, and some are mostly zero; uint8."""
    codes = torch.randint(2**fmt.bits, shape, generator=generator, dtype=torch.uint8)
    if codes.numel():
        integers = torch.tensor(fmt.integers)
        ends = torch.stack((integers.argmax(), integers.argmin())).to(torch.uint8)
        codes[::5] = ends[torch.randint(2, codes[::5].shape[:1], generator=generator)].view(
            -1, *[1] * (len(shape) - 1)
        )
        sparse = torch.rand(codes[1::5].shape, generator=generator) < 0.9
        codes[1::5][sparse] = int(integers.abs().argmin())
    return codes


def scales_of(
    generator: torch.Generator, scale: ScaleCode, kind: str, *shape: int
) -> tuple[Tensor, Tensor]:
    """Codes of scales of the given kind, for A and for W; uint8, each of ``shape``."""
    one, reach, top = scale.values.index(1), _REACH << scale.mantissa_bits, scale.nan_code
    ranges = {
        "middle": ((one - reach // 4, one + reach // 4),) * 2,
        "any": ((0, top + 1),) * 2,
        "low": ((0, reach),) * 2,
        "high": ((top - reach, top),) * 2,
        "opposite": ((0, reach), (top - reach, top)),
    }[kind]
    sides = [
        torch.randint(max(low, 0), high, shape, generator=generator).clamp_max(top).byte()
        for low, high in ranges
    ]
    return sides[0], sides[1]


@dataclass(frozen=True)
class Cycles:
    """The inputs of one unit: w and a (T, lanes); clear, last and the scales (T,)."""

    w: Tensor
    a: Tensor
    clear: Tensor
    last: Tensor
    scales: tuple[Tensor, Tensor]

    def folded(self, blocks: int) -> tuple[Tensor, ...]:
        """w, a, clear and both scales of a unit that takes so many blocks a cycle."""
        w, a, *scales = (
            each.reshape(CYCLES // blocks, -1) for each in (self.w, self.a, *self.scales)
        )
        return w, a, self.clear[::blocks], *scales


def cycles_of(
    weight: Format, activation: Format, scale: ScaleCode, *, lanes: int, seed: int
) -> Iterator[Cycles]:
    """Inputs of a unit for each kind of scales, with random clears and ends of blocks.

    Many cycles add nearly the negative of the cycle before, so that most bits cancel.
    """
    generator = torch.Generator().manual_seed(seed)
    negated = _negated(weight)
    for kind in SCALE_KINDS:
        w = codes_of(generator, weight, CYCLES, lanes)
        a = codes_of(generator, activation, CYCLES, lanes)
        scales = scales_of(generator, scale, kind, CYCLES)
        undoes = torch.rand(CYCLES, generator=generator) < _CANCELLING
        undoes[0] = False
        at = undoes.nonzero()[:, 0]
        w[at], a[at] = negated[w[at - 1].long()], a[at - 1]
        for each in scales:
            each[at] = each[at - 1]
        clear, last = (torch.rand(CYCLES, generator=generator) < p for p in (0.05, 0.5))
        clear[0] = True
        yield Cycles(w, a, clear, last, scales)


def _negated(fmt: Format) -> Tensor:
    """The code of the negated value, or the same code if the format lacks it; (2^bits,) uint8."""
    by_integer = {integer: code for code, integer in enumerate(fmt.integers)}
    codes = [by_integer.get(-integer, code) for code, integer in enumerate(fmt.integers)]
    return torch.tensor(codes, dtype=torch.uint8)
