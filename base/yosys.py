"""Run Yosys in separate processes, since an error in Yosys ends the process that runs it.

A server process loads Yosys once and forks for every run. So every run starts quickly and from the
same state, and a failed run does not affect other runs. Runs that take place at the same time use
different servers. A server is kept for later runs. It ends with the process that started it, even
if that process is killed.
"""

import atexit
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from halfbyte.base.errors import ToolError, UserError

__all__ = ["end_yosys", "interrupt_yosys", "refuse_yosys", "run_yosys", "yosys_is_refused"]

# Paths that Yosys, ABC and their scripts can read.
_PLAIN = re.compile(r"[\w./+,:=@%~-]*")
_LEAST_SPACE = 2**20  # bytes; a disk with less free space counts as full
# How often to try to remove a folder, and the seconds between two tries.
_TRIES, _PAUSE = 40, 0.05
# The program of a server. First it prints the path of its temporary folder. Then it reads lines,
# each with the path of a folder, runs the script in that folder, and prints the exit status. It has
# a single thread, since forking is not safe with several. In $TMPDIR, Yosys keeps a copy of each
# library that it has read, and uses that copy for every later library at the same path. So every
# run has its own $TMPDIR. A run flushes the buffers of C before it ends, since os._exit would drop
# their content.
_SERVER = """\
import ctypes, json, os, shutil, sys, tempfile
from pyosys import libyosys
with tempfile.TemporaryDirectory(prefix="halfbyte-yosys-", ignore_cleanup_errors=True) as temporary:
    print(temporary, flush=True)
    for line in sys.stdin:
        own = tempfile.mkdtemp(dir=temporary)
        child = os.fork()
        if child == 0:
            os.environ["TMPDIR"] = own
            os.chdir(json.loads(line))
            log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            os.dup2(log, 1)
            os.dup2(log, 2)
            libyosys.run_pass("script script.ys", libyosys.Design())
            ctypes.CDLL(None).fflush(None)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        shutil.rmtree(own, ignore_errors=True)
        print(status, flush=True)
"""


class _Server:
    """A process that waits for scripts to run. Raises ChildProcessError if it cannot load Yosys."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that the server and its run can be killed together
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("Popen gave no pipes to the server")
        self._requests, self._answers = self._process.stdin, self._process.stdout
        try:
            self._temporary = Path(os.fsdecode(self._answer()))
        except ChildProcessError:
            self.close()
            raise

    def run(self, folder: Path, timeout: float) -> int:
        """Run ``script.ys`` in ``folder``; returns the exit status.

        The status is negative if a signal ended the run. Raises TimeoutError after ``timeout``
        seconds, and ChildProcessError if the server itself has ended.
        """
        try:
            self._requests.write(json.dumps(str(folder.resolve())).encode() + b"\n")
            self._requests.flush()
        except BrokenPipeError:
            raise ChildProcessError("Yosys was ended") from None
        if not select.select([self._answers], [], [], timeout)[0]:
            raise TimeoutError
        return int(self._answer())

    def _answer(self) -> bytes:
        """The next line that the server prints. Raises ChildProcessError if it has ended."""
        answer = self._answers.readline().rstrip(b"\n")
        if not answer:
            raise ChildProcessError("Yosys was ended, or cannot be loaded")
        return answer

    def close(self) -> None:
        """Let the server end. It removes its temporary folder."""
        self._requests.close()
        self._process.wait()
        self._answers.close()

    def end_now(self) -> None:
        """Kill the server and its run. A thread that waits for the run gets no exit status."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the server and its run, and remove their temporary folder."""
        self.end_now()
        self.close()
        self.remove()

    def remove(self) -> None:
        """Remove the temporary folder of a server that has ended."""
        self._process.wait()
        for _ in range(_TRIES):  # a run that is dying may still write into it
            shutil.rmtree(self._temporary, ignore_errors=True)
            if not self._temporary.exists():
                return
            time.sleep(_PAUSE)


_idle: list[_Server] = []
_busy: set[_Server] = set()
_interrupted: set[_Server] = set()  # busy servers that interrupt_yosys has killed
_refuses = False  # whether runs are refused, because this process is about to end


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()


# A fork of this process shares its pipes to the servers, but must not use them.
os.register_at_fork(after_in_child=_idle.clear)


def interrupt_yosys() -> None:
    """Kill every run. The threads that wait for a run get a KeyboardInterrupt."""
    for server in list(_busy):
        _interrupted.add(server)
        server.end_now()


def refuse_yosys() -> None:
    """Let no new run start, because the process is about to end. Signal handlers may call this."""
    global _refuses
    _refuses = True


def yosys_is_refused() -> bool:
    """Whether :func:`refuse_yosys` was called, so that the process is about to end."""
    return _refuses


def end_yosys() -> None:
    """Kill all servers, remove their temporary folders, and let no new run start."""
    refuse_yosys()
    busy = list(_busy)
    interrupt_yosys()
    with contextlib.suppress(IndexError):  # another thread may take the last idle server
        while _idle:
            _idle.pop().kill()
    for server in busy:  # the threads that use these servers may have no time left to do it
        server.remove()


def run_yosys(script: str, folder: Path, what: str, timeout: float = 600) -> None:
    """Run a Yosys script with ``folder`` as its working directory; ``log.txt`` there is its output.

    The script must not contain text from the user. Its file names must be relative, without spaces,
    quotes and other special characters. ``what`` names the work in messages; ``timeout`` is in
    seconds.

    Raises ToolError if Yosys fails, with the last lines of the log, or if it takes too long. Raises
    UserError if the path of ``folder`` has special characters, or if the disk is full. Raises
    KeyboardInterrupt after :func:`refuse_yosys`, and if :func:`interrupt_yosys` kills the run.
    """
    if _refuses:
        raise KeyboardInterrupt
    _check_folder(folder)
    folder.mkdir(exist_ok=True)
    (folder / "script.ys").write_text(script)
    command = ["yosys", "script.ys", f"(in {folder})"]
    try:
        status = _run(folder, timeout)
    except TimeoutError:
        raise ToolError(f"{what}: Yosys took more than {timeout:.0f} s", command) from None
    except ChildProcessError as error:
        raise ToolError(f"{what}: {error}", command) from None
    if status != 0:
        _check_space(folder)
        output = (folder / "log.txt").read_text(errors="replace")
        raise ToolError(f"{what}: Yosys failed", command, output)


def _run(folder: Path, timeout: float) -> int:
    """Run the script in ``folder`` on an idle server, or on a new one; returns the exit status."""
    try:
        server = _idle.pop()  # fails if there is none, or if another thread has just taken it
    except IndexError:
        server = _Server()
    _busy.add(server)
    if _refuses:  # end_yosys may not have seen this server, which now ends by itself
        server.close()
        raise KeyboardInterrupt
    try:
        status = server.run(folder, timeout)
    except BaseException as error:
        server.kill()
        if server in _interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        _busy.discard(server)
        _interrupted.discard(server)
    _idle.append(server)
    return status


def _check_folder(folder: Path) -> None:
    """Raise UserError for a path with characters that scripts of Yosys and ABC cannot contain."""
    path = str(folder.resolve())
    if not _PLAIN.fullmatch(path):
        raise UserError(
            f"Yosys cannot work in {path}: set TMPDIR to a path without special characters"
        )


def _check_space(folder: Path) -> None:
    """Raise UserError if the disk is full, which explains why a run has failed."""
    if shutil.disk_usage(folder).free < _LEAST_SPACE:
        raise UserError(f"No space is left in {folder.parent}: set TMPDIR to a larger disk")
