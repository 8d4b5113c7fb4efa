"""Gives memory for results. Memory that nobody uses any more is kept for the next result.

Fresh memory costs time: the operating system clears each page when it is first touched, and two
threads do not get pages faster than one. A virtual machine may have to ask its host for them, too.
"""

import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["LEAST", "MOST", "room"]

LEAST = 1 << 22
"""Memory of at least this many bytes is kept. The C library itself keeps smaller pieces."""
MOST = 1 << 28
"""At most this many unused bytes are kept, and at most twice the size of the largest memory that
came back so far."""
_LOOSE = 2  # kept memory is reused if it is at most this many times as large as wanted

_Memory = NDArray[np.uint8]


class _Loan:
    """Lends memory to an array. All views of the array keep this object alive."""

    def __init__(self, memory: _Memory) -> None:
        self.__array_interface__ = memory.__array_interface__


class _Kept:
    """Memory that nobody uses, the oldest first.

    A loan may end in any thread, even while that thread runs one of these methods. With a lock, the
    thread would then wait for itself. So there is no lock, and the methods use only operations on
    the dictionary that are atomic.
    """

    def __init__(self) -> None:
        self._free: dict[int, _Memory] = {}
        self._most = 0

    def give_back(self, memory: _Memory) -> None:
        """Keep this memory. If too much is kept, drop the oldest."""
        self._free[id(memory)] = memory
        self._most = min(max(self._most, 2 * len(memory)), MOST)
        free = self._free.copy()
        too_much = sum(map(len, free.values())) - self._most
        for key, each in free.items():
            if too_much <= 0:
                break
            self._free.pop(key, None)
            too_much -= len(each)

    def take(self, size: int) -> _Memory:
        """Memory of at least this size: the smallest that is kept and fits, else fresh."""
        free = [(len(each), key) for key, each in reversed(self._free.copy().items())]
        for length, key in sorted(free, key=lambda each: each[0]):
            if size <= length <= _LOOSE * size:
                memory = self._free.pop(key, None)
                if memory is not None:  # another thread may have taken it
                    return memory
        return np.empty(size, dtype=np.uint8)  # NumPy asks the system for large pages


_KEPT = _Kept()


def room(elements: int, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """An array, (elements,) of this type, not initialized.

    When the last array or tensor that uses its memory is gone, the memory is kept for later
    results, unless it is smaller than :data:`LEAST` or larger than :data:`MOST`. If too much is
    then kept, the oldest memory is freed.
    """
    kind = np.dtype(dtype)
    size = elements * kind.itemsize
    if size < LEAST:
        return np.empty(elements, dtype=kind)
    memory = _KEPT.take(size)
    loan = _Loan(memory)
    weakref.finalize(loan, _KEPT.give_back, memory).atexit = False
    return np.asarray(loan)[:size].view(kind)
