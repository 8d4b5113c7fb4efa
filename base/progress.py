"""The type of functions that long work calls to report its progress."""

from collections.abc import Callable

__all__ = ["Progress", "unheard"]

Progress = Callable[[int, int, str], None]
"""A function ``(done, total, label)``: steps that are done, all steps, and the name of the step in
progress."""


def unheard(done: int, total: int, label: str) -> None:
    """Ignore the report: the default where a caller gives no function."""
