"""SmoothQuant, which divides each channel of a layer's inputs by a constant.

The weights of the channel are multiplied by the same constant. So the layer computes the same
function as before, and its errors become smaller when inputs and weights are rounded.
"""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from halfbyte.accuracy.recipes import Operand, Recipe, load_recipe, quantized
from halfbyte.accuracy.recipes.calibration import LayerInputs
from halfbyte.accuracy.recipes.smoothing import divisors, smoothing_divisors
from halfbyte.formats import load
from halfbyte.golden.layers import weight_matrices


def recipe(smooth: float | str | None) -> Recipe:
    return Recipe("mine", "", Operand(), Operand(), smooth=smooth)


def with_outliers(rows: int, width: int) -> torch.Tensor:
    """Inputs with two channels that are far larger than the others, as in language models."""
    inputs = torch.randn(rows, width)
    inputs[:, 3] *= 40
    inputs[:, 17] *= 25
    return inputs


def output_error(model, inputs, smooth, fmt="int4", calibration=None) -> float:
    """Sum of squared output errors of the quantized model on ``inputs``.

    The recipe is calibrated on ``calibration``, by default on ``inputs``.
    """
    expected = model(inputs)
    data = inputs if calibration is None else calibration
    with quantized(load(fmt), recipe(smooth), weight_matrices(model), lambda: model(data)):
        return float((model(inputs) - expected).square().sum())


def observed(rows: torch.Tensor) -> LayerInputs:
    """What calibration collects about a layer with these input rows."""
    inputs = LayerInputs.none_yet(rows.shape[1])
    inputs.add(rows)
    return inputs


def test_divisors_are_those_of_the_paper():
    inputs = observed(torch.tensor([[4.0, -9.0, 0.0, 1.0], [-16.0, 1.0, 0.0, 1.0]]))
    weight = torch.tensor([[1.0, 4.0, 2.0, 0.0], [-4.0, 1.0, 2.0, 0.0]])
    assert divisors(inputs, weight, 0.5).tolist() == [2.0, 1.5, 1.0, 1.0]
    assert divisors(inputs, weight, 1.0).tolist() == [16.0, 9.0, 1.0, 1.0]
    assert divisors(inputs, weight, 0.0).tolist() == [0.25, 0.25, 1.0, 1.0]


@pytest.mark.parametrize("smooth", [0.5, "search"])
@pytest.mark.parametrize("fmt", ["int4", "e2m1_sp"])
@torch.no_grad()
def test_outliers_do_less_harm_on_inputs_that_calibration_has_not_seen(smooth, fmt):
    torch.manual_seed(20)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
    seen, unseen = with_outliers(300, 64), with_outliers(100, 64)
    plain = output_error(model, unseen, None, fmt)
    assert output_error(model, unseen, smooth, fmt, seen) < 0.6 * plain


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: Conv1D(16, 64), (300, 64)),
        (lambda: nn.Conv1d(64, 16, 3), (10, 30, 64)),
        (lambda: nn.Conv2d(64, 16, 3), (10, 5, 6, 64)),
        (lambda: nn.Conv2d(64, 16, 3, groups=2), (10, 5, 6, 64)),
    ],
    ids=["Conv1D", "Conv1d", "Conv2d", "groups"],
)
@torch.no_grad()
def test_output_errors_shrink_for_other_kinds_of_layers(make, shape):
    torch.manual_seed(21)
    model, inputs = make(), with_outliers(300, 64)
    nn.init.normal_(model.weight)
    inputs = inputs.reshape(shape)
    if isinstance(model, (nn.Conv1d, nn.Conv2d)):
        inputs = inputs.movedim(-1, 1)
    assert output_error(model, inputs, 0.5) < 0.8 * output_error(model, inputs, None)


@torch.no_grad()
def test_a_searched_alpha_is_never_worse_on_its_rows_than_a_fixed_one_or_none():
    torch.manual_seed(22)
    weight, rows = torch.randn(16, 64), with_outliers(200, 64)
    inputs = observed(rows)

    def coarse(values):
        return (values * 2).round() / 2

    def error(divisor):
        outputs = coarse(inputs.rows / divisor) @ coarse(weight * divisor).T
        return float((outputs - inputs.rows @ weight.T).double().square().sum())

    best = error(smoothing_divisors(inputs, weight, "search", coarse, coarse))
    for alpha in (0.0, 0.5, 1.0):
        assert best <= error(smoothing_divisors(inputs, weight, alpha, coarse, coarse))
    assert best <= error(torch.ones(64))


@torch.no_grad()
def test_outputs_stay_the_same_if_rounding_is_nearly_exact():
    torch.manual_seed(23)
    model, inputs = nn.Linear(64, 16), with_outliers(50, 64)
    fine = Operand(format="e4m3", block=1)  # a block of one value is nearly exact
    chosen = Recipe("fine", "", fine, fine, smooth=0.5)
    expected = model(inputs)
    with quantized(load("int4"), chosen, weight_matrices(model), lambda: model(inputs)) as noise:
        assert torch.allclose(model(inputs), expected, rtol=1e-4, atol=1e-4)
    assert noise.sqnr_db > 100


@torch.no_grad()
def test_layers_that_share_a_weight_share_their_divisors():
    torch.manual_seed(24)
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    model[1].weight = model[0].weight
    inputs = with_outliers(100, 64)
    expected = model(inputs)
    with quantized(load("int8"), recipe(0.5), weight_matrices(model), lambda: model(inputs)):
        assert (model(inputs) - expected).norm() < 0.1 * expected.norm()


@torch.no_grad()
def test_the_model_is_restored_afterwards():
    torch.manual_seed(25)
    model, inputs = nn.Linear(64, 16), with_outliers(50, 64)
    expected = model(inputs)
    chosen = load_recipe("w4a4_smooth")
    with quantized(load("int4"), chosen, weight_matrices(model), lambda: model(inputs)):
        assert not torch.equal(model(inputs), expected)
    assert torch.equal(model(inputs), expected)
