"""Work on all cores: threads around compiled loops, which run without the interpreter's lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["cores", "over_ranges"]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def over_ranges(
    function: Callable[[int, int], Any], count: int, *, per_thread: int = 8
) -> list[Any]:
    """Call ``function(first, last)`` on all cores, for ranges that together cover ``count``.

    Each thread gets ``per_thread`` ranges, so that a temporarily slow core costs little time. Plain
    threads suffice, since the functions run without the lock. Numba's own threads must not be
    started from two threads at a time, nor before a fork. Returns the results in the order of the
    ranges.
    """
    if not count:
        return []
    threads = min(cores(), count)
    pieces = min(count, per_thread * threads)
    bounds = [count * piece // pieces for piece in range(pieces + 1)]
    if threads <= 1:
        return list(map(function, bounds[:-1], bounds[1:]))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, bounds[:-1], bounds[1:]))
