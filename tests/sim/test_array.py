"""Systolic arrays in Verilator: every result is checked, and faults are noticed.

An array computes a matrix product in tiles, one after the other. A tile is a part of the product,
or of the weights if these stay in the array. The product has tails if its last tiles are not full.
"""

import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from halfbyte.base import UserError
from halfbyte.formats import Format, find_scale_code, load
from halfbyte.golden import quantize
from halfbyte.golden.scales import ScaleFormat
from halfbyte.rtl.array import ArraySpec, WeightArraySpec
from halfbyte.rtl.dot import Accumulator, DotSpec
from halfbyte.sim import SimulationError
from halfbyte.sim.array import product as module
from halfbyte.sim.array.export import export_array
from halfbyte.sim.array.operands import Operands
from halfbyte.sim.array.product import run_product
from halfbyte.sim.array.regression import regression_operands, run_array_regression
from halfbyte.sim.array.schedule import schedule

pytestmark = pytest.mark.simulator


def codes(seed, *shape, bound=16):
    """Random codes below ``bound``."""
    return np.random.default_rng(seed).integers(0, bound, shape, dtype=np.uint8)


INTEGER = ArraySpec(DotSpec(load("e2m1"), load("int4"), 3, "twos_complement"), 2, 3)
SCALED = ArraySpec(
    DotSpec(
        load("e2m1"),
        load("e2m1"),
        4,
        "sign_magnitude",
        accumulator=Accumulator.FP32,
        scale=find_scale_code("e8m0"),
        block=8,
    ),
    2,
    2,
)
WEIGHTS = WeightArraySpec(INTEGER.unit, 3, 2)
# Two blocks per cycle
SCALED_WEIGHTS = WeightArraySpec(replace(SCALED.unit, block=2), 2, 1, depth=5)
# The sizes are not multiples of the array's sizes, so the last tiles, and the last cycle of each
# result, are not full.
OPERANDS = Operands(codes(1, 5, 14), codes(2, 7, 14))


def test_integer_products_with_tails():
    product, run = run_product(INTEGER, OPERANDS)
    assert product.shape == (5, 7)
    assert run.results == 35
    assert run.cycles == INTEGER.cycles(14, 7, 5)


def test_scaled_blocks_over_several_cycles_with_random_scales():
    scales = codes(3, 7, 4, bound=256), codes(4, 5, 4, bound=256)
    operands = Operands(codes(5, 7, 32), codes(6, 5, 32), *scales)
    _, run = run_product(SCALED, operands)
    assert run.results == 35


def test_several_scaled_blocks_in_each_cycle():
    scales = codes(3, 3, 10, bound=256), codes(4, 2, 10, bound=256)
    operands = Operands(codes(5, 3, 20), codes(6, 2, 20), *scales)
    _, run = run_product(ArraySpec(replace(SCALED.unit, block=2), 1, 1), operands)
    assert run.results == 6


def test_weight_stationary_products_with_tails():
    operands = Operands(codes(1, 8, 31), codes(2, 5, 31))
    product, run = run_product(WEIGHTS, operands)
    # The array INTEGER, whose elements keep their sums, has the same product, but another number of
    # cycles. Here a tile of weights stays for 3 cycles, one for each token of a group. There are
    # 4 x 3 tiles, and the 8 tokens are split into 3 groups. Then the last results leave.
    assert torch.equal(product, module.expected_product(INTEGER, operands))
    assert (run.results, run.cycles) == (40, 4 * 3 * 3 * 3 + 2 * 3 + 2 - 1)


def test_weight_stationary_sums_are_rounded_in_the_order_of_the_blocks():
    scales = codes(3, 7, 10, bound=256), codes(4, 5, 10, bound=256)
    operands = Operands(codes(5, 7, 20), codes(6, 5, 20), *scales)
    # The last block of one sum is tiny and negative, the others are 0. The sum is rounded to -0.
    for side, scale, code in zip((operands.a, operands.w), scales, (1, 9), strict=True):
        side[0], scale[0] = 0, 0
        side[0, -1] = code
    product, run = run_product(SCALED_WEIGHTS, operands)
    assert run.results == 35
    # A unit that takes one block per cycle gives the same numbers.
    single = ArraySpec(replace(SCALED_WEIGHTS.unit, lanes=2), 2, 2)
    expected = module.expected_product(single, operands)
    assert torch.equal(product, expected)
    # Its tiles are full. In the other array, blocks of zeros fill up the last tile: -0 + 0 is +0.
    assert [each[0, 0].signbit().item() for each in (product, expected)] == [False, True]


def test_tiles_that_are_not_full_need_a_zero_value():
    table = Format("odd", "Odd numbers", 2, tuple(map(Fraction, (-1, 1, 3, 5))))
    spec = WeightArraySpec(DotSpec(table, table, 2), 3, 2)
    operands = Operands(codes(1, 4, 8, bound=4), codes(2, 4, 8, bound=4))
    with pytest.raises(UserError, match="8 products do not fill whole tiles of 6, and neither"):
        schedule(spec, operands, {})


def test_operands_are_the_codes_of_quantized_matrices():
    a, w = (
        quantize(torch.randn(rows, 32), load("e2m1"), block=8, scale_format=ScaleFormat.E8M0_UP)
        for rows in (5, 7)
    )
    operands = Operands.of(a, w)
    assert (operands.a == a.codes.numpy()).all() and (operands.w == w.codes.numpy()).all()
    assert (operands.a_scales == a.scale_codes.numpy()).all()
    assert operands.w_scales.shape == (7, 4)
    given = (a.codes, w.codes, a.scale_codes, w.scale_codes)
    assert all(map(torch.equal, operands.tensors(), given))
    with pytest.raises(ValueError, match="have no scales"):
        Operands(operands.a, operands.w).tensors()
    plain = quantize(torch.randn(7, 32), load("e2m1"), block=8)
    with pytest.raises(ValueError, match="must be codes of eight bits"):
        Operands.of(a, plain)
    with pytest.raises(UserError, match="Blocks of 12 do not divide the 32 elements of a row"):
        Operands.of(replace(plain, block=12, scales=plain.scales[:, :3]), w)


def test_the_regression_has_tails_and_extremes():
    record = run_array_regression(INTEGER, seed=1)
    assert (record.tokens, record.outputs, record.inputs) == (5, 7, 61)
    assert record.results == 35
    operands = regression_operands(INTEGER, 1)
    assert set(operands.a[0].tolist()) == {load("int4").integers.index(7)}
    assert len(set(operands.a[2].tolist())) > 10


@pytest.mark.parametrize(
    ("spec", "results", "right", "wrong"),
    [
        (INTEGER, 35, ".clear(control_out[0])", ".clear(control_out[1])"),
        (WEIGHTS, 35, ".w(registers_w_held)", ".w(w_in)"),
    ],
)
def test_the_exported_bench_passes_and_sees_a_fault(tmp_path, spec, results, right, wrong):
    record = export_array(spec, tmp_path)
    assert record.results == results
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    assert f"PASS: {results} results" in play(tmp_path, record)
    verilog = tmp_path / record.verilog
    text = verilog.read_text()
    verilog.write_text(text.replace(right, wrong))
    assert verilog.read_text() != text
    assert "FAIL" in play(tmp_path, record)


def play(folder, record):
    """What the exported bench prints in Icarus Verilog."""
    files = [record.bench, record.verilog]
    compile_ = [shutil.which("iverilog"), "-g2012", "-o", "sim", *files]
    subprocess.run(compile_, cwd=folder, check=True)
    run = [shutil.which("vvp"), "sim"]
    return subprocess.run(run, cwd=folder, check=False, capture_output=True, text=True).stdout


def test_a_wrong_result_is_noticed(monkeypatch):
    right = module.expected_product(INTEGER, OPERANDS)
    wrong = right.clone()
    wrong[4, 6] += 1
    monkeypatch.setattr(module, "expected_product", lambda *_: wrong)
    with pytest.raises(SimulationError, match="expected 0x"):
        run_product(INTEGER, OPERANDS)


def test_refuses_units_without_a_golden_product():
    unit = replace(SCALED.unit, scale=None, block=None)
    with pytest.raises(UserError, match="An array is simulated only if its units have"):
        run_product(replace(SCALED, unit=unit), OPERANDS)


def test_exact_sums_pass_through_elements_that_keep_their_weights():
    scale = find_scale_code("e8m0")
    unit = DotSpec(
        load("e2m1"), load("e2m1"), 2, "sign_magnitude", accumulator=Accumulator.EXACT, scale=scale,
        window=(-6, 6), terms=64,
    )  # fmt: skip
    spec = WeightArraySpec(unit, 2, 1)
    scales = [codes(seed, rows, 5, bound=9) + 123 for seed, rows in ((3, 4), (4, 2))]
    product, run = run_product(spec, Operands(codes(5, 4, 10), codes(6, 2, 10), *scales))
    assert run.results == 8
    # Some exponents are outside the window, so some results have the NaN bit.
    assert set((product >> unit.width).ravel().tolist()) == {0, 1}
