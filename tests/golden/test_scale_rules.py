"""Test the rules that choose the 8-bit scale of a block.

The code for tensors is tested against the definitions in ``scalar_scales``, which compute one scale
at a time, and against the arithmetic of the software that the rules come from.
"""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.base import UserError
from halfbyte.formats import Format, bundled, load
from halfbyte.golden import gemm, quantize
from halfbyte.golden import scalar_scales as scalar
from halfbyte.golden.dot_unit import fp32_stream
from halfbyte.golden.scales import ScaleFormat, block_scales, scale_blocks
from halfbyte.golden.unit_gemm import unit_gemm

FORMATS = st.sampled_from([fmt for fmt in bundled() if fmt.max_value >= 1])
E8M0 = [rule for rule in ScaleFormat if rule.value.startswith("e8m0")]
E4M3 = [rule for rule in ScaleFormat if rule.has_tensor_scale]
magnitudes = st.floats(min_value=2.0**-149, width=32, allow_nan=False, allow_infinity=False)


def around(points: list[float]) -> torch.Tensor:
    """The points and three floats on each side of each, if they are positive and finite."""
    bits = torch.tensor(points).view(torch.int32).unsqueeze(1)
    near = (bits + torch.arange(-3, 4, dtype=torch.int32)).view(torch.float32).ravel()
    return near[(near > 0) & near.isfinite()]


@pytest.mark.parametrize("rule", E8M0, ids=lambda rule: rule.value)
@pytest.mark.parametrize("name", ["e2m1", "e2m1_sp", "int4", "sf4", "e4m3"])
def test_powers_of_two_are_chosen_as_defined(rule: ScaleFormat, name: str) -> None:
    fmt = load(name)
    largest = float(fmt.max_value)
    powers = [2.0**exponent for exponent in (-149, -128, -127, -126, -1, 0, 1, 100, 126)]
    absmax = around([power * f for power in powers for f in (1.0, 1.5, 1.75, 1.875, largest)])
    absmax = absmax[absmax / largest < 2.0**127]
    expected = [scalar.e8m0_code(Fraction(x), fmt, rule.value) for x in absmax.tolist()]
    found = scale_blocks(absmax, fmt, rule)
    assert found.codes is not None
    assert found.codes.tolist() == expected
    exact = found.codes.numpy().view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    assert np.array_equal(found.values.numpy(), exact)


@given(FORMATS, magnitudes, st.sampled_from(E8M0))
def test_any_magnitude_gets_the_power_of_two_of_the_definition(
    fmt: Format, absmax: float, rule: ScaleFormat
) -> None:
    codes = scale_blocks(torch.tensor([absmax]), fmt, rule).codes
    assert codes is not None
    assert codes.item() == scalar.e8m0_code(Fraction(absmax), fmt, rule.value)


@pytest.mark.parametrize(
    ("absmax", "floor", "ceil", "nearest", "rceil"),
    [
        (4.0, 1, 1, 1, 1),
        (4.1, 1, 2, 1, 1),
        (6.0, 1, 2, 1, 1),
        (6.9, 1, 2, 1, 2),
        (7.0, 1, 2, 2, 2),
        (3.0, 0.5, 1, 0.5, 0.5),
    ],
)
def test_rules_for_e2m1_by_hand(
    absmax: float, floor: float, ceil: float, nearest: float, rceil: float
) -> None:
    names = ("e8m0_floor", "e8m0_ceil", "e8m0_nearest", "e8m0_rceil")
    found = [block_scales(torch.tensor([absmax]), load("e2m1"), ScaleFormat(n)) for n in names]
    assert [scale.item() for scale in found] == [floor, ceil, nearest, rceil]


def test_nearest_is_the_rounding_of_compressed_tensors_for_e2m1() -> None:
    """The function ``round_to_power_2`` of compressed-tensors works on bits of FP32 numbers.

    It adds half a unit of E2M1's mantissa to the mantissa of absmax, and then clears the mantissa.
    """
    absmax = torch.rand(5000, generator=torch.Generator().manual_seed(3)) * 2.0**40
    bits = absmax.view(torch.int32) + (1 << 23 - 1 - 1)
    power = (bits & 0x7F800000).view(torch.float32)
    assert torch.equal(block_scales(absmax, load("e2m1"), ScaleFormat.E8M0_NEAREST), power / 4)


def test_rceil_is_the_rounding_of_cublas_for_ue8m0() -> None:
    """cuBLAS divides absmax by the largest value of the format, in FP32.

    It adds one to the exponent of the quotient if any bit of the quotient's mantissa is set. If the
    quotient is subnormal, it adds one only if the quotient is above 2^-127.
    """
    fmt = load("e2m1")
    absmax = around([6 * 2.0**e for e in range(-148, 124)])
    quotient = (absmax / torch.tensor(6.0)).view(torch.int32)
    exponent, mantissa = quotient >> 23, quotient & 0x7FFFFF
    more = torch.where(exponent > 0, mantissa > 0, mantissa > 0x400000)
    codes = scale_blocks(absmax, fmt, ScaleFormat.E8M0_RCEIL).codes
    assert codes is not None
    assert torch.equal(codes.int(), exponent + more)


@pytest.mark.parametrize("rule", E4M3, ids=lambda rule: rule.value)
@given(fmt=FORMATS, numbers=st.lists(magnitudes, min_size=1, max_size=6))
def test_e4m3_codes_are_chosen_as_defined(
    rule: ScaleFormat, fmt: Format, numbers: list[float]
) -> None:
    absmax = torch.tensor(numbers).clamp_max(2.0**110)
    whole = Fraction(absmax.max().item())
    scale = scalar.e4m3_tensor_scale(whole, fmt, rule.value)
    found = scale_blocks(absmax, fmt, rule)
    assert found.codes is not None
    assert found.tensor_scale is not None
    assert Fraction(found.tensor_scale.item()) == scale
    expected = [scalar.ue4m3_code(Fraction(x), scale, fmt, rule.value) for x in absmax.tolist()]
    assert found.codes.tolist() == expected


def test_the_rule_of_modelopt_divides_in_the_same_order_as_modelopt() -> None:
    absmax = torch.rand(4000, generator=torch.Generator().manual_seed(4)) * 3 + 1e-6
    whole = absmax.max() / (6.0 * 448.0)
    blocks = (absmax / (6.0 * whole)).clamp(2.0**-9, 448.0).to(torch.float8_e4m3fn)
    found = scale_blocks(absmax, load("e2m1"), ScaleFormat.E4M3_MODELOPT)
    assert found.codes is not None
    assert found.tensor_scale is not None
    assert torch.equal(found.tensor_scale, whole)
    assert torch.equal(found.codes, blocks.view(torch.uint8))
    assert torch.equal(found.values, blocks.float() * whole)


@given(magnitudes)
def test_ue5m3_codes_are_chosen_as_defined(absmax: float) -> None:
    fmt = load("e2m1")
    found = scale_blocks(torch.tensor([absmax]), fmt, ScaleFormat.UE5M3)
    assert found.codes is not None
    assert found.codes.item() == scalar.ue5m3_code(Fraction(absmax), fmt)


def test_ue5m3_values_are_those_of_its_codes() -> None:
    codes = np.arange(1, 255)
    exponent, mantissa = codes >> 3, codes & 7
    normal = np.ldexp(1 + mantissa / 8, exponent - 15)
    values = torch.tensor(np.where(exponent == 0, mantissa * 2.0**-17, normal)).float()
    one = Format(name="one", title="One", bits=2, values=(Fraction(0), Fraction(1)) * 2)
    found = scale_blocks(values, one, ScaleFormat.UE5M3)
    assert torch.equal(found.values, values)
    assert found.codes is not None
    assert found.codes.tolist() == codes.tolist()


@pytest.mark.parametrize("rule", [r for r in ScaleFormat if r.bits == 8], ids=lambda r: r.value)
def test_quantized_tensors_keep_the_bytes_of_their_scales(rule: ScaleFormat) -> None:
    x = torch.randn(3, 40, generator=torch.Generator().manual_seed(5))
    quantized = quantize(x, load("e2m1"), block=16, scale_format=rule)
    assert quantized.scale_codes is not None
    assert quantized.scale_codes.shape == quantized.scales.shape == (3, 3)
    assert (quantized.tensor_scale is not None) is rule.has_tensor_scale


@pytest.mark.parametrize("rule", E4M3, ids=lambda rule: rule.value)
def test_a_tensor_in_pieces_is_quantized_as_the_whole(rule: ScaleFormat) -> None:
    x = torch.randn(6, 32, generator=torch.Generator().manual_seed(6))
    fmt, absmax = load("e2m1"), x.abs().amax()
    whole = quantize(x, fmt, block=16, scale_format=rule)
    parts = [
        quantize(piece, fmt, block=16, scale_format=rule, tensor_absmax=absmax)
        for piece in x.split(2)
    ]
    assert torch.equal(torch.cat([part.codes for part in parts]), whole.codes)
    assert torch.equal(torch.cat([part.scales for part in parts]), whole.scales)


def test_flushing_subnormals_is_refused_not_ignored() -> None:
    fmt = load("e2m1")
    tensor = quantize(torch.ones(1, 4), fmt)
    codes, clear = tensor.codes, torch.tensor([True])
    formats = {"weight": fmt, "activation": fmt, "scale": None}
    calls = [
        lambda: quantize(torch.ones(4), fmt),
        lambda: gemm(tensor, tensor),
        lambda: fp32_stream(codes, codes, clear, **formats),
        lambda: unit_gemm(codes, codes, **formats, block=4),
    ]
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        for call in calls:
            with pytest.raises(UserError, match="flushes them to zero"):
                call()
    finally:
        torch.set_flush_denormal(False)


def test_a_default_device_does_not_spoil_the_tables() -> None:
    fmt = Format(name="fresh", title="Fresh", bits=2, values=tuple(map(Fraction, (0, 1, -1, 3))))
    x = torch.tensor([0.2, -3.0, 2.9])
    with torch.device("meta"):
        inside = quantize(x, fmt, block=2)
    assert torch.equal(inside.codes, quantize(x, fmt, block=2).codes)
