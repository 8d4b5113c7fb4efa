"""Formats from quantiles of a distribution, and their rounding to tables.

Before rounding, the levels (values) of NF4 and SF4 agree with the published decimals.
"""

from fractions import Fraction

import numpy as np
import pytest

from halfbyte.formats import FormatError, load
from halfbyte.formats.quantile import quantile_levels, round_to_grid

# Dettmers et al., QLoRA, NeurIPS 2023.
NF4_PUBLISHED = [
    *[-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
    *[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0],
    *[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    *[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0],
]
# Dotzel et al., ICML 2024, Table 15: nu = 5.
SF4_PUBLISHED = [
    *[-1.0, -0.627781, -0.454736, -0.334331, -0.237434, -0.152899, -0.074982, 0.0],
    *[0.065513, 0.132965, 0.204661, 0.283835, 0.375805, 0.491076, 0.656781, 1.0],
]


def test_nf4_levels_agree_with_the_published_decimals() -> None:
    # The published numbers were computed in FP32.
    assert np.abs(quantile_levels("normal") - NF4_PUBLISHED).max() < 2e-7


def test_sf4_levels_agree_with_the_published_decimals() -> None:
    # Six decimals are published. The tolerance is half a unit of the last one.
    assert np.abs(quantile_levels("student_t", nu=5) - SF4_PUBLISHED).max() < 5e-7


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_every_width_ascends_from_minus_one_through_zero_to_one(bits: int) -> None:
    levels = quantile_levels("student_t", bits, 5.0)
    assert len(levels) == 2**bits
    assert (np.diff(levels) > 0).all()
    assert levels[2 ** (bits - 1) - 1] == 0.0
    # The ends differ from -1 and 1 only by rounding in double precision.
    assert levels[0] == pytest.approx(-1, abs=1e-12)
    assert levels[-1] == pytest.approx(1, abs=1e-12)


def test_many_degrees_of_freedom_approach_the_normal_distribution() -> None:
    difference = quantile_levels("student_t", nu=1e6) - quantile_levels("normal")
    assert np.abs(difference).max() < 1e-5


@pytest.mark.parametrize("lut_bits", [4, 6, 8, 16])
def test_the_grid_is_symmetric_and_full(lut_bits: int) -> None:
    steps = 2 ** (lut_bits - 1) - 1
    values = round_to_grid(np.array([-1.0, -0.4999, 0.0, 1.0]), lut_bits)
    assert (values[0], values[2], values[3]) == (-1, 0, 1)
    assert values[1] == Fraction(round(-0.4999 * steps), steps)


def test_any_table_width_of_a_shipped_format_can_be_named() -> None:
    fmt = load("sf4@6")
    assert (fmt.name, fmt.title) == ("sf4_lut6", "SF4, 6-bit table")
    assert load("sf4_lut6") is fmt or load("sf4_lut6") == fmt
    assert load("sf4@8") == load("sf4")
    assert load("nf4@16").magnitude_width == 15


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("sf4@3", "lut_bits must be an integer from 4 to 16, not 3"),
        ("sf4@17", "lut_bits must be an integer from 4 to 16, not 17"),
        ("int4@3", "Values can be rounded to 4 to 16 bits, not 3: int4@3"),
        ("sf4@", "Unknown format 'sf4@'; did you mean sf4?"),
        ("sf4@-6", "Unknown format 'sf4@-6'"),
        ("sf4@999", "Unknown format 'sf4@999'"),
    ],
)
def test_bad_table_widths_are_refused(reference: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        load(reference)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("distribution", "nu", "message"),
    [
        ("cauchy", None, "Distribution must be normal or student_t, not 'cauchy'"),
        ("student_t", None, "'nu' belongs to the student_t distribution"),
        ("normal", 5.0, "'nu' belongs to the student_t distribution"),
        ("student_t", 0.1, r"nu must be 0\.5 to 1e\+06, not 0\.1"),
        ("student_t", float("nan"), "nu must be"),
    ],
)
def test_bad_distributions_are_refused(distribution: str, nu: float | None, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        quantile_levels(distribution, nu=nu)
