"""Layers as matrices: what a MAC sums over is the last dimension."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from halfbyte.accuracy.layers import input_axis, rows_of, weight_matrices

LAYERS = [
    nn.Linear(6, 4),
    nn.Conv1d(6, 4, 3),
    nn.Conv2d(6, 4, (3, 2)),
    nn.Conv2d(6, 4, 3, groups=2),
    Conv1D(4, 6),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_writing_what_was_read_changes_nothing(layer):
    (matrix,) = weight_matrices(layer).values()
    before = layer.weight.detach().clone()
    read = matrix.read().clone()
    assert read.shape[-1] == (3 if getattr(layer, "groups", 1) == 2 else 6)
    matrix.write(read)
    assert torch.equal(layer.weight, before)
    matrix.write(read * 2)
    assert torch.equal(layer.weight, before * 2)


def test_rows_of_a_convolution_are_input_channels_at_one_kernel_position():
    layer = nn.Conv2d(6, 4, (3, 2))
    rows = weight_matrices(layer)["weight"].read().reshape(4, 3, 2, 6)
    assert torch.equal(rows[1, 2, 0], layer.weight.detach()[1, :, 2, 0])


def test_linear_and_conv1d_of_transformers_agree():
    inputs = torch.randn(5, 6)
    linear, conv = nn.Linear(6, 4, bias=False), Conv1D(4, 6)
    (matrix,) = weight_matrices(conv).values()
    matrix.write(linear.weight.detach())
    assert torch.allclose(conv(inputs), linear(inputs), atol=1e-6)


def test_recurrent_layers_have_a_matrix_for_each_weight():
    found = weight_matrices(nn.Sequential(nn.LSTM(3, 5, num_layers=2, bidirectional=True)))
    assert len(found) == 8
    assert found["0.weight_hh_l1_reverse"].read().shape == (20, 5)


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (nn.Linear(6, 4), (2, 5, 6), -1),
        (nn.Conv1d(6, 4, 1), (2, 6, 9), -2),
        (nn.Conv2d(6, 4, 1), (2, 6, 9, 8), -3),
    ],
)
def test_inputs_are_rows_along_the_input_axis(layer, shape, axis):
    inputs = torch.randn(shape)
    assert input_axis(layer) == axis
    assert rows_of(inputs, layer).shape == (inputs.numel() // 6, 6)


def test_other_modules_have_none():
    assert weight_matrices(nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4))) == {}
