"""Computes the Huffman code of the published layout, which is that of the ``dfloat11`` package.

The code equals that of ``dahuffman`` 0.4.2 bit for bit. It is not canonical. It includes an
end-of-file symbol with weight 1, which counts as smaller than every other symbol. In each step, the
two lightest nodes are joined, the lighter one under bit 0. If two nodes have equal weights, the one
with the smaller first symbol counts as lighter. The first symbol of a node is that of the leaf
to which only zero bits lead from the node. Two nodes never have the same first symbol, so the tree
depends only on the counts.
"""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = ["END", "LENGTH_LIMIT", "Code", "bounded_huffman", "huffman"]

END = -1
"""The end-of-file symbol; less than every exponent."""

LENGTH_LIMIT = 32
"""The most bits that a code may have. So a code starts within the first 32 of any 64 bits of the
stream, and five bits hold its position."""


class Code(NamedTuple):
    """A code word: how many bits it has, and its value with the first bit most significant."""

    bits: int
    value: int


class _Node(NamedTuple):
    weight: int
    first_symbol: int
    children: tuple["_Node", "_Node"] | None


def huffman(counts: Mapping[int, int]) -> dict[int, Code]:
    """The code of each symbol and of :data:`END`, in ascending order of the codes."""
    heap = [_Node(weight, symbol, None) for symbol, weight in counts.items()]
    heap.append(_Node(1, END, None))
    heapq.heapify(heap)
    while len(heap) > 1:
        zero, one = heapq.heappop(heap), heapq.heappop(heap)
        joined = _Node(zero.weight + one.weight, zero.first_symbol, (zero, one))
        heapq.heappush(heap, joined)
    codes: dict[int, Code] = {}
    waiting = [(heap[0], Code(0, 0))]
    while waiting:
        node, code = waiting.pop()
        if node.children is None:
            codes[node.first_symbol] = code
            continue
        for bit in (1, 0):
            waiting.append((node.children[bit], Code(code.bits + 1, 2 * code.value + bit)))
    return codes


def bounded_huffman(counts: Mapping[int, int]) -> dict[int, Code]:
    """The same as :func:`huffman`, with codes of at most 32 bits.

    It follows the ``dfloat11`` package: the two rarest counts become 1, then the three rarest and
    so on, until the tree is shallow enough. NumPy's ``argpartition``, which the package calls,
    decides which of equal counts become 1.
    """
    codes = huffman(counts)
    weights = np.array(list(counts.values()))
    symbols = list(counts)
    rarest = 2
    while max(code.bits for code in codes.values()) > LENGTH_LIMIT:
        flattened = dict(counts)
        for index in np.argpartition(weights, rarest)[:rarest]:
            flattened[symbols[index]] = 1
        codes = huffman(flattened)
        rarest += 1
    return codes
