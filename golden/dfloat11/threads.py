"""Work on all cores: threads around compiled loops, which run without the interpreter's lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

__all__ = ["cores", "meanwhile", "over_ranges"]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: to start them takes as long as to decode a chunk."""
    return ThreadPoolExecutor(threads, thread_name_prefix="halfbyte-codec")


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def over_ranges(
    function: Callable[[int, int], Any], count: int, *, per_thread: int = 8
) -> list[Any]:
    """Call ``function(first, last)`` on all cores, for ranges that together cover ``count``.

    Each thread gets ``per_thread`` ranges, so that a temporarily slow core costs little time. Plain
    threads suffice, since the functions run without the lock; these must not call this in turn.
    Numba's own threads must not be started from two threads at a time, nor before a fork. Returns
    the results in the order of the ranges.
    """
    if not count:
        return []
    threads = min(cores(), count)
    if threads <= 1:
        return [function(0, count)]
    pieces = min(count, per_thread * threads)
    bounds = [count * piece // pieces for piece in range(pieces + 1)]
    return list(_pool(cores()).map(function, bounds[:-1], bounds[1:]))


def meanwhile(function: Callable[[], Any]) -> Callable[[], Any]:
    """Start ``function`` on another core, if there is one; call the result to wait for its own."""
    return _pool(cores()).submit(function).result if cores() > 1 else function
