"""``Format``: properties computed from the values, and checks on construction."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.formats import Format, FormatError, Ties, bundled, load


def four(*values: object, **changes: Any) -> Format:
    """A format of two bits with four values; ``changes`` replaces arguments of ``Format``."""
    exact = tuple(Fraction(str(value)) for value in values)
    return Format(**({"name": "four", "title": "Four", "bits": 2, "values": exact} | changes))


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_values_are_integers_times_the_quantum(fmt: Format) -> None:
    assert tuple(integer * fmt.quantum for integer in fmt.integers) == fmt.values
    assert all(type(integer) is int for integer in fmt.integers)


@given(st.lists(st.fractions(-50, 50, max_denominator=9), min_size=4, max_size=4))
def test_the_quantum_is_the_largest_divisor(values: list[Fraction]) -> None:
    if max(values) <= 0:
        return
    fmt = four(*values)
    assert tuple(integer * fmt.quantum for integer in fmt.integers) == tuple(values)
    for factor in (2, 3, 5, 7):
        assert any(integer % factor for integer in fmt.integers)


def test_the_smaller_of_two_codes_with_equal_values_is_listed() -> None:
    assert four(0, 1, 0, -1).sorted_codes == (3, 0, 1)
    assert 8 not in load("e2m1").sorted_codes


def test_largest_value_integers_and_widths() -> None:
    fmt = four("-1.5", 0, "0.5", 1)
    assert (min(fmt.values), fmt.max_value) == (Fraction(-3, 2), 1)
    assert fmt.integers == (-3, 0, 1, 2)
    assert (fmt.integer_width, fmt.magnitude_width) == (3, 2)


def test_a_format_is_hashable_and_immutable() -> None:
    assert {load("int4"): 1}[load("int4")] == 1
    with pytest.raises(AttributeError):
        load("int4").bits = 5  # type: ignore[misc]


@pytest.mark.parametrize("bits", [2, 8])
def test_the_smallest_and_the_widest_format(bits: int) -> None:
    values = tuple(Fraction(code) for code in range(2**bits))
    assert Format(name="ramp", title="Ramp", bits=bits, values=values).magnitude_width == bits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": 1}, "bits must be 2 to 8, not 1"),
        ({"bits": 9}, "bits must be 2 to 8, not 9"),
        ({"bits": 2.0}, r"bits must be an integer, not 2\.0"),
        ({"bits": True}, "bits must be an integer, not True"),
        ({"bits": 3}, "3 bits need 8 values, not 4"),
        ({"values": (0.5, 1, 2, 3)}, "values must be exact fractions"),
        ({"values": (Fraction(0),) * 4}, "at least one value must be positive"),
        ({"values": (Fraction(-1),) * 4}, "at least one value must be positive"),
        ({"name": "Four"}, "lower-case Python identifier"),
    ],
)
def test_bad_formats_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        four(0, 1, 2, 3, **changes)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a;rm",
        "Mac",
        "class",
        "é",
        "f\u200bmt",
        "",
        "_a",
        "4bit",
        "a b",
        "a\n",
        "a/b",
        "a-b",
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(FormatError, match="must be a lower-case Python identifier"):
        four(0, 1, 2, 3, name=name)


def test_names_are_short_text() -> None:
    assert four(0, 1, 2, 3, name="a" * 40)
    with pytest.raises(FormatError, match="at most 40 characters, not 41"):
        four(0, 1, 2, 3, name="a" * 41)
    with pytest.raises(FormatError, match="name must be text, not int"):
        four(0, 1, 2, 3, name=4)


def test_values_that_need_too_many_bits_are_refused() -> None:
    assert four(0, 1, 2, 2**20 - 1).magnitude_width == 20
    with pytest.raises(FormatError, match="need 21 bits of magnitude; at most 20 are supported"):
        four(0, 1, 2, 2**20)


def test_ties_to_even_need_one_even_code_in_each_neighbouring_pair() -> None:
    assert four(0, 1, 2, 3, ties=Ties.EVEN).ties is Ties.EVEN
    with pytest.raises(FormatError, match=r"'ties: even' needs one even code .* codes 0 and 2"):
        four(0, 2, 1, 3, ties=Ties.EVEN)
