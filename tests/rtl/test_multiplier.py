"""Every multiplier architecture gives the products of the formats' integers."""

import random
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from halfbyte.formats import Format, bundled, load
from halfbyte.rtl import (
    ARCHITECTURES,
    ArchitectureError,
    applicable_architectures,
    check_architecture,
    multiplier,
)
from halfbyte.rtl.exponent_shift import split_magnitude

EXHAUSTIVE_PAIRS = 2**12
CASES = [
    pytest.param(fmt, name, id=f"{fmt.name}-{name}")
    for fmt in bundled()
    for name in applicable_architectures(fmt, fmt)
]


def code_pairs(weight, activation):
    """All pairs of codes, or some of them if there are too many."""
    pairs = [(w, a) for w in range(2**weight.bits) for a in range(2**activation.bits)]
    if len(pairs) <= EXHAUSTIVE_PAIRS:
        return pairs
    corners = [
        (w, a)
        for w in (0, 1, 2 ** (weight.bits - 1), 2**weight.bits - 1)
        for a in range(2**activation.bits)
    ]
    return corners + random.Random(1).sample(pairs, 200)  # `test_exhaustive` tests more pairs


@pytest.mark.parametrize(("fmt", "architecture"), CASES)
def test_product_is_exact(products, fmt, architecture):
    pairs = code_pairs(fmt, fmt)
    expected = [fmt.integers[w] * fmt.integers[a] for w, a in pairs]
    assert products(architecture, fmt, fmt, pairs) == expected


@pytest.mark.parametrize(
    ("weight", "activation"),
    [("e2m1_sp", "int8"), ("int4", "e2m1_sr"), ("sf4", "e3m0"), ("int4", "int8"), ("int8", "int5")],
)
def test_formats_may_differ(products, weight, activation):
    weight, activation = load(weight), load(activation)
    pairs = code_pairs(weight, activation)
    expected = [weight.integers[w] * activation.integers[a] for w, a in pairs]
    names = applicable_architectures(weight, activation)
    assert len(names) >= 3
    for name in names:
        assert products(name, weight, activation, pairs) == expected, name


@st.composite
def formats(draw):
    """A format of 2 to 8 bits with at most 13 distinct values, so that codes may share a value."""
    bits = draw(st.integers(2, 8))
    palette = draw(st.lists(st.integers(-3000, 3000), min_size=1, max_size=12))
    integers = draw(st.lists(st.sampled_from(palette), min_size=2**bits, max_size=2**bits))
    return Format("mine", "mine", bits, (Fraction(1), *map(Fraction, integers[1:])))


@st.composite
def signed_formats(draw):
    """A format whose top bit is the sign; in some of these formats, a 1 means positive."""
    bits = draw(st.integers(2, 5))
    half = st.lists(st.integers(0, 40), min_size=2 ** (bits - 1), max_size=2 ** (bits - 1))
    positive, negative = [1, *draw(half)[1:]], [-magnitude for magnitude in draw(half)]
    halves = [*negative, *positive] if draw(st.booleans()) else [*positive, *negative]
    return Format("mine", "mine", bits, tuple(map(Fraction, halves)))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(weight=signed_formats(), activation=signed_formats())
def test_either_polarity_of_the_sign_multiplies_exactly(products, weight, activation):
    pairs = code_pairs(weight, activation)
    pairs = random.Random(3).sample(pairs, min(len(pairs), 64))
    expected = [weight.integers[w] * activation.integers[a] for w, a in pairs]
    for name in applicable_architectures(weight, activation):
        assert products(name, weight, activation, pairs) == expected, name


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(weight=formats(), activation=formats())
def test_any_two_formats_multiply_exactly(products, weight, activation):
    pairs = code_pairs(weight, activation)
    pairs = random.Random(2).sample(pairs, min(len(pairs), 100))
    expected = [weight.integers[w] * activation.integers[a] for w, a in pairs]
    for name in applicable_architectures(weight, activation):
        assert products(name, weight, activation, pairs) == expected, name


def test_every_architecture_is_used_by_some_format():
    used = {name for fmt in bundled() for name in applicable_architectures(fmt, fmt)}
    assert used == set(ARCHITECTURES)
    assert all(architecture.description for architecture in ARCHITECTURES.values())


@pytest.mark.parametrize(
    ("architecture", "fmt", "reason"),
    [
        ("product_table", "int8", "a table of 65536 rows, more than 1024"),
        ("shift_add", "int4", "the weight value 7 .in quanta. is a sum of 3 powers of two"),
        ("exponent_shift", "int4", "neither format has an exponent"),
        (
            "baugh_wooley",
            "e2m1",
            "of e2m1 are not two's complement integers: code 0101 .* 6 .*not 5",
        ),
        ("booth", "e3m0", "the codes of e3m0 are not two's complement integers"),
        ("sign_magnitde", "int4", "did you mean sign_magnitude"),
        ("auto", "int4", "Only synthesis .* of these instead: twos_complement, sign_magnitude"),
    ],
)
def test_refusals_give_their_reason(architecture, fmt, reason):
    fmt = load(fmt)
    with pytest.raises(ArchitectureError, match=reason):
        check_architecture(architecture, fmt, fmt)
    with pytest.raises(ArchitectureError, match=reason):
        multiplier(architecture, weight=fmt, activation=fmt)
    assert architecture not in applicable_architectures(fmt, fmt)


@pytest.mark.parametrize("architecture", ["baugh_wooley", "booth"])
@pytest.mark.parametrize("widths", [(2, 2), (2, 7), (3, 2), (3, 3), (6, 3), (7, 4)])
def test_integers_of_any_two_widths_multiply_exactly(products, architecture, widths):
    weight, activation = (integers(bits) for bits in widths)
    pairs = code_pairs(weight, activation)
    expected = [weight.integers[w] * activation.integers[a] for w, a in pairs]
    assert products(architecture, weight, activation, pairs) == expected


def integers(bits):
    half = 1 << (bits - 1)
    values = tuple(Fraction((code ^ half) - half) for code in range(2**bits))
    return Format(f"int{bits}", f"INT{bits}", bits, values)


def test_table_rows_count_only_bits_that_magnitudes_depend_on():
    e2m3 = load("e2m3")  # magnitudes depend on 5 of the 6 bits, so 2^10 rows are enough
    assert "product_table" in applicable_architectures(e2m3, e2m3)
    int8 = load("int8")
    assert "product_table" not in applicable_architectures(load("int4"), int8)


def test_tables_of_signs_are_bounded_like_tables_of_magnitudes():
    """All magnitudes are 1, but the sign depends on every bit of the code."""
    values = tuple(Fraction(random.Random(code).choice((-1, 1))) for code in range(2**8))
    signs = Format("signs", "signs", 8, values)
    with pytest.raises(ArchitectureError, match="a table of 65536 rows, more than 1024"):
        check_architecture("product_table", signs, signs)
    check_architecture("product_table", load("e2m1"), load("e2m1_sr"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": "e2m1"}, "Weight must be a Format, not 'e2m1'"),
        ({"activation": None}, "Activation must be a Format, not None"),
        ({"name": 5}, "Architecture must be a name, not 5"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(change, message):
    fmt = load("e2m1")
    arguments = {"name": "sign_magnitude", "weight": fmt, "activation": fmt, **change}
    with pytest.raises(TypeError, match=message):
        multiplier(**arguments)


def test_magnitudes_split_as_minifloats_do():
    splits = [split_magnitude(magnitude, 2) for magnitude in (0, 1, 2, 3, 4, 6, 8, 12)]
    assert splits == [(0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (2, 2), (3, 2)]
