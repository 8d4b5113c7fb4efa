"""Ctrl-C, SIGTERM, a closed terminal: all that runs is ended, and one line says so."""

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from halfbyte.base.yosys import close_yosys

__all__ = ["MESSAGE", "ends_in_one_line"]

MESSAGE = "finished results are kept, and the next run continues from them"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The exit status that typer turns an interruption into.
_TYPER = 130


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """Within it, each of the signals ends the process, with one line and nothing left behind.

    The exit status is 1 after Ctrl-C, else 128 and the signal's number, as a shell has it.
    Temporary files stand in a folder of this process, which is removed in any case.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` leaves it
                previous[number] = signal.signal(number, interrupt)
    try:
        with _own_temporary_folder():
            yield
    except KeyboardInterrupt:
        _end(received, list(previous))
    except SystemExit as end:
        if not received or end.code != _TYPER:
            raise
        _end(received, list(previous))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _own_temporary_folder() -> Iterator[None]:
    """Threads that are cut off cannot remove their folders: those all stand in this one."""
    before = tempfile.tempdir
    folder = tempfile.mkdtemp(prefix="halfbyte-")
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def _end(received: list[int], handled: list[int]) -> None:
    """Say what came and exit; computing threads are not waited for."""
    for number in handled:
        signal.signal(number, signal.SIG_IGN)
    number = received[0] if received else signal.SIGINT
    what = "interrupted" if number == signal.SIGINT else "terminated"
    print(f"{what}: {MESSAGE}", file=sys.stderr)
    status = 1 if number == signal.SIGINT else 128 + number
    if threading.active_count() > 1:
        close_yosys()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
