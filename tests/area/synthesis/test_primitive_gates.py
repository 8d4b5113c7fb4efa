"""Multipliers from AND, OR, XOR and NOT gates that each cost 1; Python evaluates their Verilog."""

import re
from fractions import Fraction

import pytest

from halfbyte.area.search.assignment import permuted
from halfbyte.area.synthesis.primitive_gates import search_unit_gates
from halfbyte.formats import load

# E2M1 in units of 1/2, with its exponents in Gray code. With these codes, a search by
# LonghornSilicon reached 63 gates.
GRAY = [*(0, 1, 2, 3, 8, 12, 4, 6), *(0, -1, -2, -3, -8, -12, -4, -6)]
# The published number of gates that Yosys and ABC make of a case statement (docs/multipliers.md).
PLAIN = 222


def evaluate(verilog, w, a):
    """The product of two codes, computed from the assignments in the Verilog text."""
    value = {f"w[{bit}]": w >> bit & 1 for bit in range(8)}
    value |= {f"a[{bit}]": a >> bit & 1 for bit in range(8)} | {"1'b0": 0, "1'b1": 1}
    total, width = 0, int(re.search(r"output signed \[(\d+):0\]", verilog)[1]) + 1
    for name, expression in re.findall(r"(?:wire|assign) (\S+) = (.*);", verilog):
        left, operator, right = (*expression.split(), None, None)[:3]
        if operator is None:
            negated = left.startswith("~")
            result = value[left.removeprefix("~")] ^ negated
        else:
            x, y = value[left], value[right]
            result = {"&": x & y, "|": x | y, "^": x ^ y}[operator]
        value[name] = result
        if name.startswith("product["):
            total |= result << int(name[8:-1])
    return total - ((total >> width - 1) << width)


@pytest.fixture(scope="module")
def gray():
    fmt = load("e2m1")
    return permuted(fmt, [Fraction(value, 2) for value in GRAY], "e2m1_gray")


@pytest.fixture(scope="module")
def found(gray):
    """The result of a short search for a multiplier of few gates."""
    return search_unit_gates(
        gray, gray, architectures=["exponent_shift"], moves=20_000, seeds=[1, 2], jobs=2
    )


def test_short_search_is_far_below_a_case_statement(found):
    assert 50 < found.gates == sum(found.counts.values()) < PLAIN / 2


def test_verilog_multiplies_all_codes(found, gray):
    text = found.verilog()
    assert f"{found.gates} gates" in text
    for w in range(16):
        for a in range(16):
            assert evaluate(text, w, a) == gray.integers[w] * gray.integers[a]


def test_a_wrong_gate_is_caught(found):
    node = found.network.gates[-1]
    nodes = found.network.nodes
    kept = nodes.kind[node], nodes.polarity[node]
    nodes.kind[node], nodes.polarity[node] = 0, 0
    with pytest.raises(AssertionError, match="is not"):
        found.check()
    nodes.kind[node], nodes.polarity[node] = kept
    found.check()
