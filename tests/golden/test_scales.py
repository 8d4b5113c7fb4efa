"""Scale formats agree with ``ml_dtypes`` and with exact arithmetic."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.base import UserError
from halfbyte.formats import Format, bundled, load
from halfbyte.golden.scales import ScaleFormat, block_scales

SMALLEST_SUBNORMAL = 2.0**-149
E8M0 = (ScaleFormat.E8M0_FLOOR, ScaleFormat.E8M0_UP)
FORMATS = st.sampled_from(bundled())
magnitudes = st.floats(min_value=0, width=32, allow_nan=False, allow_infinity=False)


def samples() -> torch.Tensor:
    """Absolute maxima over the whole range of FP32, subnormals and powers of two among them."""
    generator = torch.Generator().manual_seed(1)
    spread = torch.ldexp(
        torch.rand(4000, generator=generator) + 1,
        torch.randint(-149, 127, (4000,), generator=generator, dtype=torch.int32),
    )
    powers = torch.ldexp(torch.ones(277), torch.arange(-149, 128, dtype=torch.int32))
    return torch.cat([spread, powers])


def test_the_default_is_absmax_over_the_largest_value() -> None:
    absmax = samples()
    scales = block_scales(absmax, load("e2m1"))
    expected = absmax / torch.tensor(6.0)
    assert torch.equal(scales, torch.where(expected == 0, torch.tensor(1.0), expected))


@pytest.mark.parametrize(
    ("scale_format", "dtype", "smallest", "largest"),
    [
        (ScaleFormat.FP16, np.float16, 2.0**-24, 65504.0),
        (ScaleFormat.BF16, ml_dtypes.bfloat16, 2.0**-133, float(ml_dtypes.finfo("bfloat16").max)),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_half_precision_scales_are_rounded_to_nearest_even(
    scale_format: ScaleFormat, dtype: type, smallest: float, largest: float
) -> None:
    absmax = samples()
    single = (absmax / torch.tensor(6.0)).numpy()
    expected = single.astype(dtype).astype(np.float32).clip(smallest, largest)
    scales = block_scales(absmax, load("e2m1"), scale_format)
    assert np.array_equal(scales.numpy(), expected)


def test_e4m3_scales_are_rounded_under_a_tensor_scale() -> None:
    absmax = torch.rand(500, generator=torch.Generator().manual_seed(2)) ** 8 * 12
    absmax[7] = 12.0
    tensor_scale = np.float32(12.0) / np.float32(6.0) / np.float32(448.0)
    ratios = absmax.numpy() / np.float32(6.0) / tensor_scale
    codes = ratios.clip(2.0**-9, 448.0).astype(ml_dtypes.float8_e4m3fn)
    expected = codes.astype(np.float32) * tensor_scale
    scales = block_scales(absmax, load("e2m1"), ScaleFormat.E4M3)
    assert np.array_equal(scales.numpy(), expected)
    assert scales[7] == 2.0


@given(FORMATS, magnitudes.filter(lambda value: value > 0))
def test_the_floor_rule_is_that_of_ocp(fmt: Format, absmax: float) -> None:
    (scale,) = block_scales(torch.tensor([absmax]), fmt, ScaleFormat.E8M0_FLOOR).tolist()
    exponent = math.frexp(absmax)[1] - math.frexp(float(fmt.max_value))[1]
    assert scale == 2.0 ** min(127, max(-127, exponent))


@given(FORMATS, magnitudes.filter(lambda value: value > 0))
def test_rounded_up_scales_are_the_smallest_that_do_not_saturate(
    fmt: Format, absmax: float
) -> None:
    (scale,) = block_scales(torch.tensor([absmax]), fmt, ScaleFormat.E8M0_UP).tolist()
    assert math.frexp(scale)[0] == 0.5
    if scale < 2.0**127:
        assert Fraction(absmax) <= fmt.max_value * Fraction(scale)
    if scale > 2.0**-127:
        assert Fraction(absmax) > fmt.max_value * Fraction(scale) / 2


def test_e8m0_scales_are_values_of_the_ocp_type() -> None:
    for scale_format in E8M0:
        scales = block_scales(samples(), load("int4"), scale_format).numpy()
        assert np.array_equal(scales.astype(ml_dtypes.float8_e8m0fnu).astype(np.float32), scales)


@pytest.mark.parametrize(
    ("absmax", "floor", "up"),
    [(6.0, 1.0, 1.0), (7.9, 1.0, 2.0), (8.0, 2.0, 2.0), (4.0, 1.0, 1.0), (3.9, 0.5, 1.0)],
)
def test_e2m1_scales_by_hand(absmax: float, floor: float, up: float) -> None:
    fmt, tensor = load("e2m1"), torch.tensor([absmax])
    assert block_scales(tensor, fmt, ScaleFormat.E8M0_FLOOR).tolist() == [floor]
    assert block_scales(tensor, fmt, ScaleFormat.E8M0_UP).tolist() == [up]


@given(FORMATS, st.lists(magnitudes, min_size=1, max_size=5), st.sampled_from(list(ScaleFormat)))
def test_scales_are_positive_and_finite(
    fmt: Format, numbers: list[float], scale_format: ScaleFormat
) -> None:
    absmax = torch.tensor(numbers, dtype=torch.float32)
    try:
        scales = block_scales(absmax, fmt, scale_format)
    except UserError:
        assert float(fmt.max_value) < 1
    else:
        assert bool(((scales > 0) & scales.isfinite()).all())


@pytest.mark.parametrize("scale_format", list(ScaleFormat))
def test_a_tensor_of_zeros_has_scale_one(scale_format: ScaleFormat) -> None:
    scales = block_scales(torch.zeros(3), load("sf4"), scale_format)
    assert scales.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("scale_format", "smallest"),
    [
        (ScaleFormat.FP32, 1.0),  # an FP32 scale that underflows becomes 1
        (ScaleFormat.FP16, 2.0**-24),
        (ScaleFormat.BF16, 2.0**-133),
        (ScaleFormat.E8M0_FLOOR, 2.0**-127),
        (ScaleFormat.E8M0_UP, 2.0**-127),
        (ScaleFormat.E4M3, SMALLEST_SUBNORMAL * 448),
    ],
)
def test_a_scale_that_underflows_is_replaced_by_a_positive_scale(
    scale_format: ScaleFormat, smallest: float
) -> None:
    absmax = torch.tensor([SMALLEST_SUBNORMAL])
    scale = block_scales(absmax, load("int4"), scale_format)
    assert 0 < scale.item() <= smallest


@pytest.mark.parametrize("scale_format", list(ScaleFormat))
def test_a_tensor_without_blocks_has_no_scales(scale_format: ScaleFormat) -> None:
    assert block_scales(torch.zeros(2, 0), load("int4"), scale_format).shape == (2, 0)


def test_clipping_shrinks_absmax_before_it_is_rounded() -> None:
    absmax = torch.tensor([[8.0, 7.0]])
    clip = torch.tensor([[0.5, 1.0]])
    single = block_scales(absmax, load("int4"), clip=clip)
    assert single.tolist() == [[float(np.float32(4) / np.float32(7)), 1.0]]
    floor = block_scales(absmax, load("int4"), ScaleFormat.E8M0_FLOOR, clip)
    assert floor.tolist() == [[1.0, 1.0]]
    # Clipping does not change the scale of the tensor. The E4M3 scale of the clipped block is 224.
    e4m3 = block_scales(absmax, load("int4"), ScaleFormat.E4M3, clip)
    assert e4m3[0, 0].item() == pytest.approx(4 / 7, rel=1e-6)


def test_bits_are_those_of_a_stored_scale() -> None:
    assert [each.bits for each in ScaleFormat] == [32, 16, 16, *[8] * 8]


@pytest.mark.parametrize("scale_format", E8M0)
def test_a_block_that_is_clipped_to_zero_has_the_smallest_power_of_two(
    scale_format: ScaleFormat,
) -> None:
    tiny = torch.tensor([SMALLEST_SUBNORMAL])
    assert block_scales(tiny, load("int4"), scale_format, clip=0.3).item() == 2.0**-127
