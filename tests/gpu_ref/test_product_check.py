"""Tests of ``compare_product``, which compares an array's product with that of the kernels.

An array is a grid of dot-product units that computes a matrix product.
"""

import numpy as np
import pytest
import torch

from halfbyte.cli.run import _unit
from halfbyte.formats import find_scale_code, load
from halfbyte.gpu_ref.product_check import compare_product
from halfbyte.rtl.array import ArraySpec, WeightArraySpec
from halfbyte.sim.array.operands import Operands
from halfbyte.sim.array.product import expected_product
from halfbyte.sim.array.schedule import filled


@pytest.mark.parametrize("scale", ["e8m0", "e4m3"])
@pytest.mark.parametrize("weight", ["e2m1", "sf4"])
def test_a_layer_is_compared_with_the_host_build(weight, scale):
    generator = np.random.default_rng(1)

    def codes(high, *shape):
        return generator.integers(0, high, shape).astype(np.uint8)

    operands = Operands(codes(16, 5, 16), codes(16, 6, 16), codes(120, 5, 2), codes(120, 6, 2))
    unit = _unit(load(weight), load("e2m1"), 4, find_scale_code(scale), 8)
    product = expected_product(ArraySpec(unit, 2, 2), operands)
    inputs, arithmetic = operands.tensors(), {**unit.arithmetic, "block": unit.block_size}
    assert compare_product(product, *inputs, **arithmetic) == "the same bits"
    product[0, 0] = -product[0, 0]
    assert compare_product(product, *inputs, **arithmetic) == "1 results differ"


def test_blocks_of_zeros_that_fill_up_a_tile_turn_minus_zero_into_zero():
    """The product of 1/2 and -1/2 times the smallest scales is rounded to -0."""
    a, w = np.zeros((2, 1, 8), np.uint8)
    a[0, 0], w[0, 0] = 1, 9
    scales = np.zeros((2, 1, 1), np.uint8)
    operands = Operands(a, w, *scales)
    unit = _unit(load("e2m1"), load("e2m1"), 8, find_scale_code("e8m0"), 8)
    arithmetic = {**unit.arithmetic, "block": 8}
    for rows, bits in ((1, -(2**31)), (2, 0)):
        spec = WeightArraySpec(unit, rows, 1)
        product = expected_product(spec, operands)
        assert product.view(torch.int32).item() == bits
        whole = filled(spec, operands).tensors()
        assert compare_product(product, *whole, **arithmetic) == "the same bits"
