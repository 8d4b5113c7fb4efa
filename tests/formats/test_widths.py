"""Widths of sums in bits, and checks of the number of terms and the accumulator width."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.formats import (
    MAX_ACC_WIDTH,
    MAX_TERMS,
    Format,
    bundled,
    check_acc_width,
    check_terms,
    load,
    lossless_acc_width,
    product_extremes,
    signed_width,
)


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_signed_width_is_the_smallest_that_holds_both_ends(one: int, other: int) -> None:
    low, high = sorted((one, other))
    width = signed_width(low, high)
    assert -(2 ** (width - 1)) <= low <= high < 2 ** (width - 1)
    # One bit fewer does not hold them (zero bits hold nothing).
    assert width == 1 or not -(2 ** (width - 2)) <= low <= high < 2 ** (width - 2)


def test_signed_width_refuses_ends_in_the_wrong_order() -> None:
    with pytest.raises(ValueError, match="The low end 1 must not exceed the high end 0"):
        signed_width(1, 0)


@pytest.mark.parametrize("weight", bundled(), ids=lambda fmt: fmt.name)
def test_product_extremes_are_those_of_all_pairs(weight: Format) -> None:
    for activation in bundled():
        products = [w * a for w, a in product(set(weight.integers), set(activation.integers))]
        assert product_extremes(weight, activation) == (min(products), max(products))


@pytest.mark.parametrize("terms", [1, 2, 255, 256, 1024, MAX_TERMS])
@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_a_lossless_accumulator_has_the_smallest_width(fmt: Format, terms: int) -> None:
    width = lossless_acc_width(fmt, fmt, terms)
    low, high = (terms * extreme for extreme in product_extremes(fmt, fmt))
    assert -(2 ** (width - 1)) <= low <= high < 2 ** (width - 1)
    assert low < -(2 ** (width - 2)) or high >= 2 ** (width - 2)
    assert width <= MAX_ACC_WIDTH


def test_super_precision_needs_no_wider_accumulator() -> None:
    # Dotzel et al. (2024) list 19 bits. But the extreme products are 12 * 12 and -12 * 12, as in
    # E2M1.
    assert lossless_acc_width(load("e2m1_sp"), load("e2m1_sp")) == 17


def test_an_accumulator_of_positive_products_still_holds_zero() -> None:
    values = tuple(value + 9 for value in load("int4").values)
    positive = Format(name="positive", title="Positive", bits=4, values=values)
    assert lossless_acc_width(positive, positive, 1) == signed_width(0, 16 * 16)


@pytest.mark.parametrize("terms", [0, -1, MAX_TERMS + 1, 10**30])
def test_bad_numbers_of_terms_are_refused(terms: int) -> None:
    with pytest.raises(ValueError, match=f"Number of terms must be 1 to {MAX_TERMS}, not {terms}"):
        check_terms(terms)


@pytest.mark.parametrize("acc_width", [1, 0, -3, 65, 10**30])
def test_bad_accumulator_widths_are_refused(acc_width: int) -> None:
    with pytest.raises(ValueError, match=f"Accumulator width must be 2 to 64, not {acc_width}"):
        check_acc_width(acc_width)


@pytest.mark.parametrize("value", [256.0, "256", None, True])
def test_widths_and_terms_are_integers(value: object) -> None:
    with pytest.raises(TypeError, match="Number of terms must be an integer"):
        check_terms(value)
    with pytest.raises(TypeError, match="Accumulator width must be an integer"):
        check_acc_width(value)
