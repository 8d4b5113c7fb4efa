"""A product of dot-product units beside that of the kernels."""

import torch

from halfbyte.formats import find_scale_code, load
from halfbyte.golden import quantize
from halfbyte.golden.scales import ScaleFormat
from halfbyte.golden.unit_gemm import unit_gemm
from halfbyte.gpu_ref.product_check import compare_product


def test_the_bits_are_compared():
    generator = torch.Generator().manual_seed(1)
    fmt, code = load("e2m1"), find_scale_code("e8m0")
    a, w = (
        quantize(
            torch.randn(rows, 64, generator=generator),
            fmt,
            block=32,
            scale_format=ScaleFormat.E8M0_RCEIL,
        )
        for rows in (3, 5)
    )
    operands = (a.codes, w.codes, a.scale_codes, w.scale_codes)
    arithmetic = {"activation": fmt, "weight": fmt, "scale": code, "block": 32}
    product = unit_gemm(*operands, **arithmetic)
    assert compare_product(product, *operands, **arithmetic) == "the same bits"
    product[1, 2] = product[1, 2].nextafter(torch.tensor(1e9))
    assert compare_product(product, *operands, **arithmetic) == "1 results differ"
