"""Work on all cores: threads around compiled loops, which run without the interpreter's lock."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

__all__ = ["ahead", "cores", "meanwhile", "over_ranges"]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_Item = TypeVar("_Item")
_END: Any = object()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that stay: to start them takes as long as to decode a chunk."""
    return ThreadPoolExecutor(threads, thread_name_prefix="halfbyte-codec")


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def over_ranges(
    function: Callable[[int, int], Any], count: int, *, per_thread: int = 8, step: int = 1
) -> list[Any]:
    """Call ``function(first, last)`` on all cores, for ranges that together cover ``count``.

    Each thread gets ``per_thread`` ranges, so that a temporarily slow core costs little time.
    Ranges begin at multiples of ``step``. Plain threads suffice, since the functions run without
    the lock; these must not call this in turn. Numba's own threads must not be started from two
    threads at a time, nor before a fork. Returns the results in the order of the ranges.
    """
    if not count:
        return []
    steps = -(-count // step)
    threads = min(cores(), steps)
    if threads <= 1:
        return [function(0, count)]
    pieces = min(steps, per_thread * threads)
    bounds = [min(steps * piece // pieces * step, count) for piece in range(pieces + 1)]
    return list(_pool(cores()).map(function, bounds[:-1], bounds[1:]))


def meanwhile(function: Callable[[], Any]) -> Callable[[], Any]:
    """Start ``function`` on another core, or run it now if there is none; the result waits for its
    own result.
    """
    if cores() > 1:
        return _pool(cores()).submit(function).result
    found = function()
    return lambda: found


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same items, each made on another core, if there is one, while the one before is used.

    So an item must stay valid while the next is made.
    """
    if cores() < 2:
        yield from items
        return
    with ThreadPoolExecutor(1, thread_name_prefix="halfbyte-ahead") as maker:
        made = maker.submit(next, items, _END)
        while (item := made.result()) is not _END:
            made = maker.submit(next, items, _END)
            yield item
