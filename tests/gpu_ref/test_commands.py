"""Tests of the commands ``gpu-check``, ``gpu-bench`` and ``triple`` on the host build.

The host build compiles the kernels for the CPU. ``triple`` compares RTL, golden model and kernel.
"""

import inspect
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from halfbyte.base import ToolError, UserError
from halfbyte.cli.app import app
from halfbyte.formats import load
from halfbyte.gpu_ref import bench, check, dot_unit, quantize, replay
from halfbyte.gpu_ref.bench import (
    Sizes,
    benchmark,
    few_rows_records,
    product_records,
    sweep_records,
)
from halfbyte.gpu_ref.cases import Shape

SMALL = Sizes(m=6, n=10, k=256, rows=4, length=256, repeats=3)
TRIPLE = ["triple", "e2m1_sp", "--arch", "exponent_shift", "--cycles", "2000", "--device", "cpu"]


@pytest.fixture(autouse=True)
def without_nvcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide nvcc. The CUDA build has its own tests, and compiling it takes a long time."""
    monkeypatch.setenv("NVCC", str(tmp_path / "nvcc"))


def run(*arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def few_shapes(monkeypatch):
    """Check products of two small shapes only."""
    original = check.check_format

    def shorter(fmt, device, **options):
        return original(fmt, device, shapes=[Shape(3, 2, 40, 16), Shape(8, 2, 96, 32)], **options)

    monkeypatch.setattr(check, "check_format", shorter)


def test_gpu_check_writes_a_record_with_build_and_versions(few_shapes, gpu_ref_build):
    (record,) = json.loads(run("gpu-check", "int4", "--device", "cpu", "--json"))
    assert record["build"] == "host"
    assert record["driver"] is None
    assert record["formats"] == ["int4"]
    assert record["compared"] > 10_000
    assert record["different"] == 0
    assert record["cuda_build"] == "not compiled: no nvcc"
    assert record["compiler"]
    assert record["versions"]["torch"] == torch.__version__
    assert record["date"].startswith("20")
    kernels = {kernel["kernel"]: kernel["compared"] for kernel in record["kernels"]}
    assert all(kernels.values())
    assert json.loads((gpu_ref_build / "gpu_ref" / "check.json").read_text()) == record


def test_the_host_build_is_never_called_a_gpu_result(few_shapes):
    table = run("gpu-check", "int4", "--activation", "e2m1", "--device", "cpu")
    assert "HOST BUILD, not a GPU result" in table
    assert "gemm mma (emulated)" in table


def test_gpu_check_fails_if_a_number_differs(few_shapes, monkeypatch):
    right = check.encode
    monkeypatch.setattr(check, "encode", lambda x, fmt: right(x, fmt) ^ 1)
    with pytest.raises(ToolError, match="numbers differ from the golden model; see"):
        run("gpu-check", "int4", "--device", "cpu")


def test_devices_that_are_not_there_are_errors(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"PyTorch sees no CUDA GPU: .* --device cpu"):
        run("gpu-check", "int4", "--device", "cuda")
    with pytest.raises(UserError, match="Device must be auto, cuda or cpu, not 'tpu'"):
        run("gpu-bench", "--device", "tpu")


def test_the_benchmark_compares_with_the_matmul_of_torch():
    records = {
        record.kernel: record for record in benchmark(load("int4"), torch.device("cpu"), SMALL)
    }
    assert {"copy", "quantize", "dequantize", "torch.matmul", "gemm pairs"} <= set(records)
    assert "gemm mma" not in records  # the host build only emulates it
    pairs = records["gemm pairs"]
    ratio = records["torch.matmul"].seconds / pairs.seconds
    assert pairs.share_of_torch == pytest.approx(ratio)
    assert pairs.build == "host"
    assert pairs.shape == (6, 10, 256)


def test_the_plain_kernel_is_timed_once():
    kernels, device = ["plain", "pairs"], torch.device("cpu")
    records = product_records(load("int4"), SMALL, device, kernels)
    assert {record.kernel: record.repeats for record in records} == {
        "torch.matmul": 3,
        "gemm pairs": 3,
        "gemm plain": 1,
    }


def test_gpu_bench_shows_a_table(monkeypatch):
    monkeypatch.setattr(Sizes, "of", classmethod(lambda cls, device: SMALL))
    monkeypatch.setenv("COLUMNS", "200")
    table = run("gpu-bench", "int4", "--device", "cpu")
    assert "HOST BUILD, not a GPU result" in table
    assert "torch.matmul" in table
    assert "of plain" in table


def test_a_sweep_times_all_tiles_for_three_block_sizes():
    records = list(sweep_records(load("int4"), torch.device("cpu"), SMALL))
    kernels = ["torch.matmul", "gemm mma", "gemm mma 128x64x3"]
    assert [record.kernel for record in records[:3]] == kernels
    assert [record.block for record in records[::6]] == [128, 32, 16]


def test_products_of_few_rows_are_timed_and_keep_their_result():
    sizes = replace(SMALL, m=64, n=64, block=128)
    records = list(few_rows_records(load("int4"), sizes, torch.device("cpu"), calls=2))
    assert [record["shape"] for record in records[1::2]] == [[rows, 64, 256] for rows in (1, 4, 16)]
    # The result must outlive the calls: the kernel writes to it each time.
    run = bench._rows_kernel(torch.randn(2, 256), quantize(torch.randn(8, 256), "int4", block=128))
    kept = inspect.signature(run).parameters["kept"].default
    assert any(isinstance(each, torch.Tensor) and each.shape == (2, 8) for each in kept)


def test_tiles_are_not_timed_if_they_are_only_emulated():
    with pytest.raises(UserError, match="on a GPU: the host build only emulates"):
        run("gpu-bench", "int4", "--sweep", "--device", "cpu")


def test_nothing_is_timed_if_kernels_differ(monkeypatch):
    right = bench.matmul

    def wrong(a, w, *, kernel="auto"):
        return right(a, w, kernel=kernel) + (kernel == "pairs")

    monkeypatch.setattr(bench, "matmul", wrong)
    with pytest.raises(ToolError, match="Kernel pairs differs from kernel plain"):
        benchmark(load("int4"), torch.device("cpu"), SMALL)


@pytest.mark.simulator
@pytest.mark.slow
def test_rtl_golden_model_and_kernel_agree_on_one_stream(monkeypatch):
    (record,) = json.loads(run(*TRIPLE, "--seed", "5", "--json"))
    assert record["build"] == "host"
    assert record["different"] == 0
    # Cycles of each scenario: all pairs of codes, two sums of 256 extreme products, sums that go to
    # both limits, clears, random cycles.
    assert record["cycles"] == 256 + 512 + 1317 + 128 + 2000
    assert record["compared"] == 8 * record["cycles"]  # of eight accumulators
    assert record["simulator"]["verilator"]

    right = replay.mac_stream

    def wrong(*columns, **rule):
        acc = right(*columns, **rule)
        acc[-1] += rule["acc_width"] == 17
        return acc

    monkeypatch.setattr(replay, "mac_stream", wrong)
    with pytest.raises(
        ToolError, match="accumulators of the host build differ from RTL and golden"
    ):
        run(*TRIPLE, "--seed", "5")


@pytest.mark.simulator
@pytest.mark.slow
def test_rtl_golden_model_and_kernel_agree_on_a_dot_product_unit(monkeypatch):
    command = ["triple", "e2m1", "--unit", "dot", "--lanes", "2", "--arch", "sign_magnitude"]
    command += ["--scale", "e4m3", "--cycles", "500", "--device", "cpu", "--seed", "5"]
    (record,) = json.loads(run(*command, "--json"))
    assert (record["accumulator"], record["scale"], record["build"]) == ("fp32", "e4m3", "host")
    assert record["compared"] == record["cycles"] > 700
    assert record["different"] == 0
    right = dot_unit.fp32_stream
    monkeypatch.setattr(dot_unit, "fp32_stream", lambda *a, **b: right(*a, **b) + 1)
    with pytest.raises(ToolError, match="outputs of the host build differ from RTL and golden"):
        run(*command)


def test_options_of_a_dot_product_unit_are_not_for_macs():
    with pytest.raises(UserError, match="--scale is for --unit dot, not for mac"):
        run("triple", "e2m1", "--scale", "e8m0")
    with pytest.raises(UserError, match="Unit must be one of mac, dot, not 'array'"):
        run("triple", "e2m1", "--unit", "array")
