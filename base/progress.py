"""How work that takes long reports its progress."""

from collections.abc import Callable

__all__ = ["Progress", "unheard"]

Progress = Callable[[int, int, str], None]
"""Called with how much is done, of how much, and what is at work: ``(done, total, label)``."""


def unheard(done: int, total: int, label: str) -> None:
    """Ignores what is reported."""
