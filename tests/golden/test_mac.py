"""The tensor code for products, dot products and MACs agrees with the definition.

The module ``scalar`` is the definition: plain Python that computes one value at a time.
"""

from itertools import product as pairs
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfbyte.formats import Format, Overflow, bundled, load, lossless_acc_width
from halfbyte.golden import dot, mac_stream, product, scalar

INT4, INT8, E2M1 = load("int4"), load("int8"), load("e2m1")
FOUR_BIT = [fmt for fmt in bundled() if fmt.bits == 4]
MIXED = [(load("sf4"), INT8), (INT8, load("e4m3")), (load("int5"), load("e2m3"))]


def codes(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8)


def random_codes(fmt: Format, *shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2**fmt.bits, shape, dtype=torch.uint8, generator=generator)


def name_pair(value: object) -> str:
    return value.name if isinstance(value, Format) else str(value)


@pytest.mark.parametrize(
    ("weight", "activation"), [*((fmt, fmt) for fmt in bundled()), *MIXED], ids=name_pair
)
def test_every_pair_of_codes_has_its_exact_product(weight: Format, activation: Format) -> None:
    w = torch.arange(2**weight.bits, dtype=torch.uint8)
    a = torch.arange(2**activation.bits, dtype=torch.uint8)
    table = product(w[:, None], a[None, :], weight, activation)
    assert table.dtype == torch.int64
    w_integers, a_integers = (
        [scalar.decode_integer(code, fmt) for code in range(2**fmt.bits)]
        for fmt in (weight, activation)
    )
    assert table.flatten().tolist() == [w * a for w, a in pairs(w_integers, a_integers)]
    assert int(table[1, 2]) == scalar.product(1, 2, weight, activation)


@given(st.data())
def test_dot_products_are_the_defined_sums(data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 50))
    row = st.lists(st.integers(0, 15), min_size=length, max_size=length)
    w, a = data.draw(row), data.draw(row)
    for fmt in FOUR_BIT:
        assert int(dot(codes(w), codes(a), fmt, fmt)) == scalar.dot(w, a, fmt, fmt)


def test_dot_takes_leading_dimensions() -> None:
    w, a = random_codes(INT4, 3, 1, 9), random_codes(INT8, 5, 9)
    sums = dot(w, a, INT4, INT8)
    assert sums.shape == (3, 5)
    assert int(sums[2, 4]) == scalar.dot(w[2, 0].tolist(), a[4].tolist(), INT4, INT8)


def test_dot_refuses_lengths_that_differ() -> None:
    for short in (random_codes(INT4, 1), random_codes(INT4), random_codes(INT4, 4)):
        with pytest.raises(ValueError, match="same length"):
            dot(short, random_codes(INT4, 3), INT4, INT4)


def assert_stream_as_defined(w: list[int], a: list[int], clear: list[bool], **design: Any) -> None:
    seen = mac_stream(codes(w), codes(a), torch.tensor(clear, dtype=torch.bool), **design)
    assert seen.dtype == torch.int64
    assert seen.tolist() == scalar.mac_stream(w, a, clear, **design)


streams = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 15), st.sampled_from([False] * 5 + [True])),
    max_size=60,
)


@settings(max_examples=300)
@given(streams, st.sampled_from(FOUR_BIT), st.sampled_from(Overflow), st.integers(2, 64), st.data())
def test_streams_are_as_defined(
    cycles: list[tuple[int, int, bool]],
    fmt: Format,
    overflow: Overflow,
    acc_width: int,
    data: st.DataObject,
) -> None:
    half = 2 ** (acc_width - 1)
    initial = data.draw(st.integers(-half, half - 1))
    w, a, clear = ([cycle[index] for cycle in cycles] for index in range(3))
    design = {"weight": fmt, "activation": fmt, "acc_width": acc_width, "overflow": overflow}
    assert_stream_as_defined(w, a, clear, initial=initial, **design)


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("acc_width", [2, 7, 12, 17, 64])
@pytest.mark.parametrize(("weight", "activation"), [(E2M1, E2M1), *MIXED], ids=name_pair)
def test_long_streams_are_as_defined(
    weight: Format, activation: Format, acc_width: int, overflow: Overflow
) -> None:
    cycles = 1000
    w, a = random_codes(weight, cycles, seed=1), random_codes(activation, cycles, seed=2)
    clear = torch.rand(cycles, generator=torch.Generator().manual_seed(3)) < 0.02
    assert_stream_as_defined(
        w.tolist(),
        a.tolist(),
        clear.tolist(),
        weight=weight,
        activation=activation,
        acc_width=acc_width,
        overflow=overflow,
    )


@pytest.mark.parametrize("fmt", FOUR_BIT, ids=lambda fmt: fmt.name)
def test_the_worst_sums_of_a_lossless_accumulator_are_exact(fmt: Format) -> None:
    terms = 256
    table = torch.arange(16, dtype=torch.uint8)
    products = product(table[:, None], table[None, :], fmt, fmt).flatten()
    for worst in (int(products.argmin()), int(products.argmax())):
        w, a = (torch.full((terms,), code, dtype=torch.uint8) for code in divmod(worst, 16))
        clear = torch.zeros(terms, dtype=torch.bool)
        clear[0] = True
        width = lossless_acc_width(fmt, fmt, terms)
        design: dict[str, Any] = {"weight": fmt, "activation": fmt, "acc_width": width}
        exact = dot(w, a, fmt, fmt)
        for overflow in Overflow:
            assert torch.equal(mac_stream(w, a, clear, overflow=overflow, **design)[-1], exact)


def test_overflow_wraps_or_saturates() -> None:
    w, a, clear = codes([7] * 4), codes([7] * 4), torch.tensor([True, False, False, False])
    design: dict[str, Any] = {"weight": INT4, "activation": INT4, "acc_width": 8}
    wrapped = mac_stream(w, a, clear, overflow=Overflow.WRAP, **design)
    assert wrapped.tolist() == [49, 98, 147 - 256, 196 - 256]
    saturated = mac_stream(w, a, clear, overflow=Overflow.SATURATE, **design)
    assert saturated.tolist() == [49, 98, 127, 127]


def test_a_product_wider_than_the_accumulator_saturates_on_a_clear() -> None:
    stream = mac_stream(
        codes([8, 0]),
        codes([8, 0]),
        torch.tensor([True, False]),
        weight=INT4,
        activation=INT4,
        acc_width=4,
        overflow=Overflow.SATURATE,
    )
    assert stream.tolist() == [7, 7]


def call(**changes: Any) -> torch.Tensor:
    arguments: dict[str, Any] = {
        "w_codes": codes([1, 2]),
        "a_codes": codes([3, 4]),
        "clear": torch.tensor([True, False]),
        "weight": INT4,
        "activation": INT4,
        "acc_width": 16,
    }
    return mac_stream(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"w_codes": codes([1])}, ValueError, "three vectors of one length"),
        ({"clear": torch.tensor(True)}, ValueError, "three vectors of one length"),
        (
            {"clear": torch.tensor([1, 0])},
            TypeError,
            "clear must be a bool tensor, not torch.int64",
        ),
        ({"clear": [True, False]}, TypeError, "must be tensors, not Tensor, Tensor, list"),
        ({"a_codes": torch.tensor([1, 2])}, TypeError, "must be a uint8 tensor"),
        ({"w_codes": codes([1, 16])}, ValueError, "below 16, not 16"),
        ({"acc_width": 1}, ValueError, "Accumulator width must be 2 to 64, not 1"),
        ({"acc_width": 65}, ValueError, "Accumulator width must be 2 to 64, not 65"),
        ({"acc_width": 16.0}, TypeError, "Accumulator width must be an integer"),
        ({"overflow": "wrap"}, TypeError, "overflow must be an Overflow such as .*, not 'wrap'"),
        ({"initial": 2**15}, ValueError, "initial must be -32768 to 32767, not 32768"),
        ({"initial": 0.5}, TypeError, "initial must be an integer, not 0.5"),
    ],
)
def test_bad_streams_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    assert call().tolist() == [3, 11]
    with pytest.raises(error, match=message):
        call(**changes)
