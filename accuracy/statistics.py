"""Find how certain a measured value is, by the paired bootstrap over the items of an evaluation.

Items are texts, windows of a text, or documents of a task. Each of many draws picks as many items
as there are, at random and with replacement. All formats share the same draws, which come from a
fixed seed. So an item that is equally hard for two formats adds the same to both, and hardly widens
the interval for their difference (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
A statistic is a number that is computed from items. Its replicates are its values for the draws.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "LEVEL",
    "REPLICATES",
    "Estimate",
    "PairCorrelation",
    "RatioOfSums",
    "Statistic",
    "difference",
    "estimate",
    "interval",
    "is_resolved",
    "worsening",
]

REPLICATES = 2000
SEED = 20240501
LEVEL = 0.95  # confidence level of every interval


class Statistic(Protocol):
    """A number that can be computed from items, each of which may be drawn several times."""

    @property
    def count(self) -> int:
        """Number of items."""
        ...

    def at(self, multiplicities: Tensor) -> Tensor:
        """The statistic for each of B draws.

        multiplicities: (B, count) float64, how often each item was drawn. Returns (B,) float64.
        """
        ...


@dataclass(frozen=True, eq=False)
class RatioOfSums:
    """The sum of ``numerators`` over that of ``denominators``, or 2 to the power of this ratio.

    Each item has a numerator and a denominator: both are (N,) float64.
    """

    numerators: Tensor
    denominators: Tensor
    power_of_two: bool = False

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.numerators)

    def at(self, multiplicities: Tensor) -> Tensor:
        """The statistic for B draws; multiplicities: (B, N) float64. Returns (B,) float64."""
        ratio = (multiplicities @ self.numerators) / (multiplicities @ self.denominators)
        return ratio.exp2() if self.power_of_two else ratio


class PairCorrelation:
    """The Pearson correlation of the pairwise cosine similarities in two sets of embeddings.

    If a draw has an item twice, the two copies are not a pair: their similarity is always 1.

    Parameters
    ----------
    ours, theirs : Tensor
        (N, D) with rows of unit length, N at least 4.

    Raises
    ------
    ValueError
        The shapes differ, are not (N, D), or N is less than 4.
    """

    def __init__(self, ours: Tensor, theirs: Tensor) -> None:
        if ours.shape != theirs.shape or ours.ndim != 2 or len(ours) < 4:
            raise ValueError(
                f"Embeddings must be two sets of shape (N, D), N >= 4, not {tuple(ours.shape)} and "
                f"{tuple(theirs.shape)}"
            )
        x, y = (_similarities(each) for each in (ours, theirs))  # (N, N), diagonal 0
        self._sums = (x, y, x * x, y * y, x * y)

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self._sums[0])

    def at(self, multiplicities: Tensor) -> Tensor:
        """The statistic for B draws; multiplicities: (B, N) float64. Returns (B,) float64."""
        drawn = multiplicities
        pairs = drawn.sum(1).square() - drawn.square().sum(1)  # ordered pairs of different items
        x, y, xx, yy, xy = (((drawn @ each) * drawn).sum(1) / pairs for each in self._sums)
        return (xy - x * y) / ((xx - x * x) * (yy - y * y)).sqrt()


def _similarities(embeddings: Tensor) -> Tensor:
    """All pairwise cosine similarities; (N, N) float64 with a zero diagonal."""
    rows = embeddings.double()
    return (rows @ rows.T).fill_diagonal_(0)


@cache
def _draws(count: int) -> Tensor:
    """How often each draw picks each item, for all formats; (REPLICATES, count) float64."""
    source = np.random.default_rng(SEED)
    return torch.from_numpy(
        source.multinomial(count, np.full(count, 1 / count), REPLICATES).astype(np.float64)
    )


@dataclass(frozen=True, eq=False)
class Estimate:
    """A statistic computed from all items, and from the items of each draw."""

    value: float
    replicates: np.ndarray
    """(REPLICATES,) float64."""


def estimate(statistic: Statistic) -> Estimate:
    """Compute a statistic and its bootstrap replicates."""
    value = statistic.at(torch.ones(1, statistic.count, dtype=torch.float64))
    return Estimate(float(value), statistic.at(_draws(statistic.count)).numpy())


def interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """The ends of the central 95 % of the replicates; None if a replicate is not finite."""
    if not bool(np.isfinite(replicates).all()):
        return None
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def worsening(
    quantized: Estimate, baseline: Estimate, *, higher_is_better: bool
) -> Estimate | None:
    """How much worse the quantized model is, relative to the baseline; positive is worse.

    None if the baseline is zero or not finite. A replicate is NaN if the baseline is zero in its
    draw.
    """
    sign = -1.0 if higher_is_better else 1.0
    if baseline.value == 0 or not math.isfinite(baseline.value):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        replicates = sign * (quantized.replicates / baseline.replicates - 1)
    return Estimate(
        sign * (quantized.value / baseline.value - 1),
        np.where(baseline.replicates == 0, np.nan, replicates),
    )


def difference(quantized: Estimate, baseline: Estimate, *, higher_is_better: bool) -> Estimate:
    """The difference from the baseline in the measure's own unit; positive is worse."""
    sign = -1.0 if higher_is_better else 1.0
    return Estimate(
        sign * (quantized.value - baseline.value),
        sign * (quantized.replicates - baseline.replicates),
    )


def is_resolved(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the 95 % interval of the difference of two sets of replicates excludes 0."""
    found = interval(one - other)
    return found is not None and (found[0] > 0 or found[1] < 0)
