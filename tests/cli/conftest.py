"""The command in a process of its own, in an empty directory."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def halfbyte(tmp_path: Path) -> Run:
    """``halfbyte(*arguments, check=True)`` run in ``tmp_path`` by the Python of the tests."""
    command = Path(sys.executable).parent / "halfbyte"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HALFBYTE_BUILD", "SIM", "WAVES", "FORCE_COLOR")
    }

    def run(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [str(command), *arguments],
            cwd=tmp_path,
            env={**environment, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run
