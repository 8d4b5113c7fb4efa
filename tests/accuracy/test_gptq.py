"""GPTQ, which rounds weights one after another and corrects each error in the weights that follow.

A layer's output errors are smaller than with rounding to nearest, for equal formats and scales.
"""

import dataclasses

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from halfbyte.accuracy.recipes import Operand, Recipe, load_recipe, quantized
from halfbyte.accuracy.recipes.gptq import gptq
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.golden.layers import weight_matrices
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.rounding import BlockRounding
from halfbyte.golden.scales import ScaleFormat

NEAREST = load_recipe("w4").with_block(32)
GPTQ = load_recipe("w4_gptq").with_block(32)


def correlated(rows: int, width: int) -> torch.Tensor:
    """Inputs that have a few directions in common, as real activations do."""
    return torch.randn(rows, 8) @ torch.randn(8, width) + 0.3 * torch.randn(rows, width)


def output_error(model, inputs, recipe, fmt="int4", calibration=None) -> float:
    """Sum of squared output errors of the quantized model on ``inputs``.

    The recipe is calibrated on ``calibration``, by default on ``inputs``.
    """
    expected = model(inputs)
    data = inputs if calibration is None else calibration
    with quantized(load(fmt), recipe, weight_matrices(model), lambda: model(data)):
        return float((model(inputs) - expected).square().sum())


@pytest.mark.parametrize("fmt", ["int4", "e2m1_sp", "sf4"])
@torch.no_grad()
def test_output_errors_shrink_on_inputs_that_calibration_has_not_seen(fmt):
    torch.manual_seed(10)
    model = nn.Sequential(nn.Linear(96, 64), nn.GELU(), nn.Linear(64, 32))
    data = correlated(1200, 96)
    seen, unseen = data[:1000], data[1000:]
    nearest = output_error(model, unseen, NEAREST, fmt)
    assert output_error(model, unseen, GPTQ, fmt, seen) < 0.7 * nearest


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Conv1D(24, 64), None),
        (lambda: nn.Conv1d(64, 24, 1), (20, 64, 30)),
        (lambda: nn.Conv2d(64, 24, 1), (20, 64, 5, 6)),
    ],
    ids=["Conv1D", "Conv1d", "Conv2d"],
)
@torch.no_grad()
def test_output_errors_shrink_for_other_kinds_of_layers(make, shape):
    torch.manual_seed(11)
    model, inputs = make(), correlated(600, 64)
    nn.init.normal_(model.weight)
    if shape:
        inputs = inputs.reshape(shape[0], -1, 64).mT.reshape(shape)
    assert output_error(model, inputs, GPTQ) < 0.7 * output_error(model, inputs, NEAREST)


@torch.no_grad()
def test_output_errors_shrink_for_convolutions_with_large_kernels_and_groups():
    torch.manual_seed(12)
    model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3, groups=4))
    inputs = correlated(4 * 64, 8).reshape(4, 8, 8, 8).movedim(-1, 1)
    assert output_error(model, inputs, GPTQ) < output_error(model, inputs, NEAREST)


@torch.no_grad()
def test_recurrent_layers_are_rounded_to_nearest():
    torch.manual_seed(13)
    cells, inputs = nn.LSTM(16, 8), torch.randn(5, 3, 16)
    found = []
    for recipe in (NEAREST, GPTQ):
        with quantized(load("int4"), recipe, weight_matrices(cells), lambda: cells(inputs)):
            found.append(cells(inputs)[0])
    assert torch.equal(*found)


@pytest.mark.parametrize("sign", list(SupernormalSign))
@pytest.mark.parametrize("scale_format", list(ScaleFormat))
def test_results_lie_on_the_grid_of_the_original_weights(scale_format, sign):
    torch.manual_seed(14)
    weight, inputs = torch.randn(6, 40), correlated(200, 40)
    operand = Operand(block=16, scale_format=scale_format, supernormal_sign=sign)
    rounding = BlockRounding(load("e2m1_sr"), operand)
    found = gptq(weight, (inputs.T @ inputs).double(), rounding)
    steps = rounding.grid(weight).steps.repeat_interleave(16, dim=1)[:, :40]
    integers = (found.double() / steps.double()).round()
    assert set(integers.unique().tolist()) <= set(map(float, rounding.format.integers))
    assert torch.equal(integers.float() * steps, found)


def test_uncorrelated_inputs_give_rounding_to_nearest():
    torch.manual_seed(15)
    weight, rounding = torch.randn(6, 200), BlockRounding(load("sf4"), Operand(block=64))
    found = gptq(weight, torch.eye(200, dtype=torch.float64), rounding)
    assert torch.equal(found, rounding(weight))


def test_inputs_that_are_always_zero_do_no_harm():
    torch.manual_seed(16)
    weight, inputs = torch.randn(6, 40), correlated(200, 40)
    inputs[:, 3] = 0
    rounding = BlockRounding(load("int4"), Operand(block=16))
    found = gptq(weight, (inputs.T @ inputs).double(), rounding)
    assert torch.equal(found[:, 3], rounding(weight)[:, 3])
    nothing = gptq(weight, torch.zeros(40, 40, dtype=torch.float64), rounding)
    assert torch.equal(nothing, rounding(weight))


@torch.no_grad()
def test_smoothing_and_gptq_work_together():
    torch.manual_seed(17)
    model, inputs = nn.Linear(64, 32), correlated(500, 64)
    inputs[:, 5] *= 30
    operand = Operand(block=32)
    plain, both = (
        Recipe("a", "", operand, operand, smooth=smooth, gptq=gptq)
        for smooth, gptq in ((None, False), (0.5, True))
    )
    assert output_error(model, inputs, both) < 0.7 * output_error(model, inputs, plain)


@torch.no_grad()
def test_calibration_is_asked_for_and_must_reach_the_layer():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    before = model[0].weight.clone()
    for calibrate, message in (
        (None, "Recipe w4_gptq_b32 needs calibration text"),
        (lambda: None, "The calibration text must reach layers, but reaches none of 2, such as 0"),
        (
            lambda: model(torch.full((2, 8), torch.nan)),
            "Layer 0: calibration inputs must be finite",
        ),
    ):
        with (
            pytest.raises(UserError, match=message),
            quantized(load("int4"), GPTQ, weight_matrices(model), calibrate),
        ):
            pass
    assert torch.equal(model[0].weight, before)
    assert not any(layer._forward_pre_hooks for layer in model)


@torch.no_grad()
def test_calibration_runs_the_unquantized_model():
    torch.manual_seed(18)
    model, inputs = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), torch.randn(4, 8)
    expected, seen = model(inputs), []
    with quantized(load("int4"), GPTQ, weight_matrices(model), lambda: seen.append(model(inputs))):
        assert torch.equal(seen[0], expected)
        assert not torch.equal(model(inputs), expected)


@torch.no_grad()
def test_a_layer_that_nothing_reaches_is_rounded_to_nearest_and_named():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    matrices, data = weight_matrices(model), torch.randn(40, 8)
    with quantized(load("int4"), GPTQ, matrices, lambda: model[0](data)) as noise:
        assert noise.not_calibrated == ("1",)
        calibrated, other = (layer.weight.clone() for layer in model)
    plain = dataclasses.replace(GPTQ, gptq=False)
    with quantized(load("int4"), plain, matrices) as noise:
        assert noise.not_calibrated == ()
        assert torch.equal(model[1].weight, other)
        assert not torch.equal(model[0].weight, calibrated)
