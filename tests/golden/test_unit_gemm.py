"""Matrix products on tensors agree with dot-product units that compute step by step.

A *stream* is the computation of one element of the product: a unit adds one block in each step.
"""

import pytest
import torch

from halfbyte.base import UserError
from halfbyte.formats import Overflow, find_scale_code, load
from halfbyte.golden import gemm, quantize
from halfbyte.golden.dot_scalar import exact_step
from halfbyte.golden.dot_unit import fp32_stream, integer_stream
from halfbyte.golden.scalar import dot
from halfbyte.golden.scales import ScaleFormat
from halfbyte.golden.unit_gemm import _added, exact_gemm, integer_gemm, unit_gemm

FORMAT = load("e2m1_sp")
SCALE = find_scale_code("e8m0")
BLOCK = 8


def product(a, w, a_scales, w_scales):
    return unit_gemm(
        a, w, a_scales, w_scales, activation=FORMAT, weight=FORMAT, scale=SCALE, block=BLOCK
    )


def random_operands(seed, high):
    """Random codes of two matrices, and random scale codes below ``high`` for each."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(bound, *shape):
        return torch.randint(bound, shape, generator=generator, dtype=torch.uint8)

    return numbers(16, 3, 32), numbers(16, 4, 32), numbers(high, 3, 4), numbers(high, 4, 4)


@pytest.mark.parametrize("high", [255, 256])
def test_every_result_agrees_with_the_stream_of_a_unit(high):
    a, w, a_scales, w_scales = random_operands(high, high)  # code 255 is NaN
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


def test_equals_the_block_scaled_gemm_within_the_range_of_fp32():
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(rows, 64, generator=generator) for rows in (5, 6))
    a, w = (
        quantize(each, FORMAT, block=BLOCK, scale_format=ScaleFormat.E8M0_RCEIL) for each in (x, y)
    )
    seen = product(a.codes, w.codes, a.scale_codes, w.scale_codes)
    assert torch.equal(seen, gemm(a, w))


def test_the_last_block_may_be_shorter():
    a, w, a_scales, w_scales = random_operands(3, 255)
    short = product(a[:, :29], w[:, :29], a_scales, w_scales)
    a[:, 29:] = 0  # code 0 stands for the value 0
    assert torch.equal(short, product(a, w, a_scales, w_scales))


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("acc_width", [8, 64])
def test_integer_results_agree_with_the_stream_of_a_unit(acc_width, overflow):
    a, w, *_ = random_operands(4, 255)
    rule = {"activation": FORMAT, "weight": FORMAT, "acc_width": acc_width, "overflow": overflow}
    seen = integer_gemm(a, w, **rule, block=BLOCK)
    clear = torch.tensor([True, False, False, False])
    for m in range(3):
        for n in range(4):
            steps = w[n].reshape(4, BLOCK), a[m].reshape(4, BLOCK)
            assert seen[m, n] == integer_stream(*steps, clear, **rule)[-1]


def test_sums_saturate_even_in_64_bits():
    top = load("int8")
    codes = torch.full((1, 4), 127, dtype=torch.uint8)
    seen = integer_gemm(
        codes, codes, activation=top, weight=top, acc_width=16, overflow=Overflow.SATURATE, block=1
    )
    assert seen.tolist() == [[2**15 - 1]]
    high = torch.tensor([2**63 - 5, 5 - 2**63])
    added = torch.tensor([127 * 127, -127 * 127])
    assert _added(high, added, 64, Overflow.SATURATE).tolist() == [2**63 - 1, -(2**63)]


@pytest.mark.parametrize("window", [(-6, 9), (-100, 120)])
def test_exact_results_agree_with_the_definition(window):
    a, w, a_scales, w_scales = random_operands(5, 256)
    options = {"scale": SCALE, "window": window, "acc_width": 60}
    formats = {"activation": FORMAT, "weight": FORMAT}
    near = [100 + each // 5 for each in (a_scales, w_scales)]
    for scales in ((a_scales, w_scales), near):
        acc, is_nan = exact_gemm(a, w, *scales, **formats, **options, block=BLOCK)
        for m in range(3):
            for n in range(4):
                state = (0, False)
                for b in range(4):
                    part = slice(b * BLOCK, (b + 1) * BLOCK)
                    state = exact_step(
                        *state,
                        dot(w[n, part].tolist(), a[m, part].tolist(), FORMAT, FORMAT),
                        int(scales[1][n, b]),
                        int(scales[0][m, b]),
                        clear=b == 0,
                        **options,
                    )
                assert (int(acc[m, n]), bool(is_nan[m, n])) == state


def test_refuses_operands_that_do_not_fit():
    a, w, a_scales, w_scales = random_operands(2, 255)
    with pytest.raises(ValueError, match="a scale for each block of 8 codes"):
        product(a, w, a_scales[:, :3], w_scales)
    with pytest.raises(TypeError, match="with a scale format needs 2 tensors"):
        product(a, w, a_scales, None)
    with pytest.raises(ValueError, match=r"\(M, K\) and \(N, K\) codes, not \(32,\)"):
        product(a[0], w, a_scales, w_scales)
    wide = load("e4m3")
    with pytest.raises(UserError, match="at most 53 significant bits"):
        unit_gemm(a, w, activation=wide, weight=wide, scale=None, block=1 << 20)
