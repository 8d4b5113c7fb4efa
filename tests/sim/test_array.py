"""Arrays in Verilator: every result that leaves them, and faults that must be noticed."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from halfbyte.base import UserError
from halfbyte.formats import find_scale_code, load
from halfbyte.rtl.array import ArraySpec
from halfbyte.rtl.dot import Accumulator, DotSpec
from halfbyte.sim import SimulationError
from halfbyte.sim.array import product as module
from halfbyte.sim.array.export import export_array
from halfbyte.sim.array.product import run_product
from halfbyte.sim.array.regression import regression_operands, run_array_regression
from halfbyte.sim.array.schedule import Operands

pytestmark = pytest.mark.simulator


def codes(seed, *shape, bound=16):
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
    3,
    2,
)
# Sides that the array does not divide, steps that the products do not fill.
OPERANDS = Operands(codes(1, 5, 14), codes(2, 7, 14))


def test_integer_products_with_tails():
    product, run = run_product(INTEGER, OPERANDS)
    assert product.shape == (5, 7)
    assert run.results == 35
    assert run.cycles == INTEGER.cycles(14, 7, 5)


def test_scaled_blocks_over_several_cycles_with_every_scale():
    scales = codes(3, 7, 4, bound=256), codes(4, 5, 4, bound=256)
    operands = Operands(codes(5, 7, 32), codes(6, 5, 32), *scales)
    _, run = run_product(SCALED, operands)
    assert run.results == 35


def test_the_regression_has_tails_and_extremes():
    record = run_array_regression(INTEGER, seed=1)
    assert (record.tokens, record.outputs, record.inputs) == (5, 7, 61)
    assert record.results == 35
    operands = regression_operands(INTEGER, 1)
    assert set(operands.a[0].tolist()) == {load("int4").integers.index(7)}
    assert len(set(operands.a[2].tolist())) > 10


def test_the_exported_bench_passes_and_sees_a_fault(tmp_path):
    record = export_array(INTEGER, tmp_path)
    assert record.results == 35
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    assert "PASS: 35 results" in play(tmp_path, record)
    verilog = tmp_path / record.verilog
    text = verilog.read_text()
    verilog.write_text(text.replace(".clear(control_out[0])", ".clear(control_out[1])"))
    assert verilog.read_text() != text
    assert "FAIL" in play(tmp_path, record)


def play(folder, record):
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
    with pytest.raises(UserError, match="Products run through units with"):
        run_product(replace(SCALED, unit=unit), OPERANDS)
