"""Tests the choice of the multiplier architectures that a search tries.

The *promising* architectures are worth trying. The *likely* architectures are the promising ones
without those that never give the smallest MAC.
"""

import pytest

from halfbyte.area.search.candidates import likely, promising
from halfbyte.formats import bundled, load
from halfbyte.rtl import MacSpec


def names(candidates):
    return {candidate.architecture for candidate in candidates}


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_some_promising_architectures_are_likely(fmt):
    design = MacSpec(fmt, fmt)
    assert set() < names(likely(design)) <= names(promising(design)) <= names(design.candidates())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("e4m3", {"exponent_shift"}),
        ("int8", {"baugh_wooley", "booth"}),
        ("int4", {"baugh_wooley", "booth", "sign_magnitude"}),
        ("e2m1_sp", {"exponent_shift", "shift_add", "sign_magnitude"}),
        # Its values are in ascending order, so flipping a bit of a code does not negate its value.
        ("nf4", {"sign_magnitude", "sign_magnitude_early"}),
    ],
)
def test_likely_architectures_follow_from_the_integers(name, expected):
    fmt = load(name)
    assert names(likely(MacSpec(fmt, fmt))) == expected


def test_an_architecture_that_is_named_is_tried():
    fmt = load("e2m1")
    (only,) = likely(MacSpec(fmt, fmt, "twos_complement"))
    assert only.architecture == "twos_complement"
