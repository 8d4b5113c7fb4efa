"""``make`` hands its variables to the ``halfbyte`` command, and refuses unknown variables."""

import re
import shutil
import subprocess

import pytest

from tests.docs.blocks import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*words):
    return subprocess.run(
        [shutil.which("make") or "make", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_misspelt_variable_is_refused():
    done = make("help", "FROMAT=e2m1")
    assert done.returncode == 2
    assert "No target reads FROMAT: `make help` lists the variables" in done.stderr


def test_every_variable_that_help_lists_is_accepted():
    listed = set(re.findall(r"\b([A-Z_]+)=", make("help").stdout))
    assert {"FORMAT", "CLOCK", "UNIT", "JSON"} <= listed
    done = make("help", *(f"{name}=1" for name in listed), "PYTHON=python3", "TEST_JOBS=1")
    assert done.returncode == 0, done.stderr


def test_columns_of_an_array_are_not_taken_from_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "77")
    assert "--columns" not in make("-n", "sim", "UNIT=array", "FORMAT=int4").stdout
    done = make("-n", "sim", "UNIT=array", "FORMAT=int4", "COLUMNS=5", "DATAFLOW=weight")
    assert "--columns '5' --dataflow 'weight'" in done.stdout
