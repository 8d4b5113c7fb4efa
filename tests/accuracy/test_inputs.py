"""The inputs of a layer are found at the operations that use its weight, in any module."""

import pytest
import torch
import transformers as t
from torch import nn

from halfbyte.accuracy.models.encoder import EncoderSubject
from halfbyte.accuracy.recipes import Operand, Recipe, quantized
from halfbyte.accuracy.recipes.calibration import observed_inputs
from halfbyte.accuracy.recipes.inputs import layers_of, on_inputs
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.golden.layers import weight_matrices

A4 = Recipe("a4", "", activations=Operand(block=8))


class Uses(nn.Module):
    """A module that computes ``way(x, weight)`` with a weight of shape (3, 8)."""

    def __init__(self, way):
        super().__init__()
        self.inner, self.way = nn.Linear(8, 3, bias=False), way

    def forward(self, x):
        return self.way(x, self.inner.weight)


WAYS = {
    "linear": nn.functional.linear,
    "matmul": lambda x, w: x @ w.T,
    "mm": lambda x, w: torch.mm(x, w.t()),
    "left": lambda x, w: (w @ x.T).T,
    "method": lambda x, w: w.matmul(x.mT).mT,
    "addmm": lambda x, w: torch.addmm(torch.zeros(3), x, w.T),
    "by name": lambda x, w: nn.functional.linear(weight=w, input=x),
    "a part": lambda x, w: nn.functional.linear(x, w[:2]),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_product_with_a_weight_sees_its_inputs(way):
    torch.manual_seed(1)
    model, x = Uses(way), torch.randn(5, 8)
    matrices = weight_matrices(model)
    seen = observed_inputs(layers_of(matrices), lambda: model(x))
    assert torch.allclose(seen["inner"].gram, (x.T @ x).double())
    fmt = load("int4")
    from halfbyte.golden import quantize

    rounded = quantize(x, fmt, block=8).dequantize()
    with torch.no_grad(), quantized(fmt, A4, matrices) as noise:
        assert torch.equal(model(x), way(rounded, model.inner.weight))
        assert noise.inputs_left() == ()


def test_a_sum_along_the_outputs_of_a_weight_is_refused():
    model = Uses(lambda x, w: x @ w)  # x is (..., 3) here
    with (
        pytest.raises(UserError, match="Layer inner must sum over the axis along"),
        on_inputs(weight_matrices(model), {"inner": lambda x: x}),
    ):
        model(torch.randn(5, 3))


def test_layers_with_inputs_that_were_not_found_are_named():
    model = Uses(lambda x, w: (x[:, None] * w).sum(-1))
    with torch.no_grad(), quantized(load("int4"), A4, weight_matrices(model)) as noise:
        model(torch.randn(5, 8))
        assert noise.inputs_left() == ("inner",)


@pytest.mark.parametrize("implementation", ["eager", "batched_mm"])
def test_experts_see_their_own_tokens(implementation):
    torch.manual_seed(2)
    config = t.MixtralConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=1,
    )  # fmt: skip
    config._experts_implementation = implementation
    model = t.MixtralForCausalLM(config).eval()
    layers = layers_of(weight_matrices(model))
    run = lambda: model(input_ids=torch.arange(30)[None])  # noqa: E731
    seen = observed_inputs(layers, run)
    counts = [len(found.rows) for name, found in seen.items() if "gate_up" in name]
    if implementation == "eager":
        assert sum(counts) == 30  # every token goes to one expert
    with torch.no_grad(), quantized(load("int4"), A4, weight_matrices(model)) as noise:
        run()
        left = noise.inputs_left()
    # "batched_mm" copies the experts' weights. Inputs that are multiplied by a copy are not found,
    # and `left` names the weights that were copied.
    assert bool(left) is (implementation == "batched_mm")


def test_layers_are_calibrated_even_if_another_module_uses_their_weights():
    torch.manual_seed(3)
    config = t.MambaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, state_size=4)
    model = t.MambaForCausalLM(config).eval()
    layers = layers_of(weight_matrices(model))
    seen = observed_inputs(layers, lambda: model(input_ids=torch.arange(20)[None]))
    assert seen.keys() == layers.keys()
    assert {"conv1d", "dt_proj"} <= {name.rpartition(".")[2] for name in seen}


class Words:
    """A tokenizer that makes one token for each letter and pads with 0."""

    def __call__(self, texts, **_):
        rows = [[1 + ord(letter) % 30 for letter in text] for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def test_calibration_of_an_encoder_sees_no_padding(monkeypatch):
    texts = ["one", "two", "three", "four", "nineteen"]
    monkeypatch.setattr("halfbyte.accuracy.models.encoder.longer_docstrings", lambda: texts)
    torch.manual_seed(4)
    config = t.BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24,
    )  # fmt: skip
    subject = EncoderSubject("words", t.BertModel(config), Words())
    layers = layers_of(subject.matrices())
    seen = observed_inputs(layers, subject.calibrate)
    assert all(len(found.rows) == sum(map(len, texts)) for found in seen.values())
    alone = observed_inputs(layers, lambda: [subject.embed([text]) for text in texts])
    for name, found in seen.items():
        assert torch.allclose(found.gram, alone[name].gram, rtol=1e-4, atol=1e-6)
