"""What a worker does: a few designs at a time, each for itself."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from halfbyte.area.exploration.space import Point
from halfbyte.base import ToolError

__all__ = ["OtherVersionError", "Outcome", "compute"]

# Amaranth numbers its signals with a counter that threads would share; a Dask worker has several.
_generating = threading.Lock()


class OtherVersionError(RuntimeError):
    """A worker has other code or tools than the process that sent it the work."""


@dataclass(frozen=True)
class Outcome:
    """A design's record, or why there is none."""

    key: str
    record: dict[str, Any] | None
    error: str | None = None


def compute(tasks: Sequence[tuple[str, Point]]) -> list[Outcome]:
    """Outcomes of points with their keys, in order; a design that fails does not stop the others.

    Raises :class:`OtherVersionError` if the keys differ here: the records would be others.
    """
    outcomes = []
    for key, point in tasks:
        if point.key() != key:
            raise OtherVersionError(
                "a worker has another version of halfbyte, Amaranth or Yosys: install the same "
                "everywhere"
            )
        outcomes.append(_outcome(key, point))
    return outcomes


def _outcome(key: str, point: Point) -> Outcome:
    try:
        with _generating:
            _ = point.design.rtlil  # kept for the synthesis that follows
        return Outcome(key, point.compute())
    except ToolError as error:
        return Outcome(key, None, str(error))
    except Exception as error:  # a defect of ours in one design, which must not end the run
        return Outcome(key, None, f"{type(error).__name__}: {error}")
