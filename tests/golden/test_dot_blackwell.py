"""Test the published model of the tensor cores in NVIDIA's Blackwell GPUs.

The code for tensors is tested against ``dot_scalar``, which defines the model for single results.
"""

import pytest
import torch

from halfbyte.base import UserError
from halfbyte.formats import find_scale_code, load
from halfbyte.golden import dot_scalar
from halfbyte.golden.dot_blackwell import blackwell_gemm

E2M1 = load("e2m1")
# Ranges of scale codes: scales near 1, all scales, the smallest, and the largest. A range does not
# include its end.
RANGES = {
    "e8m0": [(115, 139), (0, 256), (0, 40), (200, 255)],
    "e4m3": [(44, 68), (0, 128), (0, 24), (100, 127)],
}


def operands(reach, length, block, seed=1):
    """Random codes of two matrices, with 4 and 5 rows, and random scale codes within ``reach``."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(low, high, *shape):
        return torch.randint(low, high, shape, generator=generator).byte()

    codes = [numbers(0, 16, rows, length) for rows in (4, 5)]
    codes[0][1] = 0  # a row of zeros
    scales = [numbers(*reach, rows, -(-length // block)) for rows in (4, 5)]
    return *codes, *scales


def scalar(a, w, a_scales, w_scales, formats, scale, block):
    """One result by the definition.

    An instruction adds 64 products. The last instruction is filled up with products of 0.
    """
    c, length = 0, -(-len(a) // 64) * 64
    a, w = (row.tolist() + [0] * (length - len(row)) for row in (a, w))
    for begin in range(0, length, 64):
        groups = [min(place // block, len(a_scales) - 1) for place in range(begin, begin + 64, 16)]
        c = dot_scalar.blackwell(
            c,
            w[begin : begin + 64],
            a[begin : begin + 64],
            [int(w_scales[place]) for place in groups],
            [int(a_scales[place]) for place in groups],
            **formats,
            scale=scale,
        )
    return c


@pytest.mark.parametrize("block", [16, 32])
@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("weight", ["e2m1", "sf4"])
def test_every_result_is_that_of_the_definition(name, block, weight):
    scale, formats = find_scale_code(name), {"weight": load(weight), "activation": E2M1}
    seen_bits = set()
    for seed, reach in enumerate(RANGES[name]):
        a, w, a_scales, w_scales = operands(reach, 200, block, seed)
        a_scales[3, 1] = scale.nan_code
        seen = blackwell_gemm(a, w, a_scales, w_scales, **formats, scale=scale, block=block)
        for m in range(len(a)):
            for n in range(len(w)):
                expected = scalar(a[m], w[n], a_scales[m], w_scales[n], formats, scale, block)
                assert int(seen[m, n].view(torch.int32)) & 0xFFFF_FFFF == expected
                seen_bits.add(expected)
    assert dot_scalar.BLACKWELL_NAN in seen_bits
    assert len(seen_bits) > 10


def test_sums_beyond_fp32_are_infinite_and_stay_so():
    scale = find_scale_code("e8m0")
    a = torch.full((1, 128), 7, dtype=torch.uint8)
    scales = torch.tensor([[250, 250, 127, 127]], dtype=torch.uint8)
    seen = blackwell_gemm(a, a, scales, scales, weight=E2M1, activation=E2M1, scale=scale, block=32)
    assert seen.tolist() == [[float("inf")]]


def test_refuses_blocks_that_are_not_multiples_of_16_products():
    scale = find_scale_code("e4m3")
    a, w, *scales = operands((44, 68), 64, 8)
    with pytest.raises(UserError, match="block size that is a multiple of 16, not 8"):
        blackwell_gemm(a, w, *scales, weight=E2M1, activation=E2M1, scale=scale, block=8)
