"""Products of dot-product units beside the kernels' products."""

import pytest
import torch

from halfbyte.formats import find_scale_code, load
from halfbyte.golden import quantize
from halfbyte.golden.scales import ScaleFormat
from halfbyte.golden.unit_gemm import unit_gemm
from halfbyte.gpu_ref.product_check import compare_product


def operands(name, scale_format):
    generator = torch.Generator().manual_seed(1)
    matrices = (torch.randn(rows, 64, generator=generator) for rows in (3, 5))
    return [quantize(each, load(name), block=32, scale_format=scale_format) for each in matrices]


def test_the_bits_are_compared():
    a, w = operands("e2m1", ScaleFormat.E8M0_RCEIL)
    product = unit_gemm(
        a.codes, w.codes, a.scale_codes, w.scale_codes,
        activation=a.format, weight=w.format, scale=find_scale_code("e8m0"), block=32,
    )  # fmt: skip
    assert compare_product(product, a, w) == "the same bits"
    product[1, 2] = product[1, 2].nextafter(torch.tensor(1e9))
    assert compare_product(product, a, w) == "1 results differ"


@pytest.mark.parametrize(
    ("name", "scale_format"), [("sf4", ScaleFormat.E8M0_RCEIL), ("e2m1", ScaleFormat.E4M3)]
)
def test_what_the_unit_leaves_out_is_said(name, scale_format):
    a, w = operands(name, scale_format)
    assert compare_product(torch.zeros(3, 5), a, w).startswith("not comparable: it takes in scales")
