"""Compares the kernels' block scales with PyTorch's float types and with the golden model.

A threshold is a number at which the rounded scale changes.
"""

from fractions import Fraction

import pytest
import torch

from halfbyte.formats import Format, load
from halfbyte.golden.scales import ScaleFormat, block_scales
from halfbyte.gpu_ref.cases import absmax_near_thresholds
from halfbyte.gpu_ref.quantizer import scales_of


@pytest.fixture(scope="module")
def unit() -> Format:
    """A format whose largest value is 1: a block's scale is then its rounded absmax."""
    values = tuple(Fraction(value) for value in (0, 1, -1, Fraction(1, 2)))
    return Format(name="unit", title="Unit", bits=2, values=values)


def around(points: torch.Tensor, steps: int = 3) -> torch.Tensor:
    """The points and ``steps`` float32 numbers on each side, if they are positive and finite."""
    bits = points.to(torch.float32).view(torch.int32).unsqueeze(1)
    near = (bits + torch.arange(-steps, steps + 1, dtype=torch.int32)).view(torch.float32).ravel()
    return near[(near > 0) & near.isfinite()]


def values_of(dtype: torch.dtype) -> torch.Tensor:
    """Every positive finite value of a type of 8 or 16 bits, ascending."""
    if dtype.itemsize == 1:
        all_codes = torch.arange(256, dtype=torch.uint8).view(dtype)
    else:
        all_codes = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(dtype)
    values = all_codes.to(torch.float32)
    return values[(values > 0) & values.isfinite()].sort().values


def thresholds(dtype: torch.dtype) -> torch.Tensor:
    """The float32 numbers at and around each value of the type, and each midpoint of neighbours."""
    values = values_of(dtype).double()
    middles = (values[1:] + values[:-1]) / 2
    return around(torch.cat((values, middles)).float())


def test_e4m3_rounds_as_pytorch_at_every_threshold(unit):
    x = thresholds(torch.float8_e4m3fn)
    x = x[x <= 448]
    # With a tensor whose absmax is 448, the tensor's own scale is 1.
    ours = scales_of(x, unit, ScaleFormat.E4M3, tensor_absmax=448.0)
    theirs = x.clamp_min(2.0**-9).to(torch.float8_e4m3fn).float()
    assert len(x) > 1500
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("rule", "dtype"),
    [(ScaleFormat.FP16, torch.float16), (ScaleFormat.BF16, torch.bfloat16)],
)
def test_half_precision_scales_round_as_pytorch_at_every_threshold(unit, rule, dtype):
    x = thresholds(dtype)
    values = values_of(dtype)
    theirs = x.to(dtype).float().clamp(values[0], values[-1])
    assert torch.equal(scales_of(x, unit, rule), theirs)


def test_e8m0_is_the_power_of_two_below_or_above(unit):
    powers = torch.tensor([2.0**exponent for exponent in range(-149, 128)])
    x = around(torch.cat((powers, powers[1:] * 1.5)).clamp(max=3e38))
    down = scales_of(x, unit, ScaleFormat.E8M0_FLOOR)
    up = scales_of(x, unit, ScaleFormat.E8M0_UP)
    # Both are values of PyTorch's E8M0, and PyTorch rounds to one of them.
    for scales in (down, up):
        assert torch.equal(scales.to(torch.float8_e8m0fnu).float(), scales)
    inside = (x >= 2.0**-127) & (x <= 2.0**127)
    assert bool(((down <= x) & (x < 2 * down.double()))[inside].all())
    assert bool(((up >= x) & (up.double() / 2 < x))[inside].all())
    nearest = x.to(torch.float8_e8m0fnu).float()
    assert bool(((nearest == down) | (nearest == up))[inside].all())
    exact = x == down
    assert torch.equal(up[exact & inside], nearest[exact & inside])
    assert bool((down[x < 2.0**-127] == 2.0**-127).all())


def test_scales_are_exact_if_the_largest_value_is_not_a_power_of_two(unit):
    # The largest value is 6. So an absmax of 6 needs a scale of 1, and the next float needs 2.
    fmt = load("e2m1")
    six = torch.tensor([6.0])
    above = torch.nextafter(six, torch.tensor(torch.inf))
    assert scales_of(six, fmt, ScaleFormat.E8M0_UP).item() == 1
    assert scales_of(above, fmt, ScaleFormat.E8M0_UP).item() == 2


def test_a_scale_that_underflows_is_the_smallest_or_1(unit):
    tiny = torch.tensor([2.0**-149])
    fmt = load("int8")
    smallest = {
        ScaleFormat.FP16: 2.0**-24,
        ScaleFormat.BF16: 2.0**-133,
        ScaleFormat.E8M0_FLOOR: 2.0**-127,
        ScaleFormat.E8M0_UP: 2.0**-127,
    }
    for rule, expected in smallest.items():
        assert scales_of(tiny, fmt, rule, clip=0.3).item() == expected
    assert scales_of(tiny, fmt, ScaleFormat.FP32, clip=0.3).item() == 1


@pytest.mark.parametrize("name", ["e2m1", "int4", "sf4", "e2m1_sp"])
@pytest.mark.parametrize("rule", list(ScaleFormat), ids=lambda rule: rule.value)
def test_every_rule_agrees_with_the_golden_model(rule, name):
    fmt = load(name)
    absmax = absmax_near_thresholds(fmt, rule)
    for clip in (1.0, 0.7):
        ours = scales_of(absmax, fmt, rule, clip=clip)
        assert torch.equal(ours, block_scales(absmax, fmt, rule, clip))
