"""Functions of cells, written as in Liberty files, become truth tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.area.cells.function import (
    Sense,
    canonical_table,
    literal,
    normalized,
    sense,
    truth_table,
)
from halfbyte.base import UserError

PINS = ["A", "B", "C"]


def table_of(function):
    """The truth table of a Python function of three bits."""
    rows = range(8)
    return sum(bool(function(*(row >> place & 1 for place in range(3)))) << row for row in rows)


@pytest.mark.parametrize(
    ("expression", "function"),
    [
        ("A B + C", lambda a, b, c: a & b | c),
        ("A*B|!C", lambda a, b, c: a & b | 1 - c),
        ("A & B'", lambda a, b, c: a & (1 - b)),
        ("!(A+B)'", lambda a, b, c: a | b),
        ("A ^ B & C", lambda a, b, c: (a ^ b) & c),
        ("A | B ^ C", lambda a, b, c: a | (b ^ c)),
        ("!!A(B)!C", lambda a, b, c: a & b & (1 - c)),
        ('"(A)"', lambda a, b, c: a),
        ("1", lambda a, b, c: 1),
        ("0 | C", lambda a, b, c: c),
    ],
)
def test_follows_the_precedence_of_liberty(expression, function):
    assert truth_table(expression, PINS) == table_of(function)


@pytest.mark.parametrize(
    "text", ["", "A &", "& A", "(A", "A)", "A ! ", "D", "A $ B", "(" * 60 + "A" + ")" * 60, "''"]
)
def test_other_text_is_a_user_error(text):
    with pytest.raises(UserError, match="Liberty function"):
        truth_table(text, PINS)


@given(st.text(alphabet="ABC01!'()&*|+^ ", max_size=40))
def test_any_text_is_a_function_or_a_user_error(text):
    try:
        table = truth_table(text, PINS)
    except UserError:
        return
    assert truth_table(normalized(text), PINS) == table
    assert normalized(normalized(text)) == normalized(text)


@given(st.integers(0, 255), st.permutations(range(3)))
def test_canonical_table_does_not_depend_on_the_order_of_inputs(table, order):
    bits = [
        table >> sum((row >> place & 1) << order[place] for place in range(3)) & 1
        for row in range(8)
    ]
    permuted = sum(bit << row for row, bit in enumerate(bits))
    assert canonical_table(permuted, 3) == canonical_table(table, 3)


def test_canonical_table_differs_if_an_input_is_inverted():
    tables = {canonical_table(truth_table(text, ["A", "B"]), 2) for text in ("A&B", "!A&B", "A&!B")}
    assert len(tables) == 2


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("A", ("A", False)), ("(!A)", ("A", True)), ("!(!A)", ("A", False)), ("A'", ("A", True))],
)
def test_literal_is_one_pin_with_its_inversion(expression, expected):
    assert literal(expression) == expected


@pytest.mark.parametrize("expression", ["", "A&B", "1", "A &"])
def test_other_functions_are_not_a_literal(expression):
    assert literal(expression) is None


def test_sense_tells_how_an_output_follows_an_input():
    """The output changes in the input's direction, in the opposite direction, or in either."""
    table = truth_table("(A ^ B) & !C", PINS)
    assert [sense(table, 3, place) for place in range(3)] == [
        Sense(True, True),
        Sense(True, True),
        Sense(False, True),
    ]
