"""Tests of ``python -m halfbyte.gpu_ref.record``.

The command runs checks and benchmarks (*parts*) and records their results. It is meant for a GPU.
Here it runs on the host build: the kernels compiled for the CPU.
"""

import json
import subprocess
import sys

import pytest

from halfbyte.gpu_ref.record.__main__ import main
from halfbyte.gpu_ref.record.page import page
from halfbyte.gpu_ref.record.part import Value
from halfbyte.gpu_ref.record.parts import PARTS
from halfbyte.gpu_ref.record.run import PartEntry, RunRecord
from halfbyte.gpu_ref.record.runner import run_part

# Packages that a machine with a GPU may lack. The script BLOCKED runs checks without them.
ABSENT = (
    "amaranth", "cocotb", "joblib", "matplotlib", "numba", "pyosys", "pysat", "rich", "safetensors",
    "scipy", "transformers", "typer",
)  # fmt: skip
BLOCKED = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import torch
from halfbyte.formats import bundled
from halfbyte.gpu_ref import cases
from halfbyte.gpu_ref.check import check_format
from halfbyte.gpu_ref.unit_check import check_units
from halfbyte.gpu_ref.record import parts, page, runner
for name in {ABSENT!r}:
    assert name not in sys.modules, name
shapes = [cases.Shape(2, 3, 131, 128)]
found = check_format(bundled()[0], torch.device("cpu"), shapes=shapes)
found += check_units(bundled()[0], torch.device("cpu"), shapes=shapes)
assert sum(each.compared for each in found) > 1000 and not any(each.different for each in found)
print(len(bundled()), "formats")
"""


def test_needs_only_torch_and_a_compiler():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= 17


def test_writes_results_as_json_and_as_a_page(tmp_path, capsys):
    assert main(["--device", "cpu", "--only", "machine", "streams", "-o", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("gpu-host-*.json")
    record = json.loads(path.read_text())
    assert RunRecord.from_json(record).as_json() == record
    assert list(record["parts"]["streams"]) == ["title", "status", "seconds", "error", "results"]
    assert [part["status"] for part in record["parts"].values()] == ["complete"] * 2
    (speed,) = record["parts"]["streams"]["results"]
    assert speed["steps_per_second"] > 0
    text = path.with_suffix(".md").read_text()
    assert "host build, no GPU" in text
    assert "| mac_stream | 256 x 1024 |" in text
    assert text.strip() in capsys.readouterr().out


def test_parts_are_registered_in_the_order_of_their_value():
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
    assert names[0] == "machine"
    assert {"check", "check_units", "check_dfloat11", "sanitize", "products", "dfloat11"} <= {
        *names
    }
    values = [part.value for part in PARTS]
    assert values == sorted(values)
    # A run takes ten minutes at most, even if every part takes all of its time.
    assert sum(part.seconds for part in PARTS) <= 590
    for value in (Value.CORRECTNESS, Value.SPEED):
        assert sum(part.seconds for part in PARTS if part.value is value) <= 240


def test_a_part_that_is_cut_short_is_not_an_error():
    results = []
    ending = run_part("check_dfloat11", "cpu", 0.05, results.append)
    assert ending.status == "cut short"
    assert ending.error is None


def test_a_part_that_fails_says_why():
    ending = run_part("machine", "nowhere", 60, lambda result: None)
    assert ending.status == "failed"
    assert "nowhere" in ending.error


def record(**changes):
    """A record with one comparison of numbers."""
    comparison = {
        "kernel": "encode", "format": "int4", "activation": "int4", "compared": 10,
        "different": 0, "first": "", **changes,
    }  # fmt: skip
    part = PartEntry(
        title="Check", status="complete", seconds=1.0, error=None, results=(comparison,)
    )
    return RunRecord(date="2026-01-01T00:00:00+00:00").with_part("check", part)


def test_a_difference_shows_on_the_page():
    found = record(different=1, first="codes at (0,): 1 for 2")
    assert record().is_good
    assert not found.is_good
    text = page(found)
    assert "| encode | 10 | 1 |" in text
    assert "codes at (0,): 1 for 2" in text


def test_the_page_gives_no_time_for_a_part_that_is_running():
    part = PartEntry(title="Check", status="running", seconds=None, error=None)
    text = page(RunRecord(date="2026-01-01T00:00:00+00:00").with_part("check", part))
    assert "running, results: 0" in text


def test_refuses_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="PyTorch sees no GPU here"):
        main(["--device", "cuda"])
