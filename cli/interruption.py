"""End this process and its children on Ctrl-C, on SIGTERM, or if the terminal is closed.

The command then prints one line.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from halfbyte.base.yosys import end_yosys, refuse_yosys
from halfbyte.cli.message import MESSAGE

__all__ = ["ends_in_one_line"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The exit status with which typer ends after an interruption.
_TYPER = 130
# How many times the removal of a folder is tried, and the seconds between two tries.
_TRIES, _PAUSE = 40, 0.05


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """Within this context, one of ``_SIGNALS`` ends the process with one line of text.

    The exit status is 1 after Ctrl-C, otherwise 128 plus the signal's number, as in shells.
    Temporary files are in a folder of this process, which is removed at the end.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        refuse_yosys()  # at once, since other threads run on while this one ends
        raise KeyboardInterrupt

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # ignored under `nohup`
                previous[number] = signal.signal(number, interrupt)
    try:
        temporary = Path(tempfile.mkdtemp(prefix="halfbyte-"))
    except OSError as error:
        sys.exit(
            f"error: No temporary folder can be made ({error.strerror}): set TMPDIR to a folder "
            "that can be written"
        )
    try:
        with _temporary_files_in(temporary):
            yield
    except KeyboardInterrupt:
        _end(received, list(previous), temporary)
    except SystemExit as end:
        if not received or end.code != _TYPER:
            raise
        _end(received, list(previous), temporary)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Put all temporary folders into ``folder``: interrupted threads cannot remove their own.

    If ``$TMPDIR`` is set, tools get the folder above ``folder`` instead, since they fail if the
    folder that the user chose does not exist.
    """
    before, users = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = str(folder)
    if users is not None:
        os.environ["TMPDIR"] = str(folder.parent)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if users is not None:
            os.environ["TMPDIR"] = users
        shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Remove a folder in which an interrupted thread may still be writing."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_PAUSE)


def _end(received: list[int], handled: list[int], temporary: Path) -> None:
    """Say how the process was ended, and exit without waiting for other threads."""
    for number in handled:
        signal.signal(number, signal.SIG_IGN)
    number = received[0] if received else signal.SIGINT
    what = "interrupted" if number == signal.SIGINT else "terminated"
    print(f"{what}: {MESSAGE}", file=sys.stderr)
    status = 1 if number == signal.SIGINT else 128 + number
    if threading.active_count() > 1:
        end_yosys()
        sys.stdout.flush()
        sys.stderr.flush()
        _remove(temporary)
        os._exit(status)
    sys.exit(status)
