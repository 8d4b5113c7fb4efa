"""Formats with permuted codes have the same values, and work like any other format.

An *order* is a list of a format's values, in which the place of a value is its code.
"""

from itertools import islice

import pytest
import torch

from halfbyte import golden
from halfbyte.area.cells.technology import load_technology
from halfbyte.area.search import assignment
from halfbyte.area.search.assignment import assign_codes, permuted, signed_orders
from halfbyte.formats import Ties, bundled, load
from halfbyte.formats.parse import parse_text
from halfbyte.formats.writing import format_text

FOUR_BITS = [fmt.name for fmt in bundled() if fmt.bits == 4]


@pytest.mark.parametrize("name", FOUR_BITS)
def test_orders_keep_the_values_and_put_the_sign_on_top(name):
    fmt = load(name)
    for order in islice(signed_orders(fmt, 3), 20):
        assert sorted(order) == sorted(fmt.values)
        upper, lower = order[:8], order[8:]
        assert min(upper) >= max(lower)
        opposite = [value for value in upper if -value in lower]
        assert all(lower[upper.index(value)] == -value for value in set(opposite))


def test_orders_differ_and_repeat_with_the_seed():
    first, again, other = (
        list(islice(signed_orders(load("e2m1_sp"), seed), 30)) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(set(first)) > 25


def test_permuted_formats_round_to_the_same_values():
    fmt = load("e2m1_sp")
    order = list(islice(signed_orders(fmt, 1), 7))[-1]
    stored = permuted(fmt, order, "stored")
    assert (stored.quantum, stored.ties) == (fmt.quantum, Ties.DOWN)
    x = torch.linspace(-7, 7, 997)
    values = [golden.decode(golden.encode(x, each), each) for each in (fmt, stored)]
    assert torch.equal(*values)


def test_other_values_are_refused():
    fmt = load("int4")
    with pytest.raises(ValueError, match="Values must be those of int4"):
        permuted(fmt, [*fmt.values[1:], fmt.values[1]], "other")


def test_finds_an_order_with_a_small_area_in_several_rounds(tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    monkeypatch.setattr(assignment, "ROUNDS", ((4, 3000), (2, 10_000)))
    fmt, steps = load("e2m1_sp"), []
    found = assign_codes(
        fmt,
        fmt,
        load_technology("sky130hd"),
        name="stored",
        on_progress=lambda done, total, label: steps.append((done, total)),
    )
    assert sorted(found.fmt.values) == sorted(fmt.values)
    assert found.orders == 4
    assert found.area_um2 < 1200
    assert found.given_um2 < 1200
    assert steps[-1][0] == steps[-1][1]
    assert parse_text(format_text(found.fmt)) == found.fmt
