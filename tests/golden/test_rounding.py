"""``BlockRounding`` gives exactly the values of the golden quantizer.

It rounds activations in a model's forward pass without computing codes.
"""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.accuracy.recipes import Operand
from halfbyte.base import UserError
from halfbyte.formats import Format, bundled, load
from halfbyte.golden import encode, quantize
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.rounding import BlockRounding
from halfbyte.golden.scales import ScaleFormat

finite_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
operands = st.builds(
    Operand,
    block=st.sampled_from([None, 1, 3, 8]),
    scale_format=st.sampled_from(list(ScaleFormat)),
    supernormal_sign=st.sampled_from(list(SupernormalSign)),
)


def assert_as_golden(x: torch.Tensor, fmt: Format, operand: Operand, clip: float = 1.0) -> None:
    golden = quantize(
        x,
        fmt,
        block=operand.block,
        scale_format=operand.scale_format,
        clip=clip,
        supernormal_sign=operand.supernormal_sign,
    )
    assert torch.equal(BlockRounding(fmt, operand)(x, clip), golden.dequantize())


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
@pytest.mark.parametrize("sign", list(SupernormalSign))
@pytest.mark.parametrize("scale_format", list(ScaleFormat))
def test_random_tensors_are_rounded_as_in_the_golden_model(
    fmt: Format, sign: SupernormalSign, scale_format: ScaleFormat
) -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(16, 150, generator=generator)
    x *= torch.exp(4 * torch.randn(16, 1, generator=generator))
    for block, clip in ((32, 1.0), (128, 0.9), (None, 1.0)):
        assert_as_golden(x, fmt, Operand(None, block, scale_format, supernormal_sign=sign), clip)


@given(st.sampled_from(bundled()), operands, st.lists(finite_floats, min_size=1, max_size=9))
def test_any_finite_row_is_rounded_as_in_the_golden_model(
    fmt: Format, operand: Operand, numbers: list[float]
) -> None:
    x = torch.tensor([numbers], dtype=torch.float32)
    try:
        quantize(x, fmt, block=operand.block)
    except UserError:
        with pytest.raises(UserError, match="a block scale exceeds FP32"):
            BlockRounding(fmt, operand)(x)
    else:
        assert_as_golden(x, fmt, operand)


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_the_nearest_value_is_right_around_every_midpoint(fmt: Format) -> None:
    values = sorted({float(value) for value in fmt.values})
    points = [*values, 0.0, -0.0, math.inf, -math.inf, 1e-45, -1e-45, 3.4e38, -3.4e38]
    points += [(low + high) / 2 for low, high in itertools.pairwise(values)]
    x = torch.tensor(points, dtype=torch.float32)
    infinity = torch.tensor(math.inf)
    x = torch.cat([x, torch.nextafter(x, infinity), torch.nextafter(x, -infinity)])
    expected = torch.tensor(fmt.integers, dtype=torch.float32)[encode(x, fmt).int()]
    assert torch.equal(BlockRounding(fmt, Operand()).nearest(x), expected)


def test_values_too_close_for_the_look_up_table_are_rounded_correctly() -> None:
    text = [-(2**20) + 1, 0, 2**20 - 2, 2**20 - 1]
    fmt = Format("close", "Close", 2, tuple(load("int4").quantum * value for value in text))
    x = torch.tensor([[2.0**20 - 1, 2.0**20 - 1.5, 2.0**20 - 1.4375, -3.0]])
    assert_as_golden(x, fmt, Operand())


@pytest.mark.parametrize("shape", [(5,), (0,), (0, 4), (3, 0), (2, 3, 130)])
@pytest.mark.parametrize("block", [4, 128, None])
def test_any_shape_is_kept(shape: tuple[int, ...], block: int | None) -> None:
    assert_as_golden(torch.randn(shape), load("sf4"), Operand(block=block))


def test_strided_tensors_are_rounded_correctly() -> None:
    assert_as_golden(torch.randn(150, 6).T, load("e2m1"), Operand(block=32))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    x = torch.ones(2, 200)
    x[1, 150] = value
    with pytest.raises(UserError, match="must be finite"):
        BlockRounding(load("int4"), Operand())(x)


@pytest.mark.parametrize("sign", list(SupernormalSign))
def test_rounding_column_by_column_on_a_grid_gives_the_same_values(sign: SupernormalSign) -> None:
    x = torch.randn(6, 40, generator=torch.Generator().manual_seed(6))
    rounding = BlockRounding(load("e2m1_sr"), Operand(block=16, supernormal_sign=sign))
    grid = rounding.grid(x, 0.9)
    columns = [
        rounding.nearest(x[:, i] / grid.scales[:, i // 16]) * grid.steps[:, i // 16]
        for i in range(40)
    ]
    assert torch.equal(torch.stack(columns, dim=1), rounding(x, 0.9))
