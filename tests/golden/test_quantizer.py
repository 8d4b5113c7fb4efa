"""The block quantizer agrees with its definition, also in corner cases.

The module ``scalar`` is the definition: plain Python that computes in exact fractions. A *mirrored*
block holds the codes of its negated values. So the *supernormal*, the extra value in place of
negative zero, has the opposite sign in such a block. A *step* is a block's scale times the format's
quantum, negated in a mirrored block.
"""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.base import UserError
from halfbyte.formats import Format, bundled, load
from halfbyte.golden import Quantized, encode, gemm, quantize, scalar
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat

SMALLEST_SUBNORMAL = 2.0**-149
LARGEST_FLOAT = (2 - 2.0**-23) * 2.0**127
NARROW = [fmt for fmt in bundled() if fmt.bits < 8]

finite_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def exact(row: torch.Tensor) -> list[Fraction]:
    return [Fraction(value) for value in row.tolist()]


def assert_as_defined(x: torch.Tensor, fmt: Format, block: int) -> None:
    """Assert that codes, scales, steps and values of ``x`` (rows, K) agree with the definition."""
    quantized = quantize(x, fmt, block=block)
    values = quantized.dequantize()
    for index, row in enumerate(x):
        codes, scales = scalar.quantize(exact(row), fmt, block)
        assert quantized.codes[index].tolist() == codes
        assert exact(quantized.scales[index]) == scales
        assert exact(quantized.steps[index]) == [scalar.step(scale, fmt) for scale in scales]
        assert exact(values[index]) == scalar.dequantize(codes, scales, fmt, block)


@pytest.mark.parametrize("fmt", NARROW, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize(("length", "block"), [(1, 128), (31, 8), (32, 16), (13, 1), (7, 7)])
def test_rows_are_quantized_as_defined(fmt: Format, length: int, block: int) -> None:
    generator = torch.Generator().manual_seed(length)
    assert_as_defined(torch.randn(3, length, generator=generator), fmt, block)


@given(st.sampled_from(NARROW), st.lists(finite_floats, min_size=1, max_size=9), st.integers(1, 10))
def test_any_finite_row_is_quantized_as_defined(
    fmt: Format, numbers: list[float], block: int
) -> None:
    assert_as_defined(torch.tensor([numbers], dtype=torch.float32), fmt, block)


@pytest.mark.parametrize("fmt", NARROW, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 11, 100])
def test_subnormal_blocks_are_quantized_as_defined(fmt: Format, count: int) -> None:
    row = torch.arange(-count, count + 1, dtype=torch.float32) * SMALLEST_SUBNORMAL
    assert_as_defined(row[None], fmt, len(row))


@pytest.mark.parametrize("fmt", NARROW, ids=lambda fmt: fmt.name)
def test_the_largest_floats_are_quantized_as_defined(fmt: Format) -> None:
    row = torch.tensor([[LARGEST_FLOAT, -LARGEST_FLOAT, 1.0, 0.3 * LARGEST_FLOAT]])
    assert_as_defined(row, fmt, 4)


def test_a_block_of_zeros_has_scale_one() -> None:
    quantized = quantize(torch.tensor([[0.0, -0.0, 7.0]]), load("int4"), block=2)
    assert quantized.scales.tolist() == [[1.0, 1.0]]
    assert quantized.codes.tolist() == [[0, 0, 7]]


def test_a_scale_that_underflows_is_one() -> None:
    quantized = quantize(torch.tensor([SMALLEST_SUBNORMAL]), load("int4"))
    assert (quantized.scales.tolist(), quantized.codes.tolist()) == ([1.0], [0])


def test_the_scale_is_absmax_over_the_maximum_of_the_format() -> None:
    # The values of E2M1 with super-range are from -6 to 8. The scale is absmax / 8.
    quantized = quantize(torch.tensor([-8.0, 4.0]), load("e2m1_sr"))
    assert quantized.scales.tolist() == [1.0]
    assert quantized.dequantize().tolist() == [-6.0, 4.0]


def test_a_short_last_block_has_its_own_scale() -> None:
    quantized = quantize(torch.tensor([[70.0, 7.0, 0.7]]), load("int4"), block=2)
    assert quantized.scales.tolist() == torch.tensor([[10.0, 0.1]]).tolist()
    assert quantized.codes.tolist() == [[7, 1, 7]]


def test_without_a_block_size_a_row_is_one_block() -> None:
    x = torch.randn(4, 300)
    whole, stated = quantize(x, load("e2m1"), block=None), quantize(x, load("e2m1"), block=300)
    assert whole.scales.shape == (4, 1)
    assert torch.equal(whole.scales, stated.scales)
    assert torch.equal(whole.codes, stated.codes)


@pytest.mark.parametrize("shape", [(5,), (0,), (0, 4), (3, 0), (2, 3, 130)])
@pytest.mark.parametrize("block", [4, 128, None])
def test_any_shape_is_kept(shape: tuple[int, ...], block: int | None) -> None:
    x = torch.randn(shape)
    quantized = quantize(x, load("sf4"), block=block)
    assert quantized.shape == quantized.dequantize().shape == shape
    assert quantized.codes.is_contiguous()
    assert quantized.dequantize().dtype == quantized.scales.dtype == torch.float32


def test_other_precisions_are_rounded_to_fp32_first() -> None:
    x = torch.randn(2, 200, dtype=torch.float64)
    fmt = load("e2m1")
    for wide in (x, x.to(torch.bfloat16), x.to(torch.float16)):
        quantized, reference = quantize(wide, fmt), quantize(wide.to(torch.float32), fmt)
        assert torch.equal(quantized.codes, reference.codes)
        assert torch.equal(quantized.scales, reference.scales)


def test_parameters_that_require_gradients_can_be_quantized() -> None:
    weight = torch.nn.Parameter(torch.randn(3, 5))
    assert not quantize(weight, load("int4")).scales.requires_grad


def test_quantizing_values_of_the_format_changes_nothing() -> None:
    fmt = load("e2m1_sp")
    x = torch.tensor([float(value) for value in fmt.values]) * 0.25
    assert torch.equal(quantize(x, fmt).dequantize(), x)
    assert torch.equal(quantize(x, fmt).codes, encode(x * 4, fmt))


def test_nan_and_infinity_are_refused() -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf, 0.0])
    with pytest.raises(ValueError, match=r"not NaN \(1 of 4\) or infinities \(2 of 4\)"):
        quantize(x, load("int4"))
    with pytest.raises(ValueError, match=r"not NaN \(0 of 1\) or infinities \(1 of 1\)"):
        quantize(torch.tensor([1e39], dtype=torch.float64), load("int4"))


def test_a_scale_that_overflows_is_refused() -> None:
    small = tuple(value / 10**6 for value in load("int4").values)
    fmt = Format(name="small", title="Small", bits=4, values=small)
    with pytest.raises(UserError, match="small: a block scale exceeds FP32"):
        quantize(torch.tensor([3e38]), fmt)


@pytest.mark.parametrize(("block", "error"), [(0, ValueError), (2.0, TypeError), (True, TypeError)])
def test_a_block_size_must_be_a_positive_integer(block: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="block must be"):
        quantize(torch.zeros(4), load("int4"), block=block)


def test_only_floating_point_tensors_with_a_dimension_are_quantized() -> None:
    with pytest.raises(TypeError, match=r"floating-point tensor, not torch.int64"):
        quantize(torch.zeros(4, dtype=torch.int64), load("int4"))
    with pytest.raises(ValueError, match="at least one dimension, not 0"):
        quantize(torch.tensor(1.0), load("int4"))


def test_a_quantized_tensor_checks_its_parts() -> None:
    codes, scales, fmt = torch.zeros(2, 5, dtype=torch.uint8), torch.ones(2, 2), load("int4")
    assert Quantized(codes, scales, fmt, 4).shape == (2, 5)
    with pytest.raises(ValueError, match=r"must have the shape \(2, 2\), not \(2, 1\)"):
        Quantized(codes, scales[:, :1], fmt, 4)
    with pytest.raises(ValueError, match="positive and finite"):
        Quantized(codes, scales * 0, fmt, 4)
    with pytest.raises(ValueError, match="positive and finite"):
        Quantized(codes, scales * math.inf, fmt, 4)
    with pytest.raises(TypeError, match="float32"):
        Quantized(codes, scales.double(), fmt, 4)
    with pytest.raises(ValueError, match="below 16, not 16"):
        Quantized(codes + 16, scales, fmt, 4)
    with pytest.raises(ValueError, match="at least one dimension"):
        Quantized(torch.tensor(1, dtype=torch.uint8), torch.tensor(1.0), fmt, 4)


@pytest.mark.parametrize("fmt", NARROW, ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("scale_format", list(ScaleFormat))
def test_codes_encode_values_over_the_stored_scale(fmt: Format, scale_format: ScaleFormat) -> None:
    x = torch.randn(3, 70, generator=torch.Generator().manual_seed(3))
    quantized = quantize(x, fmt, block=32, scale_format=scale_format, clip=0.9)
    scales = quantized.scales.repeat_interleave(32, dim=-1)[:, :70]
    assert torch.equal(quantized.codes, encode(x / scales, fmt))
    assert quantized.mirrored is None


def test_a_clip_for_each_block_equals_quantizing_blocks_one_by_one() -> None:
    x, clip = torch.randn(2, 12), torch.tensor([[0.9, 0.8, 0.7], [1.0, 0.6, 0.5]])
    together = quantize(x, load("sf4"), block=4, clip=clip).dequantize()
    for row in range(2):
        for b in range(3):
            part = x[row, 4 * b : 4 * b + 4]
            alone = quantize(part, load("sf4"), block=4, clip=clip[row, b].item()).dequantize()
            assert torch.equal(together[row, 4 * b : 4 * b + 4], alone)


@pytest.mark.parametrize("clip", [0.0, -1.0, 1.01, math.nan, torch.tensor([0.5, 0.0])])
def test_a_clip_outside_its_range_is_refused(clip: float | torch.Tensor) -> None:
    with pytest.raises(ValueError, match="clip must be above 0 and at most 1"):
        quantize(torch.ones(4), load("int4"), block=2, clip=clip)
    with pytest.raises(TypeError, match=r"not torch.float64"):
        quantize(torch.ones(4), load("int4"), clip=torch.tensor(0.5, dtype=torch.float64))


def test_a_mirrored_block_gives_the_supernormal_the_other_sign() -> None:
    x = torch.tensor([[-8.0, 4.0, 8.0, 4.0, 0.0, 0.0]])
    quantized = quantize(x, load("e2m1_sr"), block=2, supernormal_sign=SupernormalSign.BLOCK)
    assert quantized.mirrored is not None
    assert quantized.mirrored.tolist() == [[True, False, False]]
    assert torch.equal(quantized.dequantize(), x)
    assert quantized.steps.tolist() == [[-0.5, 0.5, 0.5]]


@given(st.sampled_from(NARROW), st.lists(finite_floats, min_size=1, max_size=9), st.integers(1, 10))
def test_mirroring_increases_no_error(fmt: Format, numbers: list[float], block: int) -> None:
    x = torch.tensor([numbers], dtype=torch.float32)
    plain = quantize(x, fmt, block=block)
    signed = quantize(x, fmt, block=block, supernormal_sign=SupernormalSign.BLOCK)
    negated = quantize(-x, fmt, block=block)
    assert torch.equal(signed.scales, plain.scales)
    assert signed.mirrored is not None
    chosen = signed.mirrored.repeat_interleave(block, dim=-1)[:, : x.shape[1]]
    assert torch.equal(signed.codes, torch.where(chosen, negated.codes, plain.codes))
    # Errors in units of the scale, in double precision. The quantizer compares them in FP32, so it
    # may choose the worse sign if they differ by less than 1e-5.
    scales = plain.scales.double().repeat_interleave(block, dim=-1)[:, : x.shape[1]]
    errors = [
        ((each.dequantize().double() - x.double()) / scales).square().sum().item()
        for each in (signed, plain)
    ]
    assert errors[0] <= errors[1] * (1 + 1e-5) + 1e-5


def test_symmetric_formats_have_no_mirrored_blocks() -> None:
    quantized = quantize(torch.randn(8, 256), load("e2m1"), supernormal_sign=SupernormalSign.BLOCK)
    assert quantized.mirrored is not None
    assert not bool(quantized.mirrored.any())


def test_the_matrix_product_takes_mirrored_blocks_into_account() -> None:
    generator = torch.Generator().manual_seed(4)
    a, w = torch.randn(5, 48, generator=generator), torch.randn(7, 48, generator=generator)
    a_codes, w_codes = (
        quantize(each, load("e2m1_sr"), block=16, supernormal_sign=SupernormalSign.BLOCK)
        for each in (a, w)
    )
    assert w_codes.mirrored is not None
    assert bool(w_codes.mirrored.any())
    exact_product = a_codes.dequantize().double() @ w_codes.dequantize().double().T
    # In the product, each block's term and each sum are rounded to FP32.
    assert torch.allclose(gemm(a_codes, w_codes).double(), exact_product, rtol=1e-5, atol=1e-5)


def test_mirrored_blocks_need_a_bool_for_each_scale() -> None:
    codes, scales, fmt = torch.zeros(2, 5, dtype=torch.uint8), torch.ones(2, 2), load("int4")
    with pytest.raises(ValueError, match=r"bool tensor of shape \(2, 2\), not torch.uint8"):
        Quantized(codes, scales, fmt, 4, torch.zeros(2, 2, dtype=torch.uint8))
