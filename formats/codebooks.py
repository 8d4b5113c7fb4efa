"""Compute the error of a set of levels on blocks of random values, and find the best sets.

A *level* is a value of a format, divided by the format's highest value. A block holds ``n``
independent values of one distribution, the parent. The block quantizer divides a block by its
largest magnitude m. One value of each block is then exactly +1 or -1. The others follow the parent
distribution, truncated to [-m, m] and divided by m.

All averages are integrals, not means of samples. One integral is over m. The distribution function
of m is F(m)^n, where F is the distribution function of the magnitude of one value. The other
integral is over [-1, 1], which is divided into narrow cells.

The relative mean square error is the sum of squared errors over the sum of squared values, both
before the division by m. So a block counts in proportion to m^2. Dotzel et al. (2024) report this
error. The signal-to-quantization-noise ratio (SQNR) is its reciprocal, in decibels.

Sources: Lloyd, "Least squares quantization in PCM", 1982; Max, "Quantizing for minimum
distortion", 1960; Chou, Lookabaugh and Gray, "Entropy-constrained vector quantization", 1989;
Dotzel et al., "Learning from Students", ICML 2024.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import Format
from halfbyte.formats.quantile import DISTRIBUTIONS, MAX_NU

__all__ = [
    "MAX_BLOCK",
    "MIN_NU",
    "Blocks",
    "EntropyCodebook",
    "block_distribution",
    "check_block",
    "code_entropy",
    "distance_to_optimum_db",
    "entropy_constrained",
    "levels_of",
    "lloyd_max",
    "relative_mse",
]

MIN_BLOCK, MAX_BLOCK = 2, 2**20
# Student's t has a variance only for nu above 2. The nearer nu is to 2, the less accurate are the
# integrals here.
MIN_NU = 2.01
# Cells on each side of 0. Narrower cells change the error of 16 levels by less than 0.001 dB, for
# nu of at least 2.5 and blocks of at most 128 values.
_CELLS = 1024
_JOINED = 4  # the number of cells that the search for the optimum joins into one wide cell
# Points of the integral over m. With 512, errors change by less than 0.01 %, for nu of at least
# 2.05.
_NODES = 128
_FAR_TAIL = 1e-12  # scipy is not asked for quantiles of smaller tail probabilities
_MAX_ITERATIONS = 20_000
_SETTLED = 1e-9  # greatest move of a level in the last iteration

_Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """The distribution of the values in scaled blocks, as points with two weights each.

    Parameters
    ----------
    points : numpy array
        (N,) float64, ascending, from -1 to 1. The two ends stand for the largest magnitudes.
    share : numpy array
        (N,) share of the values that lie at each point; sums to 1.
    energy : numpy array
        (N,) the share if each block is weighted by the square of its largest magnitude; sums to 1.
    """

    points: _Array
    share: _Array
    energy: _Array


@dataclass(frozen=True, eq=False)
class EntropyCodebook:
    """Levels whose codes are stored with an entropy coder, which gives frequent codes fewer bits.

    The encoder may choose a level that is not the nearest one, if its code is shorter.

    Parameters
    ----------
    levels : numpy array
        The levels, ascending.
    entropy : float
        Average bits per code with that encoder.
    relative_mse : float
        Relative mean square error with that encoder, defined as in :func:`relative_mse`.
    """

    levels: _Array
    entropy: float
    relative_mse: float


def check_block(block: object) -> None:
    """Raise FormatError unless ``block`` is an integer from 2 to 2^20."""
    if type(block) is not int or not MIN_BLOCK <= block <= MAX_BLOCK:
        raise FormatError(
            f"block must be an integer from {MIN_BLOCK} to {MAX_BLOCK}, not {block!r:.60}"
        )


@lru_cache(maxsize=32)
def block_distribution(distribution: str, nu: float | None = None, block: int = 128) -> Blocks:
    """The distribution of the scaled values that a block quantizer rounds.

    Parameters
    ----------
    distribution : str
        ``normal`` or ``student_t``.
    nu : float, optional
        Degrees of freedom, for ``student_t`` only; at least :data:`MIN_NU`.
    block : int
        How many values share a scale, from 2 to 2^20.

    Raises
    ------
    FormatError
        The distribution is unknown, or another parameter is missing, not wanted or out of range.
    """
    parent = _parent(distribution, nu)
    check_block(block)
    edges = np.linspace(0.0, 1.0, _CELLS + 1)
    maxima, probabilities, energies = _largest_magnitudes(parent, nu, block)
    # (nodes, cells + 1): the probability that a magnitude is below m times the edge.
    below = 2 * parent.cdf(np.outer(maxima, edges)) - 1
    mass = np.diff(below, axis=1) / below[:, -1:]
    middles = (edges[1:] + edges[:-1]) / 2
    points = np.concatenate([[-1.0], -middles[::-1], middles, [1.0]])
    return Blocks(
        points, _both_sides(probabilities @ mass, block), _both_sides(energies @ mass, block)
    )


def _parent(distribution: str, nu: float | None) -> Any:
    """The distribution of a single value, from scipy. Raises FormatError for wrong parameters."""
    if distribution not in DISTRIBUTIONS:
        raise FormatError(
            f"Distribution must be {' or '.join(DISTRIBUTIONS)}, not {distribution!r:.60}"
        )
    if (distribution == "student_t") != (nu is not None):
        raise FormatError(
            "'nu' belongs to the student_t distribution, and to no other; got "
            f"{distribution} with nu {nu}"
        )
    if nu is None:
        return stats.norm()
    if not MIN_NU <= nu <= MAX_NU:
        raise FormatError(
            f"nu must be {MIN_NU} to {MAX_NU:g}, not {nu}: for nu up to 2, Student's t has "
            "no variance, so no codebook is the best"
        )
    return stats.t(nu)


def _largest_magnitudes(parent: Any, nu: float | None, block: int) -> tuple[_Array, _Array, _Array]:
    """Values m for the integral over m, with two lists of weights that each sum to 1.

    The weights are the probability of m, and this probability times m^2. With n = ``block``,
    F(m)^n is uniform on (0, 1). The integral runs over s from 0 to 1, where 1 - F(m)^n = s^k. For
    Student's t, k is nu / (nu - 2), so that the second weight stays finite where s goes to 0. For
    the normal distribution, k is 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    power = 1.0 if nu is None else nu / (nu - 2)
    s = (nodes + 1) / 2
    upper_tail = -np.expm1(np.log1p(-(s**power)) / block) / 2
    maxima = parent.isf(np.maximum(upper_tail, _FAR_TAIL))
    if nu is not None:  # the far tail of Student's t is a power law
        maxima *= (np.clip(upper_tail, 1e-290, _FAR_TAIL) / _FAR_TAIL) ** (-1 / nu)
    probabilities = weights * s ** (power - 1)
    # Dividing by the greatest weight keeps the squares finite for the heaviest tails.
    logs = np.log(weights) + (power - 1) * np.log(s) + 2 * np.log(maxima)
    energies = np.exp(logs - logs.max())
    return maxima, probabilities / probabilities.sum(), energies / energies.sum()


def _both_sides(mass: _Array, block: int) -> _Array:
    """The shares of signed values, -1 and 1 included, from the shares of magnitudes.

    Turns an array of shape (cells,) into one of shape (2 cells + 2,).
    """
    half = mass * (block - 1) / block / 2
    return np.concatenate([[0.5 / block], half[::-1], half, [0.5 / block]])


def levels_of(fmt: Format) -> _Array:
    """(N,) float64: the distinct values of a format, ascending, divided by the highest value."""
    return np.unique([float(value / fmt.max_value) for value in fmt.values])


def _nearest(levels: _Array, points: _Array) -> NDArray[np.intp]:
    """The index of the level nearest to each point."""
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, points)


def relative_mse(levels: Sequence[float] | _Array, blocks: Blocks) -> float:
    """The mean square error over the mean square of the values.

    Each value is rounded to the nearest level.
    """
    ascending = np.unique(np.asarray(levels, dtype=np.float64))
    errors = blocks.points - ascending[_nearest(ascending, blocks.points)]
    return float(blocks.energy @ errors**2) / _mean_square(blocks)


def _mean_square(blocks: Blocks) -> float:
    return float(blocks.energy @ blocks.points**2)


def code_entropy(levels: Sequence[float] | _Array, blocks: Blocks) -> float:
    """Average bits per code with an entropy coder, if each value goes to the nearest level."""
    ascending = np.unique(np.asarray(levels, dtype=np.float64))
    shares = np.bincount(_nearest(ascending, blocks.points), blocks.share)
    used = shares[shares > 0]
    return float(-used @ np.log2(used))


def distance_to_optimum_db(
    fmt: Format, distribution: str, nu: float | None = None, block: int = 128
) -> float:
    """By how many dB the SQNR of ``fmt`` is below that of the best ``2 ** fmt.bits`` levels.

    :func:`lloyd_max` finds the best levels, without fixing any of them. The other parameters and
    the exceptions are those of :func:`block_distribution`.
    """
    blocks = block_distribution(distribution, nu, block)
    best = relative_mse(_optimum(distribution, nu, block, 2**fmt.bits), blocks)
    return 10 * math.log10(relative_mse(levels_of(fmt), blocks) / best)


@lru_cache(maxsize=32)
def _optimum(distribution: str, nu: float | None, block: int, count: int) -> _Array:
    return lloyd_max(block_distribution(distribution, nu, block), count)


def lloyd_max(blocks: Blocks, count: int = 16, *, pinned: bool = False) -> _Array:
    """The ``count`` levels of least mean square error, ascending.

    Dynamic programming finds the optimum on wide cells, each of which joins four cells. Lloyd's
    iteration then refines it on the narrow cells. ``pinned`` fixes the highest level at 1, as in
    every quantizer that scales the largest magnitude of a block to the format's highest value.
    """
    return _settle(_best_on_wide_cells(blocks, count, pinned), blocks, pinned)


def _best_on_wide_cells(blocks: Blocks, count: int, pinned: bool) -> _Array:
    """The best levels if all points of a wide cell are rounded to the same level.

    The two ends, where the largest magnitudes lie, are cells of their own.
    """
    starts = np.concatenate([[0], np.arange(1, len(blocks.points) - 1, _JOINED)])
    starts = np.append(starts, len(blocks.points) - 1)
    mass, moment, square = (
        np.concatenate([[0.0], np.cumsum(np.add.reduceat(blocks.energy * power, starts))])
        for power in (np.ones_like(blocks.points), blocks.points, blocks.points**2)
    )
    # m, p, q at [i, j]: the sums over the wide cells i to j - 1 of the energy, of energy times
    # value, and of energy times squared value.
    m, p, q = (each[None, :] - each[:, None] for each in (mass, moment, square))
    is_cell = np.triu(np.ones_like(m, dtype=bool), k=1)
    means = p / np.where(m > 0, m, 1.0)
    errors = np.where(is_cell, q - means * p, np.inf)  # if the level is the mean of these cells
    last = np.where(is_cell, q - 2 * p + m, np.inf) if pinned else errors  # if the level is 1
    least, origins = errors[0], []
    for step in range(1, count):
        total = least[:, None] + (last if step == count - 1 else errors)
        origins.append(total.argmin(axis=0))
        least = total.min(axis=0)
    cuts = [len(starts)]
    for origin in reversed(origins):
        cuts.append(int(origin[cuts[-1]]))
    cuts = [0, *reversed(cuts)]
    levels = means[cuts[:-1], cuts[1:]]
    return np.append(levels[:-1], 1.0) if pinned else levels


def _settle(levels: _Array, blocks: Blocks, pinned: bool) -> _Array:
    """Lloyd's iteration: move each level to the mean of its nearest points until the levels settle.

    The iteration also ends after 20,000 rounds.
    """
    mass = np.concatenate([[0.0], np.cumsum(blocks.energy)])
    moment = np.concatenate([[0.0], np.cumsum(blocks.energy * blocks.points)])
    for _ in range(_MAX_ITERATIONS):
        inner = np.searchsorted(blocks.points, (levels[1:] + levels[:-1]) / 2)
        cuts = np.concatenate([[0], inner, [len(blocks.points)]])
        shares = np.diff(mass[cuts])
        means = np.diff(moment[cuts]) / np.where(shares > 0, shares, 1.0)
        moved = np.where(shares > 0, means, levels)
        if pinned:
            moved[-1] = 1.0
        settled = np.abs(moved - levels).max() < _SETTLED
        levels = moved
        if settled:
            break
    return levels


def entropy_constrained(
    blocks: Blocks, count: int = 16, *, entropy: float = 3.5, pinned: bool = False
) -> EntropyCodebook:
    """At most ``count`` levels of least error whose codes need at most ``entropy`` bits on average.

    Levels to which no value is rounded are dropped. ``pinned`` fixes the highest level at 1. If the
    levels of :func:`lloyd_max` need no more than ``entropy`` bits, they are the result.

    Raises
    ------
    FormatError
        ``entropy`` is not from 1 to log2(count).
    """
    if not 1 <= entropy <= math.log2(count):
        raise FormatError(f"entropy must be 1 to {math.log2(count):g} bits, not {entropy}")
    best = _trade(lloyd_max(blocks, count, pinned=pinned), blocks, 0.0, pinned)
    if best.entropy <= entropy:
        return best
    # With many bits per code, evenly spaced levels are best: two of the searches begin with them.
    starts = (best.levels, np.linspace(-1.0, 1.0, count), np.linspace(-1.0, 1.0, count - 1))
    found = [_at_entropy(start, blocks, entropy, pinned) for start in starts]
    return min(found, key=lambda book: book.relative_mse)


def _at_entropy(levels: _Array, blocks: Blocks, entropy: float, pinned: bool) -> EntropyCodebook:
    """The codebook for the lowest price per bit at which codes need at most ``entropy`` bits.

    The price is the mean square error that is accepted to save one bit. The bits are the mean over
    all codes.
    """
    # A higher price lowers the entropy, so the logarithm of the price is found by bisection.
    low, high = math.log(1e-9), math.log(_mean_square(blocks))
    best = _trade(levels, blocks, math.exp(high), pinned)
    for _ in range(20):
        middle = (low + high) / 2
        book = _trade(levels, blocks, math.exp(middle), pinned)
        if book.entropy <= entropy:
            best, high = book, middle
        else:
            low = middle
    return best


def _trade(levels: _Array, blocks: Blocks, price: float, pinned: bool) -> EntropyCodebook:
    """Minimize error plus ``price`` times bits: choose codes, levels and code lengths in turn."""
    lengths = np.full(len(levels), math.log2(len(levels)))
    rates = price * blocks.share / np.maximum(blocks.energy, 1e-300)
    previous = math.inf
    for _ in range(_MAX_ITERATIONS):
        costs = (blocks.points[:, None] - levels) ** 2 + rates[:, None] * lengths  # (N, levels)
        choice = costs.argmin(axis=1)
        used = np.bincount(choice, blocks.share, len(levels)) > 0
        used[-1] |= pinned
        names = np.cumsum(used) - 1
        choice, levels = names[choice], levels[used]
        shares = np.bincount(choice, blocks.share, len(levels))
        energies = np.bincount(choice, blocks.energy, len(levels))
        means = np.bincount(choice, blocks.energy * blocks.points, len(levels))
        levels = np.where(energies > 0, means / np.maximum(energies, 1e-300), levels)
        if pinned:
            levels[-1] = 1.0
        lengths = -np.log2(np.maximum(shares, 1e-300))
        entropy = float(shares @ lengths)
        error = float(blocks.energy @ (blocks.points - levels[choice]) ** 2)
        if previous - (error + price * entropy) < 1e-9 * error:
            break
        previous = error + price * entropy
    return EntropyCodebook(levels, entropy, error / _mean_square(blocks))
