"""Maximum-likelihood fits of Student's t, the normal and the Laplace distribution to a tensor.

The values are first reduced to the counts and means of narrow bins. This keeps seven digits of the
likelihood. The optimizer then works on some ten thousand points, even if the tensor has millions of
values. The Kolmogorov-Smirnov (KS) distance says how well a distribution fits. It is the largest
difference between the cumulative distributions of the fit and of the values.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, special, stats
from torch import Tensor

__all__ = ["MAX_NU", "MIN_COUNT", "MIN_NU", "Fit", "Fits", "fit_distributions"]

MIN_COUNT = 10
# Quantile formats are not derived for a nu below MIN_NU. Above MAX_NU, the KS distance between
# Student's t and the nearest normal distribution is less than 1e-4.
MIN_NU, MAX_NU = 0.5, 1000.0
# Bins in an interval of asinh(z) of length 1, where z is a standardized value. Bins are 1/2048 wide
# near z = 0, and |z|/2048 wide in the tails.
_RESOLUTION = 2048
_QUANTILES = 2**14
# If a share s of the values are equal, the likelihood of a t with nu / (nu + 1) < s is unbounded.
_MAX_TIES = MIN_NU / (MIN_NU + 1)

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """One fitted distribution.

    Parameters
    ----------
    distribution : str
        ``student_t``, ``normal`` or ``laplace``.
    loc, scale : float
        Centre and width as ``scipy.stats`` defines them, in the unit of the values.
    nu : float or None
        Degrees of freedom, :data:`MIN_NU` to :data:`MAX_NU`; only Student's t has them.
    ks : float
        KS distance to the values, 0 to 1. Binning changes it by at most 2e-4.
    """

    distribution: str
    loc: float
    scale: float
    nu: float | None
    ks: float

    @property
    def frozen(self) -> Any:
        """The distribution as an object of ``scipy.stats``, with ``pdf``, ``cdf`` and ``ppf``."""
        return _frozen(self.distribution, self.loc, self.scale, self.nu)


@dataclass(frozen=True)
class Fits:
    """The three fits of one tensor.

    Parameters
    ----------
    student_t, normal, laplace : Fit
        The fitted distributions.
    count : int
        Number of values that were fitted.
    quantiles : numpy array
        (16384,) float32, for plots: the values' quantiles at the probabilities (i + 0.5) / 16384.
    """

    student_t: Fit
    normal: Fit
    laplace: Fit
    count: int
    quantiles: NDArray[np.float32]

    @property
    def ks_delta(self) -> float:
        """KS distance of the normal fit minus that of Student's t; positive if t fits better.

        This is KS-delta in Dotzel et al., 2024, Table 1.
        """
        return self.normal.ks - self.student_t.ks


@dataclass(frozen=True)
class _Bins:
    """Standardized values ``(x - median) / unit``, reduced to the bins that are not empty.

    The unit is the median distance from the median, or the mean distance if the median distance is
    0. ``means`` is the mean of the values in each bin. ``lower`` and ``upper`` are the bin's edges.
    """

    median: float
    unit: float
    counts: _Array
    means: _Array
    lower: _Array
    upper: _Array

    @cached_property
    def weights(self) -> _Array:
        """Share of the values in each bin."""
        return np.asarray(self.counts / self.counts.sum())

    @cached_property
    def below(self) -> _Array:
        """Share of the values up to each bin's upper edge."""
        return np.asarray(np.cumsum(self.weights))

    def quantiles(self) -> NDArray[np.float32]:
        """Quantiles of the original values at equally spaced probabilities."""
        probabilities = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        standard = self.means[np.searchsorted(self.below[:-1], probabilities)]
        values: NDArray[np.float32] = (self.median + self.unit * standard).astype(np.float32)
        return values

    def distance(self, frozen: Any) -> float:
        """KS distance of the standardized values to a frozen distribution of ``scipy.stats``."""
        above = self.below - frozen.cdf(self.upper)
        under = frozen.cdf(self.lower) - np.concatenate([[0.0], self.below[:-1]])
        return float(max(above.max(), under.max()))


def fit_distributions(values: Tensor) -> Fits:
    """Fit Student's t, normal and Laplace distributions to ``values`` by maximum likelihood.

    values: (N,) floating point, N at least :data:`MIN_COUNT`. A nu at :data:`MAX_NU` means that the
    values look normal or have lighter tails.

    Raises
    ------
    ValueError
        There are too few values, some are NaN or infinite, or more than a third are equal. In the
        last case, the likelihood of a t has no maximum. The error is also raised for another shape
        or type.
    """
    bins = _reduce(_checked(values))
    mean = _mean(bins.means, bins.weights)
    variance = _mean((bins.means - mean) ** 2, bins.weights)
    deviation = _mean(np.abs(bins.means), bins.weights)
    loc, scale, nu = _fit_student_t(bins)
    return Fits(
        _fit(bins, "student_t", loc, scale, nu),
        _fit(bins, "normal", mean, variance**0.5),
        _fit(bins, "laplace", 0.0, deviation),
        values.numel(),
        bins.quantiles(),
    )


def _mean(values: _Array, weights: _Array) -> float:
    """The weighted mean. A matrix product would start threads, which cost more than they save."""
    return float((values * weights).sum())


def _frozen(distribution: str, loc: float, scale: float, nu: float | None) -> Any:
    if distribution == "student_t":
        return stats.t(nu, loc, scale)
    return (stats.norm if distribution == "normal" else stats.laplace)(loc, scale)


def _fit(bins: _Bins, distribution: str, loc: float, scale: float, nu: float | None = None) -> Fit:
    """The fit in the unit of the values, from a fit of the standardized values."""
    ks = bins.distance(_frozen(distribution, loc, scale, nu))
    return Fit(distribution, bins.median + bins.unit * loc, bins.unit * scale, nu, ks)


def _checked(values: Tensor) -> Tensor:
    """The values as float64. Raises ValueError if they cannot be fitted."""
    if values.ndim != 1 or not values.is_floating_point():
        raise ValueError(
            f"Values to fit must be floating point in 1 dimension, not {values.dtype} in "
            f"{values.ndim} dimensions"
        )
    if values.numel() < MIN_COUNT:
        raise ValueError(f"A fit needs at least {MIN_COUNT} values, not {values.numel()}")
    doubles = values.detach().double()
    if not bool(doubles.isfinite().all()):
        raise ValueError("Values to fit must be finite, but some are NaN or infinite")
    return doubles


def _reduce(x: Tensor) -> _Bins:
    """Reduce values, (N,) float64 and finite, to bins."""
    median = x.median()
    distances = (x - median).abs()
    unit = distances.median()
    if not unit > 0:  # at least half of the values are equal
        unit = distances.mean()
    if not unit > 0:
        raise ValueError(f"Values to fit must differ, but all are {float(median):g}")
    z = (x - median) / unit
    index = (z.asinh() * _RESOLUTION).floor().long()  # (N,)
    first = int(index.min())
    counts = torch.bincount(index - first).double()
    sums = torch.bincount(index - first, weights=z)
    kept = counts.nonzero().squeeze(1)
    _check_ties(z, index - first, counts)
    lower = ((kept + first).double() / _RESOLUTION).sinh()
    upper = ((kept + first + 1).double() / _RESOLUTION).sinh()
    arrays = (counts[kept], sums[kept] / counts[kept], lower, upper)
    return _Bins(float(median), float(unit), *(array.numpy() for array in arrays))


def _check_ties(z: Tensor, index: Tensor, counts: Tensor) -> None:
    """Raise ValueError if too many values of the fullest bin are equal."""
    fullest = int(counts.argmax())
    if float(counts[fullest]) <= _MAX_TIES * len(z):
        return
    ties = int(torch.unique(z[index == fullest], return_counts=True)[1].max())
    if ties > _MAX_TIES * len(z):
        raise ValueError(
            f"Values to fit must differ, but {ties} of {len(z)} are equal, more than a third"
        )


def _fit_student_t(bins: _Bins) -> tuple[float, float, float]:
    """Location, scale and nu of the standardized values, by a quasi-Newton search."""
    # Wide bounds of location and log scale, in units of the values' median distance.
    bounds = [(-100.0, 100.0), (-12.0, 12.0), (np.log(MIN_NU), np.log(MAX_NU))]
    best = optimize.minimize(
        _negative_log_likelihood,
        # For a t with nu = 5, the unit is 0.73 of the scale, so the scale is about 1.4 units.
        x0=np.array([0.0, np.log(1.4), np.log(5.0)]),
        args=(bins.means, bins.weights),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-13, "gtol": 1e-9, "maxiter": 500},
    )
    loc, log_scale, log_nu = best.x
    return float(loc), float(np.exp(log_scale)), float(np.exp(log_nu))


def _negative_log_likelihood(
    parameters: _Array, points: _Array, weights: _Array
) -> tuple[float, _Array]:
    """Mean negative log-likelihood of (loc, log scale, log nu), and its gradient."""
    loc, scale, nu = parameters[0], np.exp(parameters[1]), np.exp(parameters[2])
    z = (points - loc) / scale
    squares = z * z / nu
    logs = np.log1p(squares)
    pulls = (nu + 1) * squares / (1 + squares)  # derivative of (nu + 1) / 2 * logs by log |z|
    mean_log, mean_pull = _mean(logs, weights), _mean(pulls, weights)
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - np.log(nu * np.pi) / 2
    value = parameters[1] - constant + (nu + 1) / 2 * mean_log
    by_loc = -_mean((nu + 1) / nu * z / (1 + squares), weights) / scale
    digammas = special.digamma((nu + 1) / 2) - special.digamma(nu / 2)
    by_nu = -digammas / 2 + 1 / (2 * nu) + mean_log / 2 - mean_pull / (2 * nu)
    return value, np.array([by_loc, 1 - mean_pull, nu * by_nu])
