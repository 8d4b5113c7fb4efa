"""Compares the kernels with the golden model, on a GPU if there is one and on the host build.

The host build compiles the kernels for the CPU.
"""

import pytest
import torch

from halfbyte.formats import load
from halfbyte.gpu_ref import cases
from halfbyte.gpu_ref.check import check_format, check_tiles
from halfbyte.gpu_ref.comparison import Comparison, merged
from halfbyte.gpu_ref.multiply import alternatives

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
# Two codes in a byte; one code in a byte; integers beyond int8; integers beyond int16; random
# formats of 4, 3 and 6 bits.
FORMATS = [load(name) for name in ("e2m1_sp", "e2m3", "e2m1_b", "e4m3")] + cases.random_formats()
SHAPES = (*cases.SHAPES, cases.Shape(130, 67, 300, 128))
EXPECTED = {
    "encode",
    "scales",
    "dequantize",
    "absmax",
    "quantize units",
    "quantize spans",
    "mac_stream",
    "gemm plain",
    "errors",
}


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: fmt.name)
def test_every_kernel_agrees_bit_for_bit(fmt, device):
    totals = {
        total.kernel: total
        for total in merged(check_format(fmt, torch.device(device), shapes=SHAPES))
    }
    assert {name for name in totals if totals[name].compared} >= EXPECTED
    assert not [total for total in totals.values() if total.different]


def test_mixed_formats_agree():
    pair = check_format(
        load("sf4"), torch.device("cpu"), activation=load("int8"), shapes=cases.SHAPES[:6]
    )
    totals = merged(pair)
    kernels = {total.kernel for total in totals if total.compared}
    assert {"gemm mma (emulated)", "gemm dp4a (emulated)", "gemm pairs"} <= kernels
    assert not [total for total in totals if total.different]


# A matrix instruction adds 32 products, and a kernel reads chunks of 128 codes. In order: blocks of
# four instructions; blocks of one instruction, with a full and with a partial last chunk; blocks
# that are not a whole number of instructions.
TILED = [cases.Shape(3, 70, *sizes) for sizes in ((900, 128), (256, 32), (160, 32), (200, 100))]


def test_every_tile_of_the_tensor_core_kernel_agrees():
    totals = merged(check_tiles(load("e2m1_sp"), torch.device("cpu"), shapes=TILED))
    tiles = [f"gemm {name}" for name in alternatives(torch.device("cpu"))]
    assert [total.kernel for total in totals] == tiles
    assert len(tiles) == 4
    assert all(total.compared == 4 * 3 * 70 and not total.different for total in totals)


def test_a_difference_is_counted_and_named():
    comparison = Comparison("encode", "int4", "int4")
    comparison.add(torch.tensor([0.0, 1.0]), torch.tensor([-0.0, 1.0]), "zeros")
    assert (comparison.compared, comparison.different) == (2, 1)
    assert comparison.first == "zeros at (0,): 0.0 instead of -0.0"
    comparison.add(torch.zeros(2), torch.zeros(3), "shapes")
    assert comparison.different == 2
    (total,) = merged([comparison])
    assert total.first.startswith("int4 x int4, zeros")


def test_random_formats_are_the_same_for_a_seed():
    assert cases.random_formats(7) == cases.random_formats(7)
    assert cases.random_formats(7)[0].values != cases.random_formats(8)[0].values
