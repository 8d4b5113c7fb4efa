"""Runs external programs. Their output goes to a log, and all of them can be ended at once."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["Processes"]


class Processes:
    """The running programs of one caller, so that all of them can be ended at once.

    Every program leads a process group. So if a program is ended, all processes that it has started
    end, too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    def run(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
    ) -> int:
        """Run ``command`` in ``folder``, append its output to ``log``; return the exit status."""
        with log.open("ab") as output:
            process = self._start(command, folder, environment, output.fileno())
            try:
                return process.wait()
            finally:
                self._kill(process)
                with self._lock:
                    self._running.discard(process)

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], output: int
    ) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._ended:
                raise InterruptedError("The simulation was interrupted")
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def end(self) -> None:
        """Kill all running programs; from now on, :meth:`run` raises InterruptedError."""
        with self._lock:
            self._ended = True
            for process in self._running:
                self._kill(process)

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        """Kill the process group that ``process`` leads, if it still runs."""
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
