"""Computes the records of a few designs, one after another, in a worker process.

A trial is a design with everything that its record depends on.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from halfbyte.area.exploration.trials import AnyTrial, ExploredRecord
from halfbyte.base import ToolError

__all__ = ["OtherVersionError", "Outcome", "compute"]

_POLL_SECONDS = 0.5


class OtherVersionError(RuntimeError):
    """The code, Python or tools of a worker differ from those of the process that sent the work."""


@dataclass(frozen=True)
class Outcome:
    """A design's record, or the reason why it is missing."""

    key: str
    record: ExploredRecord | None
    error: str | None = None


def compute(tasks: Sequence[tuple[str, AnyTrial]], sender: int) -> list[Outcome]:
    """Compute trials, given with their keys; returns their outcomes in order.

    A trial that fails does not stop the others. ``sender`` is the ID of the process that sent the
    trials. If the sender is the parent of this process, this process ends when its parent ends.
    Raises :class:`OtherVersionError` if a trial's key here is not the key that the sender gave: the
    record could then differ, too.
    """
    if os.getppid() == sender:
        _end_with(sender)
    outcomes = []
    for key, trial in tasks:
        if trial.key() != key:
            raise OtherVersionError(
                "a worker has another version of Python, halfbyte, Amaranth or Yosys: install the "
                "same versions everywhere"
            )
        outcomes.append(_outcome(key, trial))
    return outcomes


@cache
def _end_with(parent: int) -> None:
    """End this process when its parent ends; joblib's workers otherwise outlive a killed parent."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="halfbyte-parent", daemon=True).start()


def _outcome(key: str, trial: AnyTrial) -> Outcome:
    try:
        return Outcome(key, trial.compute())
    except ToolError as error:
        return Outcome(key, None, str(error))
    except Exception as error:  # a defect of halfbyte in one design must not end the run
        return Outcome(key, None, f"{type(error).__name__}: {error}")
