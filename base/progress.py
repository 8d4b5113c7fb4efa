"""The type of the functions that long computations call to report their progress."""

from collections.abc import Callable

__all__ = ["Progress", "unheard"]

Progress = Callable[[int, int, str], None]
"""A function ``(done, total, label)``: the number of steps that are done, the number of all steps,
and the name of the step in progress."""


def unheard(done: int, total: int, label: str) -> None:
    """Ignore the report: the default where a caller gives no function."""
