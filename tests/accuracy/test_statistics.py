"""Bootstrap estimates are compared with formulas, direct sums and known distributions."""

import numpy as np
import pytest
import torch

from halfbyte.accuracy.statistics import (
    REPLICATES,
    PairCorrelation,
    RatioOfSums,
    estimate,
    interval,
    is_resolved,
    worsening,
)


def embeddings(seed, count=12, width=5):
    """Random vectors of length 1, one in each row."""
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=1)


def brute_correlation(ours, theirs, items):
    """Pearson's correlation of the similarities of all pairs of different items, from numpy."""
    pairs = [
        (float(ours[i] @ ours[j]), float(theirs[i] @ theirs[j]))
        for a, i in enumerate(items)
        for j in items[a + 1 :]
        if i != j
    ]
    return np.corrcoef(np.array(pairs).T)[0, 1]


def test_pair_correlation_is_pearson_over_drawn_pairs():
    ours, theirs = embeddings(1), embeddings(2)
    drawn = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [0, 0, 3, 3, 3, 5, 6, 7, 9, 9, 10, 11]]
    counts = torch.stack([torch.bincount(torch.tensor(each), minlength=12) for each in drawn])
    found = PairCorrelation(ours, theirs).at(counts.double())
    expected = [brute_correlation(ours, theirs, each) for each in drawn]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_equal_embeddings_correlate_fully():
    ours = embeddings(3)
    found = estimate(PairCorrelation(ours, ours))
    assert found.value == pytest.approx(1, abs=1e-12)
    assert found.replicates == pytest.approx(np.ones(REPLICATES), abs=1e-9)


@pytest.mark.parametrize("shape", [(3, 5), (4, 5)])
def test_embeddings_of_different_shapes_or_fewer_than_four_rows_are_refused(shape):
    with pytest.raises(ValueError, match="must be two"):
        PairCorrelation(torch.ones(3, 5), torch.ones(shape))


def test_interval_of_a_mean_is_1_96_standard_errors_wide_on_either_side():
    source = np.random.default_rng(5)
    values = torch.from_numpy(source.normal(3, 2, 4000))
    found = estimate(RatioOfSums(values, torch.ones_like(values)))
    low, high = interval(found.replicates)
    half = 1.96 * float(values.std()) / 4000**0.5
    assert found.value == pytest.approx(float(values.mean()))
    assert (low, high) == pytest.approx((found.value - half, found.value + half), abs=0.01)


def test_perplexity_is_two_to_the_mean_bits():
    bits, counts = torch.tensor([8.0, 4.0]).double(), torch.tensor([2.0, 2.0]).double()
    assert estimate(RatioOfSums(bits, counts, power_of_two=True)).value == 8


def test_pairing_resolves_what_separate_intervals_cannot():
    source = np.random.default_rng(6)
    shared = source.normal(10, 5, 300)
    ones = torch.ones(300).double()
    one = estimate(RatioOfSums(torch.from_numpy(shared), ones))
    other = estimate(
        RatioOfSums(torch.from_numpy(shared + 0.1 + 0.01 * source.normal(size=300)), ones)
    )
    assert interval(one.replicates)[1] > interval(other.replicates)[0]
    assert is_resolved(one.replicates, other.replicates)
    assert not is_resolved(one.replicates, one.replicates)


def test_worsening_is_positive_when_the_measure_is_worse():
    ones = torch.ones(4).double()
    base, more = (estimate(RatioOfSums(ones * value, ones)) for value in (2.0, 3.0))
    assert worsening(more, base, higher_is_better=False).value == pytest.approx(0.5)
    assert worsening(more, base, higher_is_better=True).value == pytest.approx(-0.5)


def test_every_estimate_uses_the_same_random_draws():
    values = torch.arange(50).double()
    first, second = (estimate(RatioOfSums(values, torch.ones(50).double())) for _ in range(2))
    assert np.array_equal(first.replicates, second.replicates)
