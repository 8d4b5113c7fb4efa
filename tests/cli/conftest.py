"""Fixtures that run the ``halfbyte`` command in an empty folder."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from halfbyte.cli import main

# Environment variables that change where a command writes, what it runs, or how it prints.
INFLUENCES = ("HALFBYTE_BUILD", "SIM", "WAVES", "FORCE_COLOR")


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def _status(code: object) -> int:
    """The exit status of ``sys.exit(code)``. Prints ``code`` if it is a text, as Python does."""
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


@pytest.fixture
def halfbyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_objects: None) -> Run:
    """``halfbyte(*arguments, check=True)`` runs a command in ``tmp_path``, within this process."""
    for name in INFLUENCES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    # The command sets this variable too. Set here, it is restored after the test.
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, check: bool = True) -> Done:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "argv", ["halfbyte", *arguments])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = _status(end.code)
            else:
                code = 0
        if check:
            assert code == 0, err.getvalue()
        return Done(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def shared_store(tmp_path: Path, shared_build: Path) -> None:
    """Link the test session's store into ``tmp_path``, so that tests share results of synthesis."""
    (tmp_path / "build").mkdir()
    for name in ("records", "netlists"):
        (shared_build / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "build" / name).symlink_to(shared_build / name)


@pytest.fixture
def halfbyte_process(tmp_path: Path) -> Run:
    """Like ``halfbyte``, but runs the installed command in a new process."""
    command = Path(sys.executable).parent / "halfbyte"
    environment = {name: text for name, text in os.environ.items() if name not in INFLUENCES}

    def run(*arguments: str, check: bool = True) -> Done:
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
        return Done(done.returncode, done.stdout, done.stderr)

    return run
