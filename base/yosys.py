"""Yosys in a process of its own: an error in Yosys ends the process that runs it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from halfbyte.base.errors import ToolError

__all__ = ["run_yosys"]

_PROGRAM = """\
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
    # Yosys keeps libraries that it has read under the temporary folder, by path, for good: one of
    # its own keeps runs apart and goes with them.
    with (
        tempfile.TemporaryDirectory(prefix="halfbyte-yosys-") as temporary,
        (folder / "log.txt").open("wb") as log,
    ):
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(Path(temporary).resolve())},
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise ToolError(f"{what}: Yosys took more than {timeout:.0f} s", ["yosys"]) from None
    if done.returncode != 0:
        output = (folder / "log.txt").read_text(errors="replace")
        raise ToolError(f"{what}: Yosys failed", ["yosys", "script.ys", f"(in {folder})"], output)
