"""Tests of layers and models that compute their products in the hardware's arithmetic."""

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.pytorch_utils import Conv1D

from halfbyte import golden, gpu_ref
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.golden.scales import ScaleFormat


def by_the_golden_model(x, weight, bias, fmt, activation, block):
    """The outputs of a linear layer, computed by the golden model."""
    a = golden.quantize(x.flatten(0, -2), activation, block=block)
    y = golden.gemm(a, golden.quantize(weight, fmt, block=block)) + bias
    return y.view(*x.shape[:-1], -1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_computes_what_the_golden_model_does(dtype):
    layer, x = nn.Linear(96, 40).to(dtype), torch.randn(2, 5, 96, dtype=dtype)
    ours = gpu_ref.Linear.from_float(layer, "e2m1_sp", activation="int8", block=32)
    expected = by_the_golden_model(
        x, layer.weight.data, layer.bias.data.float(), load("e2m1_sp"), load("int8"), 32
    )
    assert ours(x).dtype == dtype
    assert torch.equal(ours(x), expected.to(dtype))


def test_the_transposed_layer_of_transformers_is_converted():
    layer, x = Conv1D(24, 64), torch.randn(3, 64)
    ours = gpu_ref.Linear.from_float(layer, "int4", block=16)
    fmt = load("int4")
    expected = by_the_golden_model(x, layer.weight.data.T, layer.bias.data, fmt, fmt, 16)
    assert torch.equal(ours(x), expected)


class Model(nn.ModuleDict):
    """A model that says which layer is its head, since the head has an unusual name."""

    def get_output_embeddings(self):
        return self["last"]


def model():
    body = nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 8))
    return Model({"body": body, "last": nn.Linear(8, 100)})


def test_a_model_is_converted_in_place():
    converted = model()
    head = converted["last"]
    names = gpu_ref.convert(converted, "e2m1_sp", block=16)
    assert names == ["body.0", "body.2"]
    assert converted["last"] is head
    assert isinstance(converted["body"][2], gpu_ref.Linear)
    assert "weight=e2m1_sp" in repr(converted)
    assert converted["body"](torch.randn(4, 32)).shape == (4, 8)
    skipped = gpu_ref.convert(model(), "int4", block=16, skip=lambda name: name == "body.0")
    assert skipped == ["body.2"]


class Direct(nn.Module):
    """A model that reads the weight of one layer directly, and calls another layer."""

    def __init__(self):
        super().__init__()
        self.read, self.called = nn.Linear(32, 32), nn.Linear(32, 32)
        nn.init.ones_(self.called.weight)
        self.conv = nn.Conv1d(32, 32, 1)

    def forward(self, x):
        return self.called(x @ self.read.weight.T)


def test_layers_with_weights_that_are_read_directly_are_not_converted():
    layer = Direct()
    assert gpu_ref.unconverted(layer) == ["read", "called", "conv"]
    assert gpu_ref.convert(layer, "e2m1", block=16) == ["called"]
    assert gpu_ref.unconverted(layer) == ["read", "conv"]
    assert layer(torch.randn(3, 32)).isfinite().all()
    attention = nn.MultiheadAttention(16, 2)
    assert gpu_ref.convert(nn.Sequential(attention), "e2m1", block=16) == []
    assert attention(*[torch.randn(3, 1, 16)] * 3)[0].isfinite().all()


def test_a_converted_model_is_saved_and_loaded(tmp_path):
    first, second = model(), model()
    for each in (first, second):
        gpu_ref.convert(each, "sf4", block=16, scale_format=ScaleFormat.E4M3)
    x = torch.randn(4, 32)
    assert not torch.equal(first["body"](x), second["body"](x))
    torch.save(first.state_dict(), tmp_path / "model.pt")
    second.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    assert torch.equal(first["body"](x), second["body"](x))


def test_an_unsuitable_kernel_is_refused_before_anything_changes():
    untouched = model()
    with pytest.raises(UserError, match="Kernel mma cannot compute this product"):
        gpu_ref.convert(untouched, "e2m1_b", kernel="mma")
    assert isinstance(untouched["body"][0], nn.Linear)


def test_bad_layers_are_refused():
    weight = gpu_ref.quantize(torch.randn(4, 32), "int4", block=16)
    with pytest.raises(TypeError, match=r"nn\.Linear or Conv1D, not ReLU"):
        gpu_ref.Linear.from_float(nn.ReLU(), "int4")
    with pytest.raises(ValueError, match=r"bias of 4 outputs .* not \(5,\)"):
        gpu_ref.Linear(weight, torch.zeros(5))
    with pytest.raises(ValueError, match=r"\(outputs, inputs\), not \(32,\)"):
        gpu_ref.Linear(gpu_ref.quantize(torch.randn(32), "int4"))
    layer = gpu_ref.Linear(weight)
    with pytest.raises(ValueError, match="needs finite FP32 numbers"):
        layer(torch.full((1, 32), torch.nan))
    with pytest.raises(UserError, match="do not cast a converted model"):
        layer.half()(torch.zeros(1, 32))


class GoldenLinear(nn.Module):
    """A linear layer without bias, computed by the golden model."""

    def __init__(self, layer, fmt, block):
        super().__init__()
        self.fmt, self.block = fmt, block
        self.weight = golden.quantize(layer.weight.data, fmt, block=block)

    def forward(self, x):
        rows = golden.quantize(x.flatten(0, -2), self.fmt, block=self.block)
        return golden.gemm(rows, self.weight).view(*x.shape[:-1], -1)


def language_model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def test_a_language_model_gives_the_bits_of_the_golden_model():
    ours, theirs, fmt = language_model(), language_model(), load("e2m1_sp")
    tokens = torch.arange(40).view(2, 20) * 5 % 256
    before = ours(tokens).logits
    names = gpu_ref.convert(ours, fmt, block=32)
    assert len(names) == 14
    for name in names:
        parent, _, child = name.rpartition(".")
        layer = theirs.get_submodule(name)
        setattr(theirs.get_submodule(parent), child, GoldenLinear(layer, fmt, 32))
    logits = ours(tokens).logits
    assert torch.equal(logits, theirs(tokens).logits)
    assert not torch.equal(logits, before)
    assert torch.nn.functional.cosine_similarity(logits.ravel(), before.ravel(), dim=0) > 0.9
