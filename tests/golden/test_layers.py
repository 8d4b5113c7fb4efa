"""Weights of layers are read as matrices whose last dimension is the one that a MAC sums over."""

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from halfbyte.golden.layers import Kept, input_axis, survey, weight_matrices

LAYERS = [
    nn.Linear(6, 4),
    nn.Conv1d(6, 4, 3),
    nn.Conv2d(6, 4, (3, 2)),
    nn.Conv2d(6, 4, 3, groups=2),
    nn.Conv3d(6, 4, (1, 2, 3)),
    nn.ConvTranspose1d(6, 4, 3),
    nn.ConvTranspose2d(6, 4, 3, groups=2),
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
    ("layer", "axis"),
    [
        (nn.Linear(6, 4), -1),
        (nn.Conv1d(6, 4, 1), -2),
        (nn.Conv2d(6, 4, 1), -3),
        (nn.ConvTranspose3d(6, 4, 1), -4),
    ],
)
def test_the_input_axis_is_that_of_the_input_channels(layer, axis):
    assert input_axis(layer) == axis


def test_other_modules_have_no_matrices():
    assert weight_matrices(nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4))) == {}


def test_rows_of_a_transposed_convolution_are_the_inputs_of_a_group():
    layer = nn.ConvTranspose1d(6, 4, 3, groups=2)
    # The dimensions are group, output, kernel position and input.
    rows = weight_matrices(layer)["weight"].read().reshape(2, 2, 3, 3)
    assert torch.equal(rows[1, 0, 2], layer.weight.detach()[3:, 0, 2])


class Experts(nn.Module):
    """Three experts in one parameter, as the library transformers stores them.

    The matrix of each expert is (outputs, inputs), or (inputs, outputs) if transposed.
    """

    def __init__(self, *, transposed=None):
        super().__init__()
        self.num_experts = 3
        self.input_size = 8
        if transposed is not None:
            self.is_transposed = transposed
        shape = (3, 8, 5) if transposed else (3, 5, 8)
        self.up = nn.Parameter(torch.randn(shape))


class Mixture(nn.Module):
    """A mixture of experts, with a router that has an unusual name."""

    def __init__(self, experts, outputs=3):
        super().__init__()
        self.chooses = nn.Linear(8, outputs, bias=False)
        self.many = experts


@pytest.mark.parametrize("transposed", [None, False, True])
def test_every_expert_is_a_matrix_along_its_inputs(transposed):
    model = Mixture(Experts(transposed=transposed))
    found = survey(model)
    assert list(found.matrices) == ["many.up.0", "many.up.1", "many.up.2"]
    assert {each.read().shape for each in found.matrices.values()} == {(5, 8)}
    matrix = found.matrices["many.up.1"]
    before = model.many.up.detach().clone()
    matrix.write(matrix.read() * 2)
    assert torch.equal(model.many.up[1], before[1] * 2)
    assert torch.equal(model.many.up[[0, 2]], before[[0, 2]])


def test_a_router_is_left_out_and_recognized_by_its_number_of_outputs():
    assert survey(Mixture(Experts())).kept == {"chooses.weight": Kept.ROUTER}
    assert "chooses" in weight_matrices(Mixture(Experts(), outputs=4))
    a_list = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
    model = Mixture(a_list)
    model.many.num_experts = 3
    assert list(weight_matrices(model)) == ["many.0", "many.1", "many.2"]


def test_experts_are_left_out_if_inputs_cannot_be_distinguished_from_outputs():
    experts = Experts()
    del experts.input_size
    assert survey(experts).kept == {"up": Kept.UNKNOWN}


class Named(nn.Module):
    """A model that says which layer is its head. Its embedding shares a weight with a layer."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 8)
        self.tied = nn.Linear(8, 9, bias=False)
        self.tied.weight = self.table.weight
        self.last = nn.Linear(8, 9)
        self.inner = nn.MultiheadAttention(8, 2)
        self.cell = nn.GRUCell(8, 4)
        self.free = nn.Parameter(torch.randn(2, 2))

    def get_output_embeddings(self):
        return self.last


def test_heads_and_embeddings_are_left_out_whatever_their_names():
    found = survey(Named())
    assert found.kept == {
        "free": Kept.UNKNOWN,
        "table.weight": Kept.EMBEDDING,
        "tied.weight": Kept.EMBEDDING,
        "last.weight": Kept.HEAD,
    }
    assert set(found.matrices) == {
        "inner.in_proj_weight", "inner.out_proj", "cell.weight_ih", "cell.weight_hh",
    }  # fmt: skip


def test_modules_can_be_left_out():
    model = Named()
    assert "inner.out_proj" not in survey(model, [model.inner]).matrices
