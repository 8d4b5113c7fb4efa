"""``run_yosys`` runs scripts in a Yosys server, a separate process."""

import os
import subprocess
import sys
import time

import pytest

from halfbyte.area import load_technology
from halfbyte.base import ToolError, run_yosys

DESIGN = "module top(input a, b, output y); assign y = ~(a & b); endmodule"


@pytest.mark.yosys
def test_failure_shows_command_and_last_lines(tmp_path):
    with pytest.raises(ToolError, match=r"Trying: Yosys failed(?s:.*)No such command: nonsense"):
        run_yosys("nonsense", tmp_path, "Trying")
    assert "nonsense" in (tmp_path / "log.txt").read_text()


@pytest.mark.yosys
def test_a_library_at_the_same_path_is_read_again(tmp_path):
    """Yosys caches libraries by path. A run must not use the library of an earlier run."""
    (tmp_path / "design.v").write_text(DESIGN)
    script = "read_verilog design.v; techmap; abc -liberty cells.lib; write_verilog out.v"
    library = load_technology("sg13g2").liberty_text()
    for name in ("first_nand", "second_nand"):
        (tmp_path / "cells.lib").write_text(library.replace("sg13g2_nand2_1", name))
        run_yosys(script.replace("; ", "\n"), tmp_path, "Mapping")
        assert name in (tmp_path / "out.v").read_text()


@pytest.mark.yosys
def test_a_run_that_takes_too_long_is_ended_and_the_next_one_works(tmp_path):
    with pytest.raises(ToolError, match="Waiting: Yosys took more than 1 s"):
        run_yosys("exec -- sleep 60", tmp_path, "Waiting", timeout=1)
    (tmp_path / "design.v").write_text(DESIGN)
    run_yosys("read_verilog design.v", tmp_path, "Reading")


@pytest.mark.yosys
def test_a_killed_server_is_reported_and_replaced(tmp_path):
    run_yosys("exec -- true", tmp_path, "Starting")
    with pytest.raises(ToolError, match="Dying: Yosys was ended"):
        run_yosys("exec -- kill -9 $(ps -o ppid= -p $PPID)", tmp_path, "Dying")
    run_yosys("exec -- true", tmp_path, "Starting again")


@pytest.mark.yosys
def test_servers_end_with_their_process_and_leave_nothing(tmp_path):
    program = (
        "import sys, os\nfrom pathlib import Path\nfrom halfbyte.base import run_yosys\n"
        "run_yosys('exec -- true', Path('run'), 'Starting')\nprint('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    assert len(list(tmp_path.glob("halfbyte-yosys-*"))) == 1
    process.kill()  # SIGKILL, so that the process cannot clean up
    process.communicate()
    deadline = time.monotonic() + 60
    while list(tmp_path.glob("halfbyte-yosys-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Calls end_yosys when a server has started, but before its first run, and prints what follows.
ENDED_IN_BETWEEN = """
import os
from pathlib import Path
from halfbyte.base import yosys
start = yosys._Server.__init__
def start_then_end(server):
    start(server)
    yosys.end_yosys()
yosys._Server.__init__ = start_then_end
for _ in range(2):
    try:
        yosys.run_yosys("exec -- sleep 60", Path("run"), "Starting")
    except KeyboardInterrupt:
        print("refused", os.listdir(os.environ["TMPDIR"]), flush=True)
os._exit(0)
"""


@pytest.mark.yosys
def test_a_server_that_starts_while_the_process_ends_gets_no_run(tmp_path):
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-c", ENDED_IN_BETWEEN]
    output = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True, timeout=50)
    assert output == "refused []\n" * 2


# In this program, an interruption removes the temporary folder while a synthesis uses it.
REMOVED_FOLDER = """
import shutil
from halfbyte.area.search.run_folder import run_folder
from halfbyte.base.yosys import refuse_yosys
try:
    with run_folder() as folder:
        refuse_yosys()
        shutil.rmtree(folder)
        (folder / "design.il").write_text("")
except FileNotFoundError:
    print("ended")
"""


def test_an_interrupted_synthesis_keeps_no_folder_of_failed_runs(tmp_path):
    command = [sys.executable, "-c", REMOVED_FOLDER]
    environment = {**os.environ, "HALFBYTE_BUILD": str(tmp_path)}
    assert subprocess.check_output(command, env=environment, cwd=tmp_path, text=True) == "ended\n"
    assert not list(tmp_path.rglob("failed"))
