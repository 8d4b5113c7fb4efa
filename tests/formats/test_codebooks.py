"""Quantization errors of formats and of the best levels (values) for a distribution.

The errors of known formats agree with published ones. Searches find no levels with smaller errors
than the best levels.
"""

import math

import numpy as np
import pytest

from halfbyte.formats import FormatError, load
from halfbyte.formats.codebooks import (
    Blocks,
    block_distribution,
    code_entropy,
    distance_to_optimum_db,
    entropy_constrained,
    levels_of,
    lloyd_max,
    relative_mse,
)
from halfbyte.formats.quantile import quantile_levels

# Relative mean square errors, times 1000, of the quantizer in Dotzel et al., 2024, on 40,000
# synthetic blocks of 128.
PUBLISHED = {
    ("normal", None): {
        "int4": 13.78, "e2m1": 11.85, "e2m1_sr": 13.61, "e2m1_sp": 10.54, "e3m0": 37.02,
        "apot4": 11.52, "apot4_sp": 9.92, "nf4": 9.14, "sf4": 11.10,
    },
    ("student_t", 5.0): {
        "int4": 29.47, "e2m1": 15.20, "e2m1_sr": 16.75, "e2m1_sp": 14.41, "e3m0": 33.43,
        "apot4": 17.79, "apot4_sp": 16.63, "nf4": 13.85, "sf4": 12.90,
    },
}  # fmt: skip
# Distribution, bits and nu of formats that are compared before their values are rounded.
SOURCES = {"nf4": ("normal", 4, None), "sf4": ("student_t", 4, 5.0)}


def sampled(distribution, nu, block, blocks=20_000):
    """Random blocks (blocks, block), and the largest magnitude in each (blocks, 1)."""
    generator = np.random.default_rng(7)
    shape = (blocks, block)
    x = generator.standard_t(nu, shape) if nu else generator.standard_normal(shape)
    maxima = np.abs(x).max(axis=1, keepdims=True)
    return x, maxima


@pytest.mark.parametrize(("distribution", "nu"), PUBLISHED)
def test_errors_are_the_published_ones(distribution, nu):
    blocks = block_distribution(distribution, nu, 128)
    for name, published in PUBLISHED[distribution, nu].items():
        levels = quantile_levels(*SOURCES[name]) if name in SOURCES else levels_of(load(name))
        # The published numbers come from random samples. Their uncertainty is below 0.6 %.
        assert 1e3 * relative_mse(levels, blocks) == pytest.approx(published, rel=6e-3), name


@pytest.mark.parametrize(
    ("distribution", "nu", "block"), [("normal", None, 16), ("student_t", 4.0, 32)]
)
def test_the_distribution_within_blocks_is_that_of_random_samples(distribution, nu, block):
    blocks = block_distribution(distribution, nu, block)
    assert blocks.share.sum() == pytest.approx(1) == blocks.energy.sum()
    assert blocks.share[0] == blocks.share[-1] == 0.5 / block
    x, maxima = sampled(distribution, nu, block)
    y = x / maxima
    for threshold in (-0.9, -0.5, -0.1, 0.05, 0.3, 0.99):
        expected = blocks.share[blocks.points < threshold].sum()
        assert (y < threshold).mean() == pytest.approx(expected, abs=3e-3)
    weights = np.broadcast_to(maxima**2 / (maxima**2).sum() / block, y.shape)
    expected = float(blocks.energy @ blocks.points**2)
    assert (weights * y**2).sum() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("distribution", "nu"), [("normal", None), ("student_t", 5.0), ("student_t", 3.0)]
)
@pytest.mark.parametrize("count", [4, 16])
def test_no_search_from_random_levels_finds_better_ones(distribution, nu, count):
    blocks = block_distribution(distribution, nu, 128)
    best = relative_mse(lloyd_max(blocks, count), blocks)
    generator = np.random.default_rng(3)
    for _ in range(40):
        levels = np.sort(generator.uniform(-1, 1, count))
        for _ in range(300):
            nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, blocks.points)
            mass = np.bincount(nearest, blocks.energy, count)
            moment = np.bincount(nearest, blocks.energy * blocks.points, count)
            levels = np.where(mass > 0, moment / np.where(mass > 0, mass, 1), levels)
        assert relative_mse(levels, blocks) >= best * (1 - 1e-6)


def test_levels_pinned_to_end_at_one_cost_little():
    blocks = block_distribution("student_t", 5.0, 128)
    free, pinned = lloyd_max(blocks), lloyd_max(blocks, pinned=True)
    assert len(free) == len(pinned) == 16
    assert pinned[-1] == 1 > free[-1]
    assert (np.diff(pinned) > 0).all()
    loss = relative_mse(pinned, blocks) / relative_mse(free, blocks)
    assert 1 < loss < 1.02


@pytest.mark.parametrize(("distribution", "nu"), [("normal", None), ("student_t", 5.0)])
def test_every_format_has_larger_errors_than_the_optimum(distribution, nu):
    names = ("int4", "nf4", "sf4", "e2m1", "e2m1_sr", "e2m1_sp", "e3m0", "apot4", "apot4_sp")
    distances = {name: distance_to_optimum_db(load(name), distribution, nu) for name in names}
    assert all(distance > 0 for distance in distances.values())
    assert min(distances, key=distances.get) == ("nf4" if distribution == "normal" else "sf4")
    assert max(distances, key=distances.get) == "e3m0"


def test_formats_of_other_widths_are_compared_with_as_many_levels():
    assert 0 < distance_to_optimum_db(load("int8"), "normal") < 12
    assert 0 < distance_to_optimum_db(load("int5"), "normal") < 4


@pytest.mark.parametrize("entropy", [2.5, 3.25, 3.6])
def test_entropy_constrained_levels_keep_to_their_bits(entropy):
    blocks = block_distribution("normal", None, 128)
    book = entropy_constrained(blocks, entropy=entropy)
    assert entropy - 0.02 < book.entropy <= entropy
    assert len(book.levels) <= 16
    assert (np.diff(book.levels) > 0).all()
    # The encoder of an entropy-coded format prefers values with short codes. Rounding to nearest
    # has smaller errors.
    assert relative_mse(book.levels, blocks) <= book.relative_mse


def test_entropy_constrained_levels_beat_fewer_levels_of_the_same_entropy():
    blocks = block_distribution("normal", None, 128)
    eight = lloyd_max(blocks, 8)
    names = np.searchsorted((eight[1:] + eight[:-1]) / 2, blocks.points)
    shares = np.bincount(names, blocks.share)
    entropy = float(-shares @ np.log2(shares))
    book = entropy_constrained(blocks, 16, entropy=entropy)
    assert book.relative_mse < relative_mse(eight, blocks)


@pytest.mark.parametrize("name", ["int4", "nf4", "e2m1_sp"])
@pytest.mark.parametrize(("distribution", "nu"), [("normal", None), ("student_t", 5.0)])
def test_no_format_has_smaller_errors_at_its_entropy(name, distribution, nu):
    blocks = block_distribution(distribution, nu, 128)
    levels = levels_of(load(name))
    book = entropy_constrained(blocks, entropy=code_entropy(levels, blocks))
    assert book.relative_mse < relative_mse(levels, blocks)


def test_equally_frequent_codes_have_the_full_entropy():
    blocks = Blocks(np.linspace(-1, 1, 8), np.full(8, 1 / 8), np.full(8, 1 / 8))
    assert code_entropy(blocks.points, blocks) == pytest.approx(3)
    assert code_entropy([0.0], blocks) == 0


def test_enough_bits_give_the_optimum():
    blocks = block_distribution("student_t", 5.0, 128)
    book = entropy_constrained(blocks, entropy=4.0)
    assert book.relative_mse == pytest.approx(relative_mse(lloyd_max(blocks), blocks), rel=1e-9)


@pytest.mark.parametrize("nu", [2.01, 2.1, 1e6])
@pytest.mark.parametrize("block", [2, 16, 2**20])
def test_extremes_stay_finite(nu, block):
    blocks = block_distribution("student_t", nu, block)
    assert blocks.share.sum() == pytest.approx(1)
    assert 0 < relative_mse(lloyd_max(blocks), blocks) < 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cauchy",), "Distribution must be normal or student_t, not 'cauchy'"),
        (("normal", 5.0), "'nu' belongs to the student_t distribution"),
        (("student_t",), "'nu' belongs to the student_t distribution"),
        (("student_t", 2.0), "nu must be 2.01 to 1e\\+06, not 2.0: for nu up to 2, .* no variance"),
        (("student_t", math.nan), "nu must be 2.01"),
        (("normal", None, 1), "block must be an integer from 2 to 1048576, not 1"),
        (("normal", None, 2**21), "block must be an integer from 2 to 1048576, not 2097152"),
    ],
)
def test_bad_distributions_are_refused(arguments, message):
    with pytest.raises(FormatError, match=message):
        block_distribution(*arguments)


@pytest.mark.parametrize("entropy", [0.5, 4.1, math.nan])
def test_an_impossible_entropy_is_refused(entropy):
    with pytest.raises(FormatError, match="entropy must be 1 to 4 bits"):
        entropy_constrained(block_distribution("normal"), entropy=entropy)
