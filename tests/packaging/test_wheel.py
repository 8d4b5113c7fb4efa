"""The wheel works outside the checkout: built, installed into a fresh environment, and used."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("halfbyte-*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_every_data_file(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    for pattern in (
        "formats/library/*.yaml",
        "area/cells/technologies/*",
        "gpu_ref/cuda/*",
        "pareto/published/*.yaml",
    ):
        expected = {f"halfbyte/{path.relative_to(ROOT)}" for path in ROOT.glob(pattern)}
        assert expected, pattern
        assert expected <= packed
    assert not [name for name in packed if name.startswith(("halfbyte/tests", "tests"))]


@pytest.mark.slow
@pytest.mark.yosys
def test_wheel_synthesizes_from_an_empty_directory(wheel, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    output = run(tmp_path / "venv" / "bin" / "halfbyte", "synth", "e2m1_sp", "--json", cwd=empty)
    (record,) = json.loads(output)
    assert record["format"] == "e2m1_sp"
    assert record["acc_width"] == 17
    assert 0 < record["area_um2"] < 2000
