"""Exported MACs, vectors and benches, read by plain Verilog."""

import subprocess
from pathlib import Path

import pytest

from halfbyte.formats import Overflow, load, product_extremes
from halfbyte.rtl import MacSpec
from halfbyte.sim import export_mac
from halfbyte.sim.simulator import clean_environment, verilator_root

SEED = 3


def _run(record: dict[str, object], folder: Path) -> str:
    """Compile the exported files as the bench's header says, and run them."""
    bench = Path(str(record.bench))
    environment = clean_environment(VERILATOR_ROOT=str(verilator_root()))
    command = [verilator_root() / "bin" / "verilator_bin", "--binary", "--timing"]
    command += ["-CFLAGS", "-std=c++20", "-Wno-lint"]
    # Little code runs, so that compiling it quickly is what counts.
    command += ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0 PYTHON3=python3"]
    command += ["-o", "bench", bench, record.verilog]
    subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, timeout=300
    )
    return _simulate(folder)


def _simulate(folder: Path) -> str:
    done = subprocess.run(
        [folder / "obj_dir" / "bench"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.stdout


@pytest.mark.simulator
@pytest.mark.slow
def test_a_plain_verilog_bench_passes_and_can_fail(tmp_path: Path) -> None:
    spec = MacSpec(
        load("e2m1_sp"),
        load("int5"),
        "sign_magnitude",
        acc_width=12,
        overflow=Overflow.SATURATE,
        enable=True,
    )
    record = export_mac(spec, tmp_path, seed=SEED)
    assert f"PASS: {record.count} vectors" in _run(record, tmp_path)

    vectors = Path(record.vectors)
    right = vectors.read_text()
    lines = right.splitlines()
    assert lines[-1] != lines[-1][:-3] + "123"
    vectors.write_text("\n".join([*lines[:-1], lines[-1][:-3] + "123"]) + "\n")
    assert f"FAIL: 1 of {record.count} vectors" in _simulate(tmp_path)
    vectors.unlink()
    assert f"does not hold {record.count} vectors" in _simulate(tmp_path)


def test_vectors_are_what_their_header_says(tmp_path: Path) -> None:
    weight, activation = load("e2m1"), load("int4")
    record = export_mac(MacSpec(weight, activation, "twos_complement", terms=20), tmp_path)
    assert Path(record.verilog).name == "mac_e2m1_int4_twos_complement_acc12_wrap.v"
    lines = Path(record.vectors).read_text().splitlines()
    comments = [line for line in lines if line.startswith("//")]
    assert "//   w a clear acc" in comments
    count, *rows = lines[len(comments) :]
    assert int(count, 16) == len(rows) == record.count
    acc, width, seen = 0, record.acc_width, []
    for row in rows:
        w, a, clear, after = (int(word, 16) for word in row.split())
        acc = (0 if clear else acc) + weight.integers[w] * activation.integers[a]
        assert acc % 2**width == after
        seen.append(acc)
    low, high = product_extremes(weight, activation)
    assert (20 * low in seen) and (20 * high in seen)


def test_the_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    spec = MacSpec(load("sf4"), load("sf4"), "product_table")
    records = [export_mac(spec, tmp_path / folder, seed=SEED) for folder in ("one", "two")]
    for kind in ("verilog", "vectors", "bench"):
        first, second = (Path(getattr(record, kind)) for record in records)
        assert first.read_bytes() == second.read_bytes()


def test_architectures_do_not_overwrite_each_other(tmp_path: Path) -> None:
    fmt = load("int4")
    for architecture in ("product_table", "sign_magnitude"):
        export_mac(MacSpec(fmt, fmt, architecture), tmp_path)
    assert len(list(tmp_path.iterdir())) == 6
