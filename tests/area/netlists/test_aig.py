"""And-inverter graphs agree with truth tables."""

import itertools
import random

import pytest

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig


def values(aig, literal, variables):
    """The truth table of ``literal``: its value for each combination of ``variables``."""
    return [
        aig.evaluate([[literal]], dict(zip(variables, row, strict=True)), variables)[0]
        for row in itertools.product((0, 1), repeat=len(variables))
    ]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda aig, a, b, c: aig.conjunction(a, b), lambda a, b, c: a & b),
        (lambda aig, a, b, c: aig.conjunction(a ^ 1, b), lambda a, b, c: (1 - a) & b),
        (lambda aig, a, b, c: aig.disjunction(a, b ^ 1), lambda a, b, c: a | (1 - b)),
        (lambda aig, a, b, c: aig.exclusive(a, b), lambda a, b, c: a ^ b),
        (lambda aig, a, b, c: aig.choose(a, b, c), lambda a, b, c: b if a else c),
        (lambda aig, a, b, c: aig.choose(a, b, b ^ 1), lambda a, b, c: b if a else 1 - b),
        (lambda aig, a, b, c: aig.majority(a, b, c), lambda a, b, c: int(a + b + c >= 2)),
        (lambda aig, a, b, c: aig.lookup(0b10010110, [a, b, c]), lambda a, b, c: a ^ b ^ c),
    ],
)
def test_operations(build, expected):
    aig = Aig()
    variables = aig.word(3)
    rows = itertools.product((0, 1), repeat=3)
    assert values(aig, build(aig, *variables), variables) == [expected(*row) for row in rows]


@pytest.mark.parametrize("seed", range(20))
def test_lookup_is_its_table(seed):
    table = random.Random(seed).getrandbits(32)
    aig = Aig()
    selects = aig.word(5)
    literal = aig.lookup(table, selects)
    for row in range(32):
        model = {select: row >> place & 1 for place, select in enumerate(selects)}
        assert aig.evaluate([[literal]], model, selects) == [table >> row & 1]


def test_constants_and_equal_logic_cost_nothing():
    aig = Aig()
    a, b = aig.word(2)
    size = len(aig)
    assert aig.conjunction(a, FALSE) == aig.conjunction(a, a ^ 1) == FALSE
    assert aig.conjunction(a, TRUE) == aig.conjunction(a, a) == a
    assert aig.choose(a, b, b) == b
    assert len(aig) == size
    assert aig.conjunction(a, b) == aig.conjunction(b, a)
    assert aig.exclusive(a, b) == aig.exclusive(a ^ 1, b) ^ 1
    assert aig.table(6) == aig.table(6)


def test_addition_wraps():
    aig = Aig()
    left, right = aig.word(6), aig.word(6)
    total = aig.add(left, right, carry=TRUE)
    generator = random.Random(1)
    for _ in range(200):
        one, other = generator.randrange(64), generator.randrange(64)
        bits = {literal: one >> place & 1 for place, literal in enumerate(left)}
        bits |= {literal: other >> place & 1 for place, literal in enumerate(right)}
        assert aig.evaluate([total], bits, []) == [(one + other + 1) % 64]


def test_tables_are_functions_of_the_codes():
    aig = Aig()
    codes = aig.word(3)
    literal = aig.table(0b11001010)
    assert values(aig, literal, codes) == [
        0b11001010 >> (a + 2 * b + 4 * c) & 1 for a, b, c in itertools.product((0, 1), repeat=3)
    ]
