"""``quantized`` applies a recipe to a model within a ``with`` block, and restores it afterwards."""

import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers.pytorch_utils import Conv1D

from halfbyte.accuracy.recipes import Clipping, Operand, Recipe, load_recipe, quantized
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.golden import quantize
from halfbyte.golden.layers import weight_matrices

W4, W4A4 = load_recipe("w4"), load_recipe("w4a4")
A4 = Recipe("a4", "activations only", activations=Operand(block=16))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 20, 3),
        nn.ReLU(),
        nn.Conv2d(20, 8, 3, groups=2),
        nn.Flatten(),
        nn.Linear(128, 5),
    )


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(20, 12, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.cells(x)[0])


MODELS = [
    (lambda: nn.Sequential(nn.Linear(150, 40), nn.GELU(), Conv1D(9, 40)), (4, 150)),
    (lambda: nn.Sequential(nn.Conv1d(20, 8, 3), nn.ReLU(), nn.Conv1d(8, 4, 1)), (2, 20, 11)),
    (convolutional, (2, 3, 8, 8)),
    (Recurrent, (3, 7, 20)),
    (lambda: nn.Sequential(nn.GRU(20, 6)), (7, 20)),
]


@pytest.fixture(params=MODELS, ids=["linear", "conv1d", "conv2d", "lstm", "gru"])
def case(request):
    """A model and an input for it."""
    make, shape = request.param
    torch.manual_seed(7)
    return make().eval(), torch.randn(shape)


def first(output):
    """The outputs; a recurrent layer returns them with its last state."""
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.parametrize("name", ["w4", "w4a4", "w4a8", "w4_clip", "w4_mx", "w4_nv", "w4a4_sign"])
@torch.no_grad()
def test_outputs_change_a_little_and_are_restored(case, name):
    model, x = case
    before = {key: value.clone() for key, value in model.state_dict().items()}
    reference = first(model(x))
    with quantized(load("e2m1_sp"), load_recipe(name), weight_matrices(model)) as noise:
        found = first(model(x))
        assert not torch.equal(found, reference)
        assert torch.allclose(found, reference, atol=0.5 * float(reference.abs().max()))
        assert set(noise.layers) == set(weight_matrices(model))
        assert 15 < noise.sqnr_db < 60
    assert torch.equal(first(model(x)), reference)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_weights_are_quantized_as_by_the_golden_model(case):
    model, _ = case
    matrices, fmt = weight_matrices(model), load("sf4")
    before = {name: matrix.read().clone() for name, matrix in matrices.items()}
    with quantized(fmt, W4.with_block(16), matrices):
        for name, matrix in matrices.items():
            expected = quantize(before[name], fmt, block=16).dequantize()
            assert torch.equal(matrix.read(), expected)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(40, 3), (5, 40)),
        (nn.Conv1d(40, 3, 1), (2, 40, 5)),
        (nn.Conv2d(40, 3, 1), (40, 5, 6)),
    ],
    ids=["linear", "conv1d", "conv2d"],
)
@torch.no_grad()
def test_activations_are_quantized_along_the_input_axis(layer, shape):
    x, fmt = torch.randn(shape), load("e2m1")
    axis = {2: -1, 3: -2}[len(shape)] if not isinstance(layer, nn.Conv2d) else -3
    rounded = quantize(x.movedim(axis, -1), fmt, block=16).dequantize().movedim(-1, axis)
    expected = layer(rounded)
    with quantized(fmt, A4, weight_matrices(layer)) as noise:
        assert torch.allclose(layer(x), expected, atol=1e-6)
        # The input of a layer may be passed by name too.
        assert torch.equal(layer(input=x), layer(x))
    assert (noise.sqnr_db, noise.layers) == (math.inf, {})


@torch.no_grad()
def test_groups_of_a_convolution_have_their_own_blocks():
    layer, x, fmt = nn.Conv1d(12, 4, 1, groups=2), torch.randn(2, 12, 5), load("int4")
    halves = [quantize(half.mT, fmt, block=16).dequantize().mT for half in x.split(6, dim=1)]
    expected = layer(torch.cat(halves, dim=1))
    with quantized(fmt, A4, weight_matrices(layer)):
        assert torch.allclose(layer(x), expected, atol=1e-6)


@torch.no_grad()
def test_packed_sequences_are_quantized_like_padded_ones():
    torch.manual_seed(8)
    cells, x = nn.LSTM(20, 6, batch_first=True), torch.randn(2, 5, 20)
    with quantized(load("int4"), W4A4, weight_matrices(cells)):
        packed = cells(pack_padded_sequence(x, [5, 5], batch_first=True))[1][0]
        assert torch.allclose(packed, cells(x)[1][0], atol=1e-6)


@torch.no_grad()
def test_a_state_passed_by_name_before_the_inputs_is_not_quantized():
    torch.manual_seed(8)
    cells, x, state = nn.GRU(20, 6), torch.randn(5, 2, 20), torch.randn(1, 2, 6)
    with quantized(load("int4"), W4A4, weight_matrices(cells)):
        assert torch.equal(cells(hx=state, input=x)[0], cells(x, state)[0])


@torch.no_grad()
def test_the_caller_s_input_tensor_is_not_changed():
    layer, x = nn.Linear(32, 4), torch.randn(3, 32)
    before = x.clone()
    with quantized(load("int4"), W4A4, weight_matrices(layer)):
        layer(x)
    assert torch.equal(x, before)


def test_everything_is_restored_after_an_error():
    layer = nn.Linear(32, 4)
    before = layer.weight.detach().clone()
    with pytest.raises(ZeroDivisionError), quantized(load("int4"), W4A4, weight_matrices(layer)):
        raise ZeroDivisionError
    assert torch.equal(layer.weight, before)
    assert not layer._forward_pre_hooks


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_weight_that_is_not_finite_is_refused_with_the_layer_s_name(value):
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model[1].weight.data[3, 2] = value
    before = model[0].weight.detach().clone()
    with (
        pytest.raises(UserError, match="Layer 1: values to quantize must be finite"),
        quantized(load("int4"), W4, weight_matrices(model)),
    ):
        pass
    assert torch.equal(model[0].weight, before)


@torch.no_grad()
def test_an_activation_that_is_not_finite_is_refused_with_the_layer_s_name():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    with (
        quantized(load("int4"), A4, weight_matrices(model)),
        pytest.raises(UserError, match="Layer 0: values to quantize must be finite"),
    ):
        model(torch.full((2, 8), math.nan))


def test_a_weight_that_layers_share_is_quantized_once():
    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    model[1].weight = model[0].weight
    clipped = Recipe("clipped", "", weights=Operand(block=4, clip=Clipping.MSE_BLOCK))
    with quantized(load("int4"), clipped, weight_matrices(model)) as noise:
        assert noise.layers["0"] == noise.layers["1"] == pytest.approx(noise.sqnr_db)


def test_exact_and_zero_weights_have_no_noise():
    model = nn.Sequential(nn.Linear(4, 1), nn.Linear(4, 1))
    model[0].weight.data = torch.tensor([[7.0, 1.0, -3.0, 2.0]])
    nn.init.zeros_(model[1].weight)
    with quantized(load("int4"), W4, weight_matrices(model)) as noise:
        assert noise.sqnr_db == noise.layers["0"] == noise.layers["1"] == math.inf


def test_half_precision_weights_keep_their_type():
    layer = nn.Linear(32, 4).to(torch.bfloat16)
    with quantized(load("int4"), W4A4, weight_matrices(layer)), torch.no_grad():
        assert layer.weight.dtype == torch.bfloat16
        assert layer(torch.randn(2, 32, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("clip", [Clipping.MSE_BLOCK, Clipping.MSE_LAYER])
@pytest.mark.parametrize("name", ["int4", "e2m1"])
def test_clipping_reduces_the_noise(clip, name):
    torch.manual_seed(9)
    layer = nn.Linear(300, 50)
    layer.weight.data = torch.randn(50, 300)
    ratios = []
    for chosen in (Clipping.NONE, clip):
        recipe = Recipe("clipped", "", weights=Operand(clip=chosen))
        with quantized(load(name), recipe, weight_matrices(layer)) as noise:
            ratios.append(noise.sqnr_db)
    assert ratios[1] > ratios[0] + 0.05
