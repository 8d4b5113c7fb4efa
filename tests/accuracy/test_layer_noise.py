"""The noise that quantization of both operands adds to a layer's results."""

import math

import torch

from halfbyte.accuracy.layer_noise import LayerSample, result_sqnr_db
from halfbyte.formats import load
from halfbyte.golden.scales import ScaleFormat


def test_noise_is_that_of_both_operands():
    weight = torch.tensor([[4.0, 1.2], [6.0, 6.0]])
    inputs = torch.tensor([[6.0, 3.0]])
    sample = LayerSample(weight, inputs, weight.abs().amax())
    # With FP32 scales, E2M1 holds 6 and 3 exactly. The block of 4 and 1.2 has the scale 4/6. So 4
    # is exact, and 1.2 / (4/6) = 1.8 is rounded to 2, which stands for 4/3.
    found = result_sqnr_db([sample], load("e2m1"), 2, ScaleFormat.FP32)
    exact, noise = 27.6**2 + 54.0**2, (3 * (4 / 3 - 1.2)) ** 2
    assert math.isclose(found, 10 * math.log10(exact / noise), rel_tol=1e-5)


def test_smaller_blocks_and_finer_scales_have_less_noise():
    source = torch.Generator().manual_seed(1)
    matrices = [torch.randn(32, 256, generator=source) ** 3 for _ in range(2)]
    samples = [LayerSample(*matrices, matrices[0].abs().amax())]
    fmt = load("e2m1")
    by_block = [result_sqnr_db(samples, fmt, block, ScaleFormat.E4M3) for block in (16, 64)]
    assert by_block[0] > by_block[1]
    assert by_block[0] > result_sqnr_db(samples, fmt, 16, ScaleFormat.E8M0_RCEIL)
