"""Fits of distributions to values: Student's t, normal and Laplace.

They agree with scipy's fits, and find the parameters that the values were drawn with.
"""

import numpy as np
import pytest
import torch
from scipy import stats

from halfbyte.accuracy.profile.fits import MAX_NU, fit_distributions


def drawn(frozen, count, seed=1):
    """Random values from a distribution of scipy, as float64."""
    return torch.from_numpy(frozen.rvs(count, random_state=np.random.default_rng(seed)))


@pytest.mark.parametrize("nu", [2, 3, 5, 8, 13, 20, 30])
def test_nu_agrees_with_scipy_within_one_per_cent(nu):
    values = drawn(stats.t(nu, 0.3, 0.02), 20_000, seed=nu)
    fits = fit_distributions(values)
    expected_nu, loc, scale = stats.t.fit(values.numpy(), nu, loc=0.3, scale=0.02)
    assert fits.student_t.nu == pytest.approx(expected_nu, rel=0.01)
    assert fits.student_t.loc == pytest.approx(loc, abs=2e-5)
    assert fits.student_t.scale == pytest.approx(scale, rel=1e-3)


@pytest.mark.parametrize("nu", [1.5, 4.0, 25.0])
def test_the_fit_is_a_maximum_of_the_likelihood(nu):
    values = drawn(stats.t(nu), 5000)
    fit = fit_distributions(values).student_t
    best = stats.t.logpdf(values.numpy(), fit.nu, fit.loc, fit.scale).sum()
    for factor in (0.99, 1.01):
        for other in (
            (fit.nu * factor, fit.loc, fit.scale),
            (fit.nu, fit.loc + (factor - 1) * fit.scale, fit.scale),
            (fit.nu, fit.loc, fit.scale * factor),
        ):
            assert stats.t.logpdf(values.numpy(), *other).sum() < best


def test_a_million_values_give_back_the_parameters_they_were_drawn_with():
    fits = fit_distributions(drawn(stats.t(5, -1, 3), 10**6).float())
    assert fits.count == 10**6
    # The tolerances are about four standard errors of the estimates.
    assert fits.student_t.nu == pytest.approx(5, abs=0.13)
    assert fits.student_t.loc == pytest.approx(-1, abs=0.015)
    assert fits.student_t.scale == pytest.approx(3, abs=0.02)
    assert fits.student_t.ks < 0.002
    assert fits.ks_delta == fits.normal.ks - fits.student_t.ks > 0.02


@pytest.mark.parametrize("frozen", [stats.t(3), stats.norm(2, 5), stats.laplace(0, 0.1)])
def test_distances_are_those_of_scipy(frozen):
    values = drawn(frozen, 20_000)
    fits = fit_distributions(values)
    for fit in (fits.student_t, fits.normal, fits.laplace):
        expected = stats.kstest(values.numpy(), fit.frozen.cdf).statistic
        assert fit.ks == pytest.approx(expected, abs=1e-4)


def test_normal_and_laplace_have_their_closed_forms():
    values = drawn(stats.laplace(1, 2), 9999)
    fits = fit_distributions(values)
    assert fits.normal.loc == pytest.approx(float(values.mean()), rel=1e-9)
    assert fits.normal.scale == pytest.approx(float(values.std(correction=0)), rel=1e-6)
    assert fits.laplace.loc == float(values.median())
    mean_distance = float((values - values.median()).abs().mean())
    assert fits.laplace.scale == pytest.approx(mean_distance, rel=1e-6)
    assert fits.laplace.ks < fits.student_t.ks < fits.normal.ks


def test_light_tails_give_the_largest_nu_allowed():
    fits = fit_distributions(drawn(stats.uniform(-1, 2), 50_000))
    assert fits.student_t.nu == pytest.approx(MAX_NU)
    assert fits.student_t.scale == pytest.approx(fits.normal.scale, rel=0.01)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_scaled_values_have_the_same_nu_and_a_scaled_scale(factor):
    values = drawn(stats.t(4), 10_000)
    plain, scaled = fit_distributions(values), fit_distributions(values * factor)
    assert scaled.student_t.nu == pytest.approx(plain.student_t.nu, rel=1e-4)
    assert scaled.student_t.scale == pytest.approx(plain.student_t.scale * factor, rel=1e-4)


def test_a_far_outlier_does_no_harm():
    values = torch.cat([drawn(stats.t(6), 10_000), torch.tensor([1e12], dtype=torch.float64)])
    fit = fit_distributions(values).student_t
    assert 1 < fit.nu < 6
    assert fit.scale == pytest.approx(1, rel=0.2)


def test_quantiles_are_those_of_the_values():
    values = drawn(stats.t(4), 100_000)
    fits = fit_distributions(values)
    probabilities = (np.arange(2**14) + 0.5) / 2**14
    expected = np.quantile(values.numpy(), probabilities)
    assert np.abs(fits.quantiles - expected)[200:-200].max() < 0.01


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.randn(9), "A fit needs at least 10 values, not 9"),
        (torch.full((100,), 0.5), "Values to fit must differ, but all are 0.5"),
        (torch.tensor([1.0] * 40 + list(range(60))), "41 of 100 are equal, more than a third"),
        (torch.tensor([float("nan")] + [1.0, 2.0] * 10), "must be finite"),
        (torch.tensor([float("inf")] + [1.0, 2.0] * 10), "must be finite"),
        (torch.arange(20), "must be floating point in 1 dimension, not torch.int64 in 1 d"),
        (torch.randn(4, 5), "must be floating point in 1 dimension, not torch.float32 in 2 d"),
    ],
)
def test_values_without_a_fit_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        fit_distributions(values)
