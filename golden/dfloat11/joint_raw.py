"""Finds the low bits that are left out of the raw bits in layout 2, since they are zero.

The raw bits of an element are those outside its symbol, the part that is coded. A chunk leaves out
the same number of low bits in all its blocks, except in blocks whose elements need these bits. So
rows of an FP32 matrix that were once stored in FP16 take less room. Each chunk has a word of 32
bits for this. Its lowest byte is the number of bits that are left out. Bit 16 + i is 1 if block i
keeps all bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "are_sound", "packed", "raw_sizes", "trailing_zeros"]

BLOCK = 4096
"""Elements of a block."""
BLOCKS = 16
"""Blocks of a chunk; the last chunk may have fewer."""
GROUP = 8
"""Elements in a group. The raw bits of a group fill whole bytes."""

_Words = NDArray[np.uint32]


def trailing_zeros(ones: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """How many of the lowest bits are 0 in each word of ``bits`` bits; ``bits`` for a word of 0."""
    wide = ones.astype(np.int64)
    found: NDArray[np.int64] = np.where(
        wide == 0, bits, np.bitwise_count((wide & -wide) - 1).astype(np.int64)
    )
    return found


def _groups(elements: int) -> NDArray[np.int64]:
    """(chunks, BLOCKS): groups of elements in each block; 0 for blocks past the end."""
    chunks = -(-elements // (BLOCK * BLOCKS))
    firsts = np.arange(chunks * BLOCKS, dtype=np.int64) * BLOCK
    sizes = np.clip(elements - firsts, 0, BLOCK)
    return (-(-sizes // GROUP)).reshape(chunks, BLOCKS)


def packed(zeros: NDArray[np.int64], elements: int) -> _Words:
    """(chunks,) uint32: for each chunk, the word that leaves out the most bits in total.

    zeros: (blocks,): how many low bits each block could leave out.
    """
    groups = _groups(elements)
    able = np.zeros(groups.size, dtype=np.int64)
    able[: len(zeros)] = zeros
    table = able.reshape(groups.shape)
    words = np.zeros(len(groups), dtype=np.uint32)
    for chunk in np.flatnonzero(table.any(axis=1)):
        options = sorted(set(table[chunk].tolist()) - {0})
        saved = [each * int(groups[chunk][table[chunk] >= each].sum()) for each in options]
        best = options[int(np.argmax(saved))]
        kept = np.flatnonzero((table[chunk] < best) & (groups[chunk] > 0))
        words[chunk] = best | sum(1 << (16 + int(block)) for block in kept)
    return words


def are_sound(words: _Words, elements: int, most: int) -> bool:
    """Whether the words are valid.

    A chunk leaves out at most ``most`` bits, only blocks that exist keep bits, no block keeps bits
    if none are left out, and bits 15 to 8 are 0.
    """
    zeros, kept = words & 0xFF, words >> 16
    last = -(-(elements - (len(words) - 1) * BLOCK * BLOCKS) // BLOCK)
    return bool(
        (zeros <= most).all()
        and not (words >> 8 & 0xFF).any()
        and not kept[zeros == 0].any()
        and not (kept[-1:] >> last).any()
    )


def raw_sizes(words: _Words, elements: int, raw_bits: int) -> NDArray[np.int64]:
    """(chunks,): bytes of the raw bits that are stored.

    words: (chunks,) uint32, as :func:`packed` gives them. raw_bits: bits of an element outside its
    symbol, the low ones included.
    """
    groups = _groups(elements)
    blocks = np.arange(BLOCKS, dtype=np.uint32)
    kept = (words[:, None] >> (16 + blocks) & 1).astype(np.int64)
    zeros = (words & 0xFF).astype(np.int64)[:, None] * (1 - kept)
    found: NDArray[np.int64] = (groups * (raw_bits - zeros)).sum(axis=1)
    return found
