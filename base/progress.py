"""Reports of progress, for work that takes long."""

from collections.abc import Callable

__all__ = ["Progress", "unheard"]

Progress = Callable[[int, int, str], None]
"""A function ``(done, total, label)``; the label names the step that is being worked on."""


def unheard(done: int, total: int, label: str) -> None:
    """Ignore the report."""
