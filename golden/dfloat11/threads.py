"""Runs compiled loops on all cores, in threads; the loops run without the interpreter's lock."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any, TypeVar

__all__ = ["behind", "cores", "meanwhile", "over_ranges"]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_Item = TypeVar("_Item")


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that are kept, since starting them takes as long as decoding a chunk."""
    return ThreadPoolExecutor(threads, thread_name_prefix="halfbyte-codec")


def _helpers() -> ThreadPoolExecutor:
    """A thread for each core except that of the caller; there must be at least two cores."""
    return _pool(cores() - 1)


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


class _Follower:
    """Calls a function for finished ranges, in their order."""

    def __init__(self, function: Callable[[int, int], Any], bounds: Sequence[int]) -> None:
        self._function = function
        self._bounds = bounds
        self._done = [False] * (len(bounds) - 1)
        self._next = 0
        self._at_work = threading.Lock()

    def is_done(self, piece: int) -> None:
        """Note that range ``piece`` is finished. Call the function for ranges whose turn it is."""
        self._done[piece] = True
        self.go_on()

    def go_on(self) -> None:
        """Call the function for ranges whose turn it is, unless another thread is doing so."""
        if not self._at_work.acquire(blocking=False):
            return
        try:
            while self._next < len(self._done) and self._done[self._next]:
                self._function(self._bounds[self._next], self._bounds[self._next + 1])
                self._next += 1
        finally:
            self._at_work.release()


def over_ranges(
    function: Callable[[int, int], Any],
    count: int,
    *,
    per_thread: int = 16,
    step: int = 1,
    then: Callable[[int, int], Any] | None = None,
) -> list[Any]:
    """Call ``function(first, last)`` on all cores, for ranges that together cover 0 to ``count``.

    A range does not include ``last``. There are at most ``per_thread`` ranges for each core. Each
    thread, including the caller, takes another range when it is done with one. So a core that is
    slow or starts late costs little time. Ranges begin at multiples of ``step``.

    Plain threads suffice, since the functions run without the interpreter's lock. They are safer
    than numba's own threads, which must not be started from two threads at a time, nor before a
    fork.

    ``then(first, last)`` is called for each range after ``function``. These calls come one at a
    time, in the order of the ranges, on any core.
    Returns the results of ``function`` in the order of the ranges.
    """
    if not count:
        return []
    steps = -(-count // step)
    threads = min(cores(), steps)
    if threads <= 1 and then is None:
        return [function(0, count)]
    pieces = min(steps, per_thread * threads)
    bounds = [min(steps * piece // pieces * step, count) for piece in range(pieces + 1)]
    found: list[Any] = [None] * pieces
    left = iter(range(pieces))  # no two threads get the same piece, since next() is atomic
    follower = _Follower(then, bounds) if then is not None else None

    def work() -> None:
        for piece in left:
            found[piece] = function(bounds[piece], bounds[piece + 1])
            if follower is not None:
                follower.is_done(piece)

    helpers = [_helpers().submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:  # wait for helpers that have begun: they may still use the caller's arrays
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()
    if follower is not None:
        follower.go_on()
    return found


def meanwhile(function: Callable[[], _Item]) -> Callable[[], _Item]:
    """Start ``function`` on another core. If there is only one core, run it here and now.

    Returns a function that waits for the result of ``function`` and returns it.
    """
    if cores() < 2:
        found = function()
        return lambda: found
    begun = _helpers().submit(function)

    @cache
    def result() -> _Item:
        return function() if begun.cancel() else begun.result()

    return result


def behind(items: Iterable[_Item], function: Callable[[_Item], Any]) -> None:
    """Call ``function`` for each item, on another core if possible, while the next item is made.

    So an item must stay valid while the next item is made.
    """
    finish: Callable[[], Any] = _nothing
    try:
        for item in items:
            last, finish = finish, _nothing
            last()
            finish = meanwhile(partial(function, item))
    finally:  # the function may still use an item
        finish()


def _nothing() -> None:
    pass
