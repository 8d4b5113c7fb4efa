"""Commands that are interrupted or terminated print one line and leave nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HALFBYTE = Path(sys.executable).parent / "halfbyte"
# A file that exists as soon as a synthesis has begun.
BEGUN = "tmp/halfbyte-*/halfbyte-synth-*/script.ys"
# Icarus Verilog starts a simulation sooner than Verilator, which compiles it first.
ICARUS = ["--simulator", "icarus"] if shutil.which("iverilog") else []
MESSAGE = "finished results are kept, and the next run continues from them"


def members(session):
    """Process numbers of a command and its children, found by the variable HALFBYTE_TEST."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"HALFBYTE_TEST={session}".encode() in environment.split(b"\0"):
            found.append(entry.name)
    return found


def wait_for(condition, seconds=90):
    """Wait until the condition is true; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to find processes")
@pytest.mark.parametrize(
    ("number", "arguments", "begun"),
    [
        (
            signal.SIGTERM,
            ["synth", "int4", "--effort", "50"],
            BEGUN,
        ),
        (
            signal.SIGINT,
            ["synth", "int4", "--effort", "50"],
            BEGUN,
        ),
        (
            signal.SIGTERM,
            ["sim", "int4", "--arch", "baugh_wooley", "--cycles", "1000000", *ICARUS],
            "build/sim/**/run-*/simulation.log",
        ),
    ],
    ids=["synth-term", "synth-int", "sim-term"],
)
def test_nothing_is_left(tmp_path, number, arguments, begun):
    (tmp_path / "tmp").mkdir()
    name = f"{os.getpid()}-{number}-{arguments[0]}"
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HALFBYTE_TEST": name}
    process = subprocess.Popen(
        [HALFBYTE, *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell makes background processes ignore SIGINT. The tests may run in such a process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: list(tmp_path.glob(begun)))
    process.send_signal(number)
    _, error = process.communicate(timeout=90)
    what = "interrupted" if number == signal.SIGINT else "terminated"
    assert error.splitlines()[-1] == f"{what}: {MESSAGE}"
    assert "Traceback" not in error
    assert process.returncode == (1 if number == signal.SIGINT else 128 + number)
    wait_for(lambda: not members(name), seconds=5)
    assert not list((tmp_path / "tmp").glob("halfbyte-*"))
    assert not (tmp_path / "build" / "failed").exists()


STARTING = """
import sys, threading, _thread, builtins
real, last = builtins.__import__, sys.argv[1]
def slow(name, *rest):
    if name == last:
        raise KeyboardInterrupt  # as Ctrl-C does, in the middle of the imports
    return real(name, *rest)
builtins.__import__ = slow
from halfbyte.cli import main
sys.argv = ["halfbyte", "formats"]
main()
"""


@pytest.mark.parametrize("module", ["halfbyte.cli.interruption", "halfbyte.base.yosys", "typer"])
def test_an_interruption_at_the_start_is_one_line(module):
    command = [sys.executable, "-c", STARTING, module]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"interrupted: {MESSAGE}\n")


# Runs of Yosys must be refused before the temporary folder is deleted: threads use it until then.
SIGNALLED = """
import os, signal
from halfbyte.base.yosys import yosys_is_refused
from halfbyte.cli.interruption import ends_in_one_line
with ends_in_one_line():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        print(yosys_is_refused())
"""


def test_a_signal_refuses_runs_of_yosys_at_once():
    command = [sys.executable, "-c", SIGNALLED]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "True\n")
    assert done.stderr == f"terminated: {MESSAGE}\n"


@pytest.mark.yosys
def test_a_temporary_folder_with_spaces_is_named_in_one_line(tmp_path):
    folder = tmp_path / "with space"
    folder.mkdir()
    done = subprocess.run(
        [HALFBYTE, "synth", "e1m2", "--arch", "sign_magnitude"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "set TMPDIR to a path without special characters" in done.stderr
    assert not list(folder.iterdir())
