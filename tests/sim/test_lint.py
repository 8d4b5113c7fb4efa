"""Exported Verilog passes Verilator's lint with ``-Wall``."""

import subprocess
from pathlib import Path

import pytest

from halfbyte.formats import load
from halfbyte.rtl import MacSpec, to_verilog, variants
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.dfloat11 import Decoder
from halfbyte.sim import export_mac
from halfbyte.sim.simulator import clean_environment, verilator_root

pytestmark = pytest.mark.simulator


def complaints(folder: Path, *files: str) -> str:
    """The warnings of ``verilator --lint-only -Wall``."""
    root = verilator_root()
    command = [root / "bin" / "verilator_bin", "--lint-only", "-Wall", "--timing", *files]
    environment = clean_environment(VERILATOR_ROOT=str(root))
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr


@pytest.mark.parametrize(
    ("weight", "activation"), [("int4", "int4"), ("e2m1_sp", "int8"), ("e3m0", "sf4")]
)
def test_macs_in_every_architecture(weight: str, activation: str, tmp_path: Path) -> None:
    for spec in MacSpec(load(weight), load(activation)).candidates():
        (tmp_path / f"{spec.name}.v").write_text(to_verilog(spec.component(), spec.name))
        assert complaints(tmp_path, f"{spec.name}.v") == ""


def test_every_accumulator_and_its_bench(tmp_path: Path) -> None:
    for spec in variants(MacSpec(load("e2m1"), load("e2m1"), "exponent_shift")).values():
        record = export_mac(spec, tmp_path)
        assert complaints(tmp_path, record.bench, record.verilog) == ""


@pytest.mark.parametrize("component", [Bf16Mac(), Decoder(lanes=1)], ids=["bf16", "decoder"])
def test_units_without_formats(component: Bf16Mac | Decoder, tmp_path: Path) -> None:
    (tmp_path / "unit.v").write_text(to_verilog(component, "unit"))
    assert complaints(tmp_path, "unit.v") == ""


def test_lint_sees_a_wrong_width(tmp_path: Path) -> None:
    (tmp_path / "wide.v").write_text(
        "module wide (input [3:0] a, output [7:0] y); assign y = a; endmodule"
    )
    assert "WIDTHEXPAND" in complaints(tmp_path, "wide.v")
