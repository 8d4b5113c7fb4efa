"""Encoder and decoder agree with the definition, and the encoder with ``ml_dtypes``.

The module ``scalar`` is the definition: plain Python that computes in exact fractions, one value at
a time.
"""

import math
from fractions import Fraction
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.base import UserError
from halfbyte.formats import Format, Ties, bundled, load
from halfbyte.golden import decode, decode_integers, encode, scalar
from halfbyte.golden.codec import nearest_fp32

FORMATS = (*bundled(), load("sf4@6"), load("nf4@16"))
OCP_TYPES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
}

every_format = pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)


def all_codes(fmt: Format) -> torch.Tensor:
    return torch.arange(2**fmt.bits, dtype=torch.uint8)


def with_neighbours(points: list[Fraction], kind: type[np.floating]) -> np.ndarray:
    """The float nearest to each point, and the floats directly below and above it."""
    middle = np.array([float(point) for point in points], dtype=kind)
    below, above = (np.nextafter(middle, kind(end)) for end in (-np.inf, np.inf))
    return np.unique(np.concatenate([below, middle, above]))


def decision_points(fmt: Format) -> list[Fraction]:
    """The values of the format, the midpoints between them, 0, and a point beyond each end."""
    values = sorted(set(fmt.values))
    midpoints = [(lower + upper) / 2 for lower, upper in pairwise(values)]
    return [*values, *midpoints, 3 * values[0], 3 * values[-1], Fraction(0)]


@every_format
def test_decoding_agrees_with_the_definition_on_every_code(fmt: Format) -> None:
    codes = all_codes(fmt)
    integers = [scalar.decode_integer(code, fmt) for code in codes.tolist()]
    assert decode_integers(codes, fmt).tolist() == integers
    rounded = [float(scalar.round_to_fp32(scalar.decode(code, fmt))) for code in codes.tolist()]
    assert decode(codes, fmt).tolist() == rounded


@every_format
def test_every_value_is_encoded_to_its_smallest_code(fmt: Format) -> None:
    codes = encode(decode(all_codes(fmt), fmt), fmt)
    smallest = [fmt.values.index(value) for value in fmt.values]
    assert codes.tolist() == smallest


@every_format
@pytest.mark.parametrize("kind", [np.float32, np.float64], ids=["float32", "float64"])
def test_encoding_agrees_with_the_definition_around_every_decision(
    fmt: Format, kind: type[np.floating]
) -> None:
    points = with_neighbours(decision_points(fmt), kind)
    expected = [scalar.encode(Fraction(float(point)), fmt) for point in points]
    assert encode(torch.from_numpy(points), fmt).tolist() == expected


@given(
    st.sampled_from([fmt for fmt in FORMATS if fmt.bits < 8]),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.booleans(),
)
def test_encoding_agrees_with_the_definition_on_any_float(
    fmt: Format, numbers: list[float], scaled: bool
) -> None:
    if scaled:  # without scaling, most floats are outside the range or near zero
        numbers = [math.remainder(number, 3 * float(fmt.max_value)) for number in numbers]
    x = torch.tensor(numbers, dtype=torch.float32)
    assert encode(x, fmt).tolist() == [scalar.encode(Fraction(n), fmt) for n in x.tolist()]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_encoded_as_its_exact_value(dtype: torch.dtype) -> None:
    fmt = load("e2m1_sp")
    x = torch.linspace(-8, 8, 4001).to(dtype)
    assert torch.equal(encode(x, fmt), encode(x.to(torch.float64), fmt))


@pytest.mark.parametrize("name", OCP_TYPES)
def test_encoding_agrees_with_ml_dtypes(name: str) -> None:
    fmt = load(name)
    limit = np.float32(fmt.max_value)
    random = np.random.default_rng(1).uniform(-limit, limit, 50_000).astype(np.float32)
    small = random * np.float32(2.0**-6)  # includes subnormals of E4M3
    x = np.concatenate([random, small, with_neighbours(decision_points(fmt), np.float32)])
    x = x[np.abs(x) <= limit]  # beyond it, ml_dtypes may give NaN, but our encoder saturates
    theirs = x.astype(OCP_TYPES[name])
    negative_zero = 2 ** (fmt.bits - 1)
    codes = theirs.view(np.uint8)
    expected = np.where(codes == negative_zero, 0, codes)
    assert np.array_equal(encode(torch.from_numpy(x), fmt).numpy(), expected)


@every_format
def test_infinities_saturate(fmt: Format) -> None:
    codes = encode(torch.tensor([math.inf, -math.inf]), fmt)
    assert [fmt.values[code] for code in codes.tolist()] == [fmt.max_value, min(fmt.values)]
    assert not set(codes.tolist()) & set(fmt.nan_codes)


def test_negative_zero_is_zero() -> None:
    assert encode(torch.tensor([-0.0, 0.0]), load("e2m1")).tolist() == [0, 0]


def test_a_tie_goes_down_or_to_the_even_code() -> None:
    ties = torch.tensor([-5.0, -0.25, 0.25, 1.25, 1.75, 5.0])
    down = Format(
        name="down", title="E2M1, ties down", bits=4, values=load("e2m1").values, ties=Ties.DOWN
    )
    assert decode(encode(ties, down), down).tolist() == [-6, -0.5, 0, 1, 1.5, 4]
    even = load("e2m1")
    assert decode(encode(ties, even), even).tolist() == [-4, 0, 0, 1, 2, 4]


def test_encoding_never_gives_nan_codes() -> None:
    fmt = Format(
        name="low_nan",
        title="NaN on the smallest code",
        bits=2,
        values=(Fraction(2), Fraction(-1), Fraction(0), Fraction(2)),
        nan_codes=(0,),
    )
    assert encode(torch.tensor([9.0, 0.0, -9.0]), fmt).tolist() == [3, 2, 1]
    assert scalar.encode(Fraction(9), fmt) == 3


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3, 5)])
def test_any_shape_is_kept(shape: tuple[int, ...]) -> None:
    fmt = load("int4")
    codes = encode(torch.randn(shape), fmt)
    assert codes.shape == decode(codes, fmt).shape == decode_integers(codes, fmt).shape == shape
    assert (codes.dtype, decode(codes, fmt).dtype) == (torch.uint8, torch.float32)


def test_strided_input_is_encoded_like_contiguous_input() -> None:
    x = torch.randn(6, 8).T[::2]
    fmt = load("e2m1")
    assert torch.equal(encode(x, fmt), encode(x.contiguous(), fmt))


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="needs numbers, but 2 of 3 are NaN"):
        encode(torch.tensor([math.nan, 1.0, math.nan]), load("int4"))


@pytest.mark.parametrize(
    ("x", "message"),
    [(torch.tensor([1, 2]), "not torch.int64"), ([1.0], "not list"), (1.5, "not float")],
)
def test_only_floating_point_tensors_are_encoded(x: object, message: str) -> None:
    with pytest.raises(TypeError, match=f"must be a floating-point tensor, {message}"):
        encode(x, load("int4"))  # type: ignore[arg-type]


def test_a_name_is_not_a_format() -> None:
    with pytest.raises(TypeError, match=r"must be a halfbyte.formats.Format, not 'int4'"):
        encode(torch.zeros(3), "int4")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be a halfbyte.formats.Format, not 'int4'"):
        decode(torch.zeros(3, dtype=torch.uint8), "int4")  # type: ignore[arg-type]


@pytest.mark.parametrize("decoder", [decode, decode_integers])
def test_only_codes_of_the_format_are_decoded(decoder: object) -> None:
    assert callable(decoder)
    with pytest.raises(TypeError, match=r"must be a uint8 tensor, not torch.int64"):
        decoder(torch.zeros(3, dtype=torch.int64), load("int4"))
    with pytest.raises(ValueError, match="Codes of int4 must be below 16, not 16"):
        decoder(torch.tensor([3, 16], dtype=torch.uint8), load("int4"))


@pytest.mark.parametrize("factor", [Fraction(10) ** 50, Fraction(1, 10**50)])
def test_values_that_fp32_cannot_hold_are_refused(factor: Fraction) -> None:
    values = tuple(value * factor for value in load("int4").values)
    fmt = Format(name="far", title="Far", bits=4, values=values)
    with pytest.raises(UserError, match=r"far: in FP32 .* rescale the values"):
        encode(torch.zeros(1), fmt)
    assert decode_integers(all_codes(fmt), fmt).tolist() == list(fmt.integers)


@given(st.fractions(min_value=-(10**9), max_value=10**9))
def test_both_roundings_to_fp32_agree(value: Fraction) -> None:
    assert Fraction(nearest_fp32(value)) == scalar.round_to_fp32(value)


def test_rounding_to_fp32_happens_once() -> None:
    # The value is above a midpoint by less than double precision can show. If it were rounded to a
    # double first, it would become a tie.
    value = 1 + Fraction(1, 2**24) + Fraction(1, 2**80)
    assert nearest_fp32(value) == 1 + 2.0**-23
    assert scalar.round_to_fp32(value) == 1 + Fraction(1, 2**23)
