"""How long work reports how far it is."""

from collections.abc import Callable

__all__ = ["Progress", "unheard"]

Progress = Callable[[int, int, str], None]
"""Called with how much is done, of how much, and what is at work: ``(done, total, label)``."""


def unheard(done: int, total: int, label: str) -> None:
    """Progress that nobody wants to hear of."""
