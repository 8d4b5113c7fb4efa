"""Closed streams, full disks, odd folders and odd environment variables.

They change nothing, or the command names them in one line.
"""

import errno
import json
import os
import shlex
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from halfbyte.cli import system
from halfbyte.cli.system import explain

COMMAND = shlex.quote(str(Path(sys.executable).parent / "halfbyte"))
Usage = namedtuple("Usage", "total used free")


def shell(line, folder, **environment):
    """Run a line of shell in which ``halfbyte`` stands for the path of the installed command."""
    kept = {name: text for name, text in os.environ.items() if name not in ("HOME", "TMPDIR")}
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("halfbyte", COMMAND)],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("closed", ["", ">&-", "2>&-", "<&- >&- 2>&-", "| head -1"])
def test_closed_streams_do_no_harm(tmp_path, closed):
    done = shell(f"halfbyte formats nope {closed}", tmp_path)
    assert done.returncode == (0 if "|" in closed else 1)
    assert done.stderr.count("\n") == ("2>&-" not in closed)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "| head -1"])
def test_the_result_is_printed_even_if_another_stream_is_closed(tmp_path, closed):
    done = shell(f"halfbyte formats int4 --json {closed}", tmp_path)
    assert (done.returncode, done.stderr, done.stdout[0]) == (0, "", "[")


@pytest.mark.parametrize("option", ["", "--json", "--help"])
def test_a_closed_standard_output_is_an_error_if_there_is_a_result(tmp_path, option):
    done = shell(f"halfbyte formats int4 {option} >&-", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Standard output is closed, so the result would be")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mkdir gone && cd gone && rmdir ../gone && halfbyte derive normal", "The folder in which"),
        ("PYTHONOPTIMIZE=1 halfbyte formats int4", "Python leaves out halfbyte's checks of itself"),
        (
            "HALFBYTE_BUILD=/dev/null/x halfbyte derive normal",
            "/dev/null/x cannot be written (/dev",
        ),
        ("halfbyte derive normal -o /dev/null/x.yaml", "cannot be written (/dev/null is not a fol"),
    ],
)
def test_odd_places_are_named(tmp_path, line, message):
    done = shell(line, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to write to")
def test_a_full_device_is_one_line(tmp_path):
    done = shell("halfbyte formats int4 > /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space is left on the disk or device")
    assert done.stderr.count("\n") == 1


STRANGE = {
    "HOME": "/nonexistent",
    "TMPDIR": "/nonexistent",
    "LIBPYTHON_LOC": "/nonexistent.so",
    "PYGPI_USERS": "nobody",
    "PYTHONPATH": "/nonexistent",
    "PYTHONIOENCODING": "latin-1",
    "LC_ALL": "C",
    "COLUMNS": "0",
    "MAKEFLAGS": "--nonsense",
    "COCOTB_TEST_FILTER": "nothing",
}


@pytest.mark.yosys
def test_strange_variables_change_nothing(tmp_path):
    (tmp_path / "tiny.yaml").write_text("{name: tiny, values: [0, 1, 3, -2]}")
    line = "halfbyte rtl tiny.yaml --arch sign_magnitude --json"
    (plain,), (strange,) = (
        json.loads(shell(line, tmp_path, **variables).stdout) for variables in ({}, STRANGE)
    )
    assert plain == strange


@pytest.mark.parametrize(
    ("number", "name", "message"),
    [
        (errno.EROFS, "build/rtl/x.v", "build/rtl/x.v cannot be written (Read-only file system): "),
        (errno.ENOTDIR, "build/x", "(Not a directory): set HALFBYTE_BUILD to another folder"),
        (errno.EEXIST, "build/netlists", "(File exists): set HALFBYTE_BUILD to another folder"),
        (errno.EACCES, "mine/x.v", "mine/x.v: Permission denied"),
        (errno.EFBIG, None, "larger than this shell allows: raise the limit (ulimit -f)"),
        (errno.ENOSPC, None, "No space is left on the disk or device that is written to"),
        (errno.ENOSPC, "x.v", "No space is left for x.v on the disk or device that is written to"),
    ],
)
def test_errors_of_the_system_name_file_and_remedy(monkeypatch, tmp_path, number, name, message):
    monkeypatch.delenv("HALFBYTE_BUILD", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(system.shutil, "disk_usage", lambda _: Usage(1 << 40, 0, 1 << 40))
    text = explain(OSError(number, os.strerror(number), name))
    assert message in text and "\n" not in text


@pytest.mark.parametrize("variable", ["TMPDIR", "HALFBYTE_BUILD"])
def test_the_full_disk_is_named(monkeypatch, tmp_path, variable):
    full = tmp_path / "full"
    monkeypatch.setenv("HALFBYTE_BUILD", str(full / "deep" if variable != "TMPDIR" else tmp_path))
    if variable == "TMPDIR":
        full.mkdir()
        monkeypatch.setattr(system.tempfile, "tempdir", str(full))
    monkeypatch.setattr(Path, "exists", lambda path: path in (full, tmp_path))
    monkeypatch.setattr(
        system.shutil, "disk_usage", lambda path: Usage(1, 1, 0 if path == full else 1 << 40)
    )
    text = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert text.startswith(f"No space is left in {full}")
    assert text.endswith(f"set {variable} to a larger disk")
