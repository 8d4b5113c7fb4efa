"""Proofs that two pieces of logic are equal agree with enumeration.

They can also succeed for logic that is too large to enumerate. Some inputs are *codes*; a *table*
is any function of the codes.
"""

import itertools
import random

import pytest

from halfbyte.area.netlists.aig import FALSE, Aig
from halfbyte.area.proofs.equivalence import compare


def random_logic(generator, *, codes=3, others=3, nodes=30):
    """A graph of random gates over codes, other variables and one random table."""
    aig = Aig()
    variables = aig.word(codes + others)
    literals = [*variables, aig.table(generator.getrandbits(2**codes))]
    for _ in range(nodes):
        left, right = (
            literal ^ generator.getrandbits(1) for literal in generator.sample(literals, 2)
        )
        literals.append(generator.choice([aig.conjunction, aig.exclusive])(left, right))
    return aig, variables[:codes], variables, literals


def differing_rows(aig, codes, variables, left, right):
    """All values of the variables for which ``left`` and ``right`` differ."""
    rows = itertools.product((0, 1), repeat=len(variables))
    models = (dict(zip(variables, row, strict=True)) for row in rows)
    return [
        model for model in models if len(set(aig.evaluate([[left], [right]], model, codes))) == 2
    ]


@pytest.mark.parametrize("seed", range(30))
def test_agrees_with_enumeration(seed):
    generator = random.Random(seed)
    aig, codes, variables, literals = random_logic(generator)
    for _ in range(6):
        left, right = generator.sample(literals[len(codes) :], 2)
        verdict = compare(aig, codes, [(left, right)])
        rows = differing_rows(aig, codes, variables, left, right)
        assert verdict.equal is (not rows)
        assert verdict.codes == 8
        if rows:
            assert {literal: verdict.model[literal] for literal in variables} in rows


def test_adders_of_different_structure_are_equal():
    """A ripple-carry adder equals a carry-select adder."""
    aig = Aig()
    left, right = aig.word(48), aig.word(48)
    plain = aig.add(left, right)
    low = aig.add([*left[:24], FALSE], [*right[:24], FALSE])
    without, with_carry = (aig.add(left[24:], right[24:], carry) for carry in (0, 1))
    selected = [
        aig.choose(low[24], high, other) for high, other in zip(with_carry, without, strict=True)
    ]
    pairs = list(zip(plain, [*low[:24], *selected], strict=True))
    assert compare(aig, left[:4], pairs).equal
    broken = [
        *pairs[:-1],
        (pairs[-1][0], aig.exclusive(pairs[-1][1], aig.conjunction(left[0], right[0]))),
    ]
    assert compare(aig, left[:4], broken).equal is False


def test_finds_the_one_case_that_simulation_misses():
    aig = Aig()
    word = aig.word(60)
    needle = 0x5A5A5A5A5A5A5A5
    all_alike = 1
    for place, literal in enumerate(word):
        all_alike = aig.conjunction(all_alike, literal ^ 1 ^ (needle >> place & 1))
    verdict = compare(aig, word[:4], [(all_alike, FALSE)])
    assert verdict.equal is False
    found = sum(verdict.model[literal] << place for place, literal in enumerate(word))
    assert found == needle & (1 << 60) - 1


def test_the_contents_of_tables_are_used_in_a_proof():
    """One table is the OR of two others, as only the contents of the tables show."""
    aig = Aig()
    codes, other = aig.word(4), aig.variable()
    first, second, both = (aig.table(table) for table in (0x0FF0, 0xA0A0, 0xAFF0))
    left = aig.conjunction(other, both)
    right = aig.disjunction(aig.conjunction(other, first), aig.conjunction(other, second))
    assert compare(aig, codes, [(left, right)]).equal
    wrong = aig.conjunction(other, aig.table(0xAFF1))
    assert compare(aig, codes, [(wrong, right)]).equal is False


def test_gives_up_if_a_proof_is_too_hard(monkeypatch):
    """Two 12-bit multipliers, one with its operands swapped, have few equal inner nodes."""
    monkeypatch.setattr("halfbyte.area.proofs.equivalence.OUTPUT_CONFLICTS", 10)
    aig = Aig()
    left, right = aig.word(12), aig.word(12)

    def product(one, other):
        total = [FALSE] * 12
        for place, literal in enumerate(one):
            row = [FALSE] * place + [aig.conjunction(literal, bit) for bit in other]
            total = aig.add(total, row[:12])
        return total

    pairs = list(zip(product(left, right), product(right, left), strict=True))
    verdict = compare(aig, left[:2], pairs)
    assert verdict.equal is None
    assert verdict.model is None
