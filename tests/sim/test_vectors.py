"""Exported MACs, test vectors and plain Verilog benches.

A vector, or *step*, holds its operands for one or more cycles. A *walk* is a sequence of steps
after which the sum has crossed a limit of the accumulator.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halfbyte.formats import Overflow, load, product_extremes
from halfbyte.formats.parse import parse_text
from halfbyte.golden import scalar
from halfbyte.rtl import MacSpec, to_verilog
from halfbyte.sim import export_mac
from halfbyte.sim.limits import expected_after, walk_to_limits
from halfbyte.sim.simulator import clean_environment, program, verilator_root

SEED = 3


def _run(record: dict[str, object], folder: Path) -> tuple[int, str]:
    """Compile the exported files and run them; return the exit status and the output."""
    bench = Path(str(record.bench))
    environment = clean_environment(VERILATOR_ROOT=str(verilator_root()))
    command = [verilator_root() / "bin" / "verilator_bin", "--binary", "--timing"]
    command += ["-CFLAGS", "-std=c++20", "-Wall"]
    # The simulation is short, so quick compilation saves more time than optimization would.
    command += ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0 PYTHON3=python3"]
    command += ["-o", "bench", bench, record.verilog]
    subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, timeout=300
    )
    return _simulate(folder)


def _simulate(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [folder / "obj_dir" / "bench"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout


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
    status, text = _run(record, tmp_path)
    assert (status, f"PASS: {record.count} vectors" in text) == (0, True)

    vectors = Path(record.vectors)
    right = vectors.read_text()
    lines = right.splitlines()
    assert lines[-1] != lines[-1][:-3] + "123"
    vectors.write_text("\n".join([*lines[:-1], lines[-1][:-3] + "123"]) + "\n")
    status, text = _simulate(tmp_path)
    assert status != 0
    assert f"FAIL: 1 of {record.count} vectors" in text
    vectors.unlink()
    status, text = _simulate(tmp_path)
    assert status != 0
    assert f"does not hold {record.count} vectors" in text


def test_vectors_are_what_their_header_says(tmp_path: Path) -> None:
    weight, activation = load("e2m1"), load("int4")
    record = export_mac(MacSpec(weight, activation, "twos_complement", terms=20), tmp_path)
    assert Path(record.verilog).name == "mac_e2m1_int4_twos_complement_acc12_wrap.v"
    lines = Path(record.vectors).read_text().splitlines()
    comments = [line for line in lines if line.startswith("//")]
    assert "//   cycles w a clear acc" in comments
    count, *rows = lines[len(comments) :]
    assert int(count, 16) == len(rows) == record.count
    acc, width, seen = 0, record.acc_width, []
    for row in rows:
        cycles, w, a, clear, after = (int(word, 16) for word in row.split())
        acc = (0 if clear else acc) + cycles * weight.integers[w] * activation.integers[a]
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


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("acc_width", [2, 8, 20, 31])
def test_sums_walk_to_both_limits_of_any_accumulator(acc_width: int, overflow: Overflow) -> None:
    fmt = load("e2m1")
    spec = MacSpec(fmt, fmt, "sign_magnitude", acc_width=acc_width, overflow=overflow)
    steps = walk_to_limits(spec)
    seen = expected_after(spec, steps)
    half = 2 ** (acc_width - 1)
    assert {half - 1, -half} <= set(seen)
    # The sums cross both limits, so saturation and wrapping give different results at both.
    other = replace(spec, overflow=next(each for each in Overflow if each is not overflow))
    differ = [one != two for one, two in zip(seen, expected_after(other, steps), strict=True)]
    start = [step.clear for step in steps].index(True, 1)
    assert any(differ[:start])
    assert any(differ[start:])


def test_a_step_of_several_cycles_repeats_its_operands() -> None:
    fmt = load("int4")
    spec = MacSpec(fmt, fmt, "booth", acc_width=9, overflow=Overflow.SATURATE)
    steps = walk_to_limits(spec)
    held = [step.cycles for step in steps]
    w, a = (np.repeat([getattr(step, side) for step in steps], held) for side in ("w", "a"))
    clear = np.repeat([step.clear for step in steps], held)
    assert not any(step.clear and step.cycles > 1 for step in steps)
    sums = scalar.mac_stream(w.tolist(), a.tolist(), clear.tolist(), **spec.arithmetic)
    assert [sums[end - 1] for end in np.cumsum(held)] == expected_after(spec, steps)


def test_limits_that_no_sum_reaches_are_named(tmp_path: Path) -> None:
    unsigned = parse_text("{name: u2, title: U2, values: [0, 1, 2, 3], source: us}")
    spec = MacSpec(unsigned, unsigned, "sign_magnitude", acc_width=10)
    export_mac(spec, tmp_path)
    wide = replace(spec, acc_width=64)
    export_mac(wide, tmp_path)
    heads = [(tmp_path / f"{each.name}_vectors.hex").read_text() for each in (spec, wide)]
    assert "Limits reached: one; for the other, no product has its sign" in heads[0]
    assert "Limits reached: none; for each, " in heads[1]


@pytest.mark.simulator
@pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="Icarus Verilog is optional and not on PATH"
)
def test_a_wrapping_design_fails_the_bench_of_a_saturating_one(tmp_path: Path) -> None:
    fmt = load("e2m1")
    right = MacSpec(fmt, fmt, "exponent_shift", acc_width=18, overflow=Overflow.SATURATE)
    record = export_mac(right, tmp_path)
    wrong = replace(right, overflow=Overflow.WRAP)
    (tmp_path / "wrong.v").write_text(to_verilog(wrong.component(), record.module))
    statuses = []
    for design in (record.verilog, "wrong.v"):
        command = [program("iverilog"), "-g2012", "-o", "bench", design, record.bench]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
        done = subprocess.run(
            [program("vvp"), "bench"], cwd=tmp_path, capture_output=True, timeout=60
        )
        statuses.append(done.returncode)
    assert statuses[0] == 0
    assert statuses[1] != 0
