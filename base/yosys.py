"""Yosys in a process of its own: an error in Yosys ends the process that runs it."""

import subprocess
import sys
from pathlib import Path

from halfbyte.base.errors import ToolError

__all__ = ["run_yosys"]

_PROGRAM = """\
import sys
from pyosys import libyosys
libyosys.run_pass("script script.ys", libyosys.Design())
"""


def run_yosys(script: str, folder: Path, what: str, timeout: float = 600) -> None:
    """Run ``script`` with ``folder`` as the working directory; its output is kept in ``log.txt``.

    File names in the script must be relative and plain: nothing of the user's may stand in it.
    Raises ToolError with the last lines of the log if Yosys fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "script.ys").write_text(script)
    command = [sys.executable, "-c", _PROGRAM]
    with (folder / "log.txt").open("wb") as log:
        try:
            done = subprocess.run(
                command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise ToolError(f"{what}: Yosys took more than {timeout:.0f} s", ["yosys"]) from None
    if done.returncode != 0:
        output = (folder / "log.txt").read_text(errors="replace")
        raise ToolError(f"{what}: Yosys failed", ["yosys", "script.ys", f"(in {folder})"], output)
