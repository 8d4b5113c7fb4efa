"""Computes SHA-256 of one or two messages that come in pieces, and counts symbols.

A symbol is the coded part of an element, such as the exponent of a BF16 number.

Each round of SHA-256 waits for the round before. A second message uses some of this waiting time:
two messages take only a third longer than one. So a tensor and the file around it are digested
together. Counting symbols in the same pass takes no extra time.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.golden.dfloat11.loops import count_symbols
from halfbyte.golden.dfloat11.native import address, library
from halfbyte.golden.dfloat11.threads import cores, meanwhile, over_ranges

__all__ = ["Digest", "Reading", "counts_of"]

_STATE_BYTES = 32 + 8 + 64  # ``Sha256`` in sha256.h
_ALIGNED = 64  # this many words of 1 or 2 bytes fill whole blocks of SHA-256 (64 bytes)


def _native() -> Any:
    """The loops in C++; None if there are none, or if the processor lacks SHA-256 instructions."""
    native = library()
    return native if native is not None and native.hb_sha256_add(0, 0, 0, 0) else None


class Digest:
    """SHA-256 of a message that comes in pieces.

    The C++ loops compute it, or hashlib if there are no such loops or the processor has no
    instructions for SHA-256.
    """

    def __init__(self) -> None:
        self._native = _native()
        self._state = np.zeros(_STATE_BYTES, dtype=np.uint8)
        self._other = hashlib.sha256()

    def add(self, data: NDArray[np.uint8], other: "Digest | None" = None) -> None:
        """Add a contiguous array of bytes to this message, and to the message of ``other``."""
        if self._native is None:
            for each in (self, other):
                if each is not None:
                    each._other.update(data.data)
            return
        second = address(other._state) if other is not None else 0
        self._native.hb_sha256_add(address(self._state), second, address(data), len(data))

    @property
    def is_native(self) -> bool:
        """Whether the C++ loops compute the digest."""
        return self._native is not None

    def add_and_count(
        self, words: NDArray[Any], shift: int, other: "Digest | None" = None
    ) -> NDArray[np.int64]:
        """Add words of 8 or 16 bits to the messages, and count their symbols.

        Returns the counts, (256,), as :func:`count_symbols` does. Call it only if
        :attr:`is_native`.
        """
        counts = np.zeros(256, dtype=np.int64)
        second = address(other._state) if other is not None else 0
        self._native.hb_count_and_digest(
            address(words), shift, len(words), address(counts), address(self._state), second
        )
        return counts

    def digest(self) -> bytes:
        """The digest so far, 32 bytes."""
        if self._native is None:
            return self._other.digest()
        found = np.empty(32, dtype=np.uint8)
        self._native.hb_sha256_digest(address(self._state), address(found))
        return found.tobytes()


def counts_of(words: NDArray[Any], shift: int) -> NDArray[np.int64]:
    """(256,): how often each symbol occurs in ``words``, counted on all cores."""
    parts = over_ranges(
        lambda first, last: count_symbols(words, shift, first, last), len(words), step=64
    )
    return sum(parts, np.zeros(256, dtype=np.int64))


class Reading:
    """Counts the symbols of a tensor and computes the SHA-256 of its bytes.

    If there is only one core, the C++ loops do both in one pass. Several cores share the work.

    Parameters
    ----------
    whole : Digest, optional
        The digest of the file that holds the tensor. The tensor's bytes are added to it, too.
    """

    def __init__(self, whole: Digest | None = None) -> None:
        self._own = Digest()
        self._whole = whole
        self._wait: Callable[[], None] = lambda: None

    def counts(self, words: NDArray[Any], shift: int) -> NDArray[np.int64]:
        """The counts of symbols, (256,). Call it once, with the words of the whole tensor."""
        if not self._own.is_native:
            self.begin(words)
            return counts_of(words, shift)
        if cores() == 1:
            return self._own.add_and_count(words, shift, self._whole)
        # While one core counts and digests the first quarter, the others count the rest.
        first, rest = np.split(words, [len(words) // 4 // _ALIGNED * _ALIGNED])
        begun = meanwhile(partial(self._own.add_and_count, first, shift, self._whole))
        found = counts_of(rest, shift) + begun()
        self.begin(rest)
        return found

    def begin(self, words: NDArray[Any]) -> None:
        """Start to digest the bytes of ``words``, without counting; :meth:`digest` waits for it."""
        # Passing a method of this object would make a reference cycle that keeps the tensor's
        # memory alive.
        self._wait = meanwhile(partial(self._own.add, words.view(np.uint8), self._whole))

    def digest(self) -> bytes:
        """The tensor's own digest, 32 bytes."""
        self._wait()
        return self._own.digest()
