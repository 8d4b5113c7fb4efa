"""One layer's weight and its inputs on a text, both quantized to codes."""

import math

import pytest
import torch

from halfbyte.accuracy import find_model
from halfbyte.accuracy.layer_operands import layer_operands
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.golden.scales import ScaleFormat

LAYER = "model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def operands_of(small_llama):
    """``operands_of(layer, tokens, scale_format)``: the operands of a layer of the small model."""
    subject = open_subject(find_model(str(small_llama)))

    def operands(layer=LAYER, tokens=7, scale_format=ScaleFormat.E4M3):
        return layer_operands(
            subject,
            layer,
            weight=load("int4"),
            activation=load("e2m1"),
            block=8,
            scale_format=scale_format,
            tokens=tokens,
        )

    return operands


def test_the_operands_are_a_layer_s_weight_and_its_first_inputs(operands_of):
    found = operands_of()
    assert (found.inputs.shape, found.weight.shape) == ((7, 72), (40, 72))
    assert (found.a.format.name, found.w.format.name, found.a.block) == ("e2m1", "int4", 8)
    assert torch.equal(operands_of(tokens=3).inputs, found.inputs[:3])
    assert found.tensor_scale == float(found.a.tensor_scale) * float(found.w.tensor_scale)
    assert operands_of(scale_format=ScaleFormat.UE5M3).tensor_scale == 1


def test_noise_is_measured_against_the_unquantized_product(operands_of):
    found = operands_of()
    product = found.a.dequantize() @ found.w.dequantize().T
    assert 10 < found.sqnr_db(product) < 30
    assert found.sqnr_db(found.exact * 1.1) == pytest.approx(10 * math.log10(100), abs=1e-3)
    assert found.sqnr_db(found.exact) is None


def test_unknown_layers_and_too_many_tokens_are_refused(operands_of):
    with pytest.raises(UserError, match=f"no linear layer 'down'; it has 15, such as {LAYER[:7]}"):
        operands_of("down")
    with pytest.raises(UserError, match="must see 10000000 tokens of the calibration text, not"):
        operands_of(tokens=10**7)
