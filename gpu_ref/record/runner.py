"""Runs a part of ``make gpu-record`` in a separate process with a time limit.

A part is one check or one benchmark of the kernels.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from halfbyte.base import JsonObject

__all__ = ["Ending", "run_part"]

LAST_LINES = 12  # lines that are kept of the error output of a failed part
OnResult = Callable[[JsonObject], None]


class Ending(NamedTuple):
    """How a part ended. ``error`` is the end of its error output if it failed, else None."""

    status: str
    seconds: float
    error: str | None


def run_part(name: str, device: str, seconds: float, on_result: OnResult) -> Ending:
    """Run the part ``name``; call ``on_result`` with each result as it comes.

    ``cut short`` is the status of a part that exceeded its time limit; the others are ``complete``
    and ``failed``. No process of the part is left when the call returns.
    """
    begin = time.monotonic()
    command = [sys.executable, "-m", "halfbyte.gpu_ref.record.part_process", name, device]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        timer = threading.Timer(seconds, _kill, [process])
        errors: list[str] = []
        reader = threading.Thread(target=errors.extend, args=[process.stderr], daemon=True)
        timer.start()
        reader.start()
        try:
            for result in _results(process):
                on_result(result)
            code = process.wait()
        finally:
            expired = not timer.is_alive()
            timer.cancel()
            _kill(process)
            reader.join(timeout=5)
    status = "complete" if code == 0 else "cut short" if expired else "failed"
    error = "".join(errors[-LAST_LINES:]) if status == "failed" else None
    return Ending(status, round(time.monotonic() - begin, 1), error)


def _results(process: "subprocess.Popen[str]") -> Iterator[JsonObject]:
    assert process.stdout is not None  # noqa: S101
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)


def _kill(process: "subprocess.Popen[str]") -> None:
    """End the process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
