"""Products of matrices as dot-product units compute them."""

import pytest
import torch

from halfbyte.formats import find_scale_code, load
from halfbyte.golden import gemm, quantize
from halfbyte.golden.dot_unit import fp32_stream
from halfbyte.golden.scales import ScaleFormat
from halfbyte.golden.unit_gemm import unit_gemm

FORMAT = load("e2m1_sp")
SCALE = find_scale_code("e8m0")
BLOCK = 8


def product(a, w, a_scales, w_scales):
    return unit_gemm(
        a, w, a_scales, w_scales, activation=FORMAT, weight=FORMAT, scale=SCALE, block=BLOCK
    )


def random_operands(seed, high):
    generator = torch.Generator().manual_seed(seed)

    def numbers(bound, *shape):
        return torch.randint(bound, shape, generator=generator, dtype=torch.uint8)

    return numbers(16, 3, 32), numbers(16, 4, 32), numbers(high, 3, 4), numbers(high, 4, 4)


@pytest.mark.parametrize("high", [255, 256])
def test_every_result_is_that_of_a_units_stream(high):
    a, w, a_scales, w_scales = random_operands(high, high)  # with 256 also NaN
    seen = product(a, w, a_scales, w_scales)
    clear = torch.tensor([True, False, False, False])
    for m in range(3):
        for n in range(4):
            steps = w[n].reshape(4, BLOCK), a[m].reshape(4, BLOCK)
            stream = fp32_stream(
                *steps, clear, w_scales[n], a_scales[m], weight=FORMAT, activation=FORMAT,
                scale=SCALE,
            )  # fmt: skip
            assert seen[m, n].view(torch.int32) == stream[-1].view(torch.int32)


def test_is_the_block_scaled_gemm_within_fp32s_range():
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(rows, 64, generator=generator) for rows in (5, 6))
    a, w = (
        quantize(each, FORMAT, block=BLOCK, scale_format=ScaleFormat.E8M0_RCEIL) for each in (x, y)
    )
    seen = product(a.codes, w.codes, a.scale_codes, w.scale_codes)
    assert torch.equal(seen, gemm(a, w))


def test_refuses_scales_that_do_not_fit():
    a, w, a_scales, w_scales = random_operands(2, 255)
    with pytest.raises(ValueError, match="a scale for each 8 of K"):
        product(a, w, a_scales[:, :3], w_scales)
