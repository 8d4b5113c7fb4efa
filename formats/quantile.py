"""Compute the levels of formats that are derived from a distribution, such as NF4 and SF4.

The levels are quantiles at probabilities that are evenly spaced on each side of 1/2, divided by the
largest magnitude. The values of the format are these levels, rounded to ``lut_bits`` bits for the
hardware's look-up table.

Source: Dotzel et al., "Learning from Students", ICML 2024 (arXiv 2405.03103v2), Algorithm 1. NF4
uses the normal distribution (Dettmers et al., QLoRA, NeurIPS 2023), SF4 uses Student's t.
"""

from collections.abc import Iterable
from fractions import Fraction
from statistics import NormalDist

import mpmath
import numpy as np

from halfbyte.formats.errors import FormatError

__all__ = ["DISTRIBUTIONS", "MAX_LUT_BITS", "MIN_LUT_BITS", "quantile_levels", "round_to_grid"]

DISTRIBUTIONS = ("normal", "student_t")
MIN_LUT_BITS, MAX_LUT_BITS = 4, 16
MAX_NU = 1e6


def quantile_levels(distribution: str, bits: int = 4, nu: float | None = None) -> np.ndarray:
    """The levels before rounding: (2^bits,) float64, ascending, with 1 as the largest magnitude.

    Parameters
    ----------
    distribution : str
        ``normal`` or ``student_t``.
    bits : int
        Bits of a code. There are ``2 ** bits`` levels. One of them is 0. There is one more level
        above 0 than below.
    nu : float, optional
        Degrees of freedom, 0.5 to 1e6; needed for ``student_t``, refused for ``normal``.

    Raises
    ------
    FormatError
        The distribution is unknown, or ``nu`` is missing, out of range, or given where it must not
        be.
    """
    if distribution not in DISTRIBUTIONS:
        raise FormatError(
            f"Distribution must be {' or '.join(DISTRIBUTIONS)}, not {distribution!r}"
        )
    if (distribution == "student_t") != (nu is not None):
        raise FormatError(
            "'nu' belongs to the student_t distribution, and to no other; got "
            f"{distribution} with nu {nu}"
        )
    if nu is not None and not 0.5 <= nu <= MAX_NU:
        raise FormatError(f"nu must be 0.5 to {MAX_NU:g}, not {nu}")
    count = 2**bits
    # For n levels, the paper's outermost probability is half-way between the usual choices 1/(2n)
    # and 1/(2(n-1)).
    delta = (1 / (2 * count) + 1 / (2 * (count - 1))) / 2
    below = np.linspace(delta, 0.5, count // 2)
    above = np.linspace(0.5, 1 - delta, count // 2 + 1)[1:]
    quantile = NormalDist().inv_cdf if nu is None else lambda part: _student_t_quantile(part, nu)
    levels = np.array([quantile(part) for part in [*below, *above]])
    scaled: np.ndarray = levels / np.abs(levels).max()
    return scaled


def _student_t_quantile(part: float, nu: float) -> float:
    """The value at which the distribution function of Student's t is ``part``.

    The probability beyond x is half of the regularized incomplete beta function of (nu/2, 1/2) at
    nu / (nu + x^2): Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1.
    """
    if part == 0.5:
        return 0.0
    tail = min(part, 1 - part)

    def excess(x: mpmath.mpf) -> mpmath.mpf:
        return mpmath.betainc(nu / 2, 0.5, 0, nu / (nu + x * x), regularized=True) / 2 - tail

    root = mpmath.findroot(excess, abs(NormalDist().inv_cdf(tail)), tol=1e-24)
    return float(abs(root)) * (1 if part > 0.5 else -1)


def round_to_grid(levels: Iterable[float | Fraction], lut_bits: int) -> list[Fraction]:
    """Round levels in [-1, 1] to the hardware's grid, the multiples of 1 / (2^(lut_bits-1) - 1).

    Raises FormatError unless ``lut_bits`` is an integer from 4 to 16.
    """
    if type(lut_bits) is not int or not MIN_LUT_BITS <= lut_bits <= MAX_LUT_BITS:
        raise FormatError(
            f"lut_bits must be an integer from {MIN_LUT_BITS} to {MAX_LUT_BITS}, not {lut_bits!r}"
        )
    steps = 2 ** (lut_bits - 1) - 1
    return [Fraction(round(level * steps), steps) for level in levels]
