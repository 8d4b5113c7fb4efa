"""Makes inputs for dot-product units, with products that are hard to add and to round.

A dot-product unit multiplies several pairs of codes in a cycle (one in each lane) and adds the sum,
times two block scales, to its accumulator.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.formats import Format, ScaleCode
from halfbyte.gpu_ref.cases import Shape

__all__ = ["SCALE_KINDS", "UNIT_SHAPES", "Cycles", "codes_of", "cycles_of", "scales_of"]

UNIT_SHAPES = (
    Shape(1, 1, 1, 1),
    Shape(2, 3, 131, 32),  # the last block is shorter, and its length odd
    Shape(5, 7, 200, 16),
    Shape(3, 2, 96, 48),  # a block is three groups of 16 in the Blackwell model
    Shape(33, 9, 512, 32),
    Shape(4, 3, 24, 8),
    Shape(0, 3, 32, 16),
    Shape(3, 2, 0, 16),
)
SCALE_KINDS = ("middle", "any", "low", "high", "opposite")
"""How scales are drawn: near 1 (``middle``), from all codes including NaN (``any``), from the
smallest (``low``), from the largest (``high``), or the smallest for the activations A and the
largest for the weights W (``opposite``).
"""
CYCLES = 600
# At an end of their range, scales are drawn from this many powers of two, and near 1 from a quarter
# as many on each side.
_REACH = 12
_CANCELLING = 0.3  # share of the cycles that undo the cycle before


def codes_of(generator: torch.Generator, fmt: Format, *shape: int) -> Tensor:
    """Random codes, uint8. A fifth of the rows repeat an extreme code; a fifth are mostly 0."""
    codes = torch.randint(2**fmt.bits, shape, generator=generator, dtype=torch.uint8)
    if codes.numel():
        integers = torch.tensor(fmt.integers)
        ends = torch.stack((integers.argmax(), integers.argmin())).to(torch.uint8)
        codes[::5] = ends[torch.randint(2, codes[::5].shape[:1], generator=generator)].view(
            -1, *[1] * (len(shape) - 1)
        )
        sparse = torch.rand(codes[1::5].shape, generator=generator) < 0.9
        codes[1::5][sparse] = int(integers.abs().argmin())  # 0, or what is nearest to it
    return codes


def scales_of(
    generator: torch.Generator, scale: ScaleCode, kind: str, *shape: int
) -> tuple[Tensor, Tensor]:
    """Scale codes for A and for W, drawn as SCALE_KINDS says for ``kind``; (shape) uint8 each."""
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
    """The inputs of one unit for T cycles: w and a (T, lanes); clear, last and each scale (T,).

    ``clear`` starts a new sum; ``last`` marks the last cycle of a block. ``scales`` are those of W,
    then those of A.
    """

    w: Tensor
    a: Tensor
    clear: Tensor
    last: Tensor
    scales: tuple[Tensor, Tensor]

    def folded(self, blocks: int) -> tuple[Tensor, ...]:
        """Rearrange the inputs for a unit that takes ``blocks`` blocks a cycle.

        Returns w, a, clear, and the scales of W and of A.
        """
        w, a, *scales = (
            each.reshape(CYCLES // blocks, -1) for each in (self.w, self.a, *self.scales)
        )
        return w, a, self.clear[::blocks], *scales


def cycles_of(
    weight: Format, activation: Format, scale: ScaleCode, *, lanes: int, seed: int
) -> Iterator[Cycles]:
    """Inputs of a unit for each of SCALE_KINDS, with random clears and ends of blocks.

    About three in ten cycles repeat what was drawn for the cycle before, but with negated weights.
    Then most bits of the sum cancel.
    """
    generator = torch.Generator().manual_seed(seed)
    negated = _negated(weight)
    for kind in SCALE_KINDS:
        w = codes_of(generator, weight, CYCLES, lanes)
        a = codes_of(generator, activation, CYCLES, lanes)
        a_scales, w_scales = scales_of(generator, scale, kind, CYCLES)
        undoes = torch.rand(CYCLES, generator=generator) < _CANCELLING
        undoes[0] = False
        at = undoes.nonzero()[:, 0]
        w[at], a[at] = negated[w[at - 1].long()], a[at - 1]
        for each in (w_scales, a_scales):
            each[at] = each[at - 1]
        clear, last = (torch.rand(CYCLES, generator=generator) < p for p in (0.05, 0.5))
        clear[0] = True
        yield Cycles(w, a, clear, last, (w_scales, a_scales))


def _negated(fmt: Format) -> Tensor:
    """The code of the negated value, or the same code if the format lacks it; (2^bits,) uint8."""
    by_integer = {integer: code for code, integer in enumerate(fmt.integers)}
    codes = [by_integer.get(-integer, code) for code, integer in enumerate(fmt.integers)]
    return torch.tensor(codes, dtype=torch.uint8)
