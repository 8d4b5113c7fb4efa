"""Counts the symbols of a tensor. The counts decide its code in layout 2.

A symbol is the exponent and some upper mantissa bits of an element. A *block* is 4096 elements, and
a *chunk* is 16 blocks.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.dfloat11 import joint_kernels
from halfbyte.golden.dfloat11.elements import ElementType
from halfbyte.golden.dfloat11.joint_layout import CHUNK, JOINT_TYPES, STATE_WORDS
from halfbyte.golden.dfloat11.joint_raw import BLOCK, trailing_zeros
from halfbyte.golden.dfloat11.joint_table import Fields, SymbolTable, choose, entropy, widest
from halfbyte.golden.dfloat11.native import address, library
from halfbyte.golden.dfloat11.threads import over_ranges

__all__ = ["JointCounts", "count", "joint_type", "words_of"]


def joint_type(dtype: torch.dtype) -> ElementType | None:
    """The type of a tensor's elements; None if layout 2 does not code this type."""
    return next((each for each in JOINT_TYPES.values() if each.torch_dtype == dtype), None)


def words_of(tensor: Tensor, kind: ElementType) -> NDArray[Any]:
    """(elements,): the bits of each element. A contiguous tensor on the CPU is not copied."""
    types = {1: torch.uint8, 2: torch.uint16, 4: torch.uint32}
    flat = tensor.detach().cpu().contiguous().flatten()
    words: NDArray[Any] = flat.view(types[kind.bytes]).numpy()
    return words


@dataclass(frozen=True)
class JointCounts:
    """The counts that decide the code of a tensor. For tensors that share a code, add their counts.

    Parameters
    ----------
    kind : ElementType
        Type of the elements.
    counts : array
        (2^width,) int64: how often each symbol occurs. The symbols have as many bits as the type
        allows; counts of shorter symbols follow from these.
    zeros : int
        How many low bits are zero in all elements.
    ones : array, optional
        (blocks,) uint32: the bits that are 1 in any element of a block; None for a sum of counts.
    """

    kind: ElementType
    counts: NDArray[np.int64]
    zeros: int
    ones: NDArray[np.uint32] | None = None

    def __add__(self, other: "JointCounts") -> "JointCounts":
        return JointCounts(self.kind, self.counts + other.counts, min(self.zeros, other.zeros))

    @property
    def elements(self) -> int:
        """Number of elements counted."""
        return int(self.counts.sum())

    @cached_property
    def choice(self) -> tuple[Fields, SymbolTable, float]:
        """The fields, the symbol table, and how many bits all elements take, without overhead."""
        most = widest(self.kind.name, 8 * self.kind.bytes)
        return choose(self.kind.name, most, self.counts, self.zeros)

    def entropy(self) -> float:
        """About how many bits the symbols and their table take; raw bits are not counted."""
        return entropy(self.counts)

    def bytes(self) -> int:
        """About how many bytes the compressed form takes.

        The header has about 100 bytes. A chunk has 16 bytes of CRC and sizes. The first states of
        its 32 coders take 128 bytes. About half of these bytes hold coded symbols, so only 64
        are counted.
        """
        chunks = -(-self.elements // CHUNK)
        return int(self.choice[2]) // 8 + 100 + chunks * (16 + STATE_WORDS)


def count(tensor: Tensor) -> JointCounts:
    """Count the symbols of a tensor. Raises TypeError for a type that layout 2 does not code."""
    kind = joint_type(tensor.dtype) if isinstance(tensor, Tensor) else None
    if kind is None:
        what = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        known = ", ".join(JOINT_TYPES)
        raise TypeError(f"The codec needs a tensor of one of the types {known}, not {what}")
    words, most = words_of(tensor, kind), widest(kind.name, 8 * kind.bytes)
    blocks = -(-len(words) // BLOCK)
    ones = np.zeros(blocks, dtype=np.uint32)
    native = library()

    def over(first: int, last: int) -> NDArray[np.int64]:
        counts = np.zeros(1 << most.width, dtype=np.int64)
        if native is None:
            joint_kernels.count(words, most.shift, most.width, first, last, counts, ones)
        else:
            native.hb_joint_count(
                address(words), kind.bytes, most.shift, most.width, len(words), first, last,
                address(counts), address(ones),
            )  # fmt: skip
        return counts

    parts = over_ranges(over, blocks, per_thread=4)
    counts = sum(parts, np.zeros(1 << most.width, dtype=np.int64))
    any_ones = np.bitwise_or.reduce(ones) if blocks else np.uint32(0)
    zeros = int(trailing_zeros(np.array([any_ones]), 8 * kind.bytes)[0])
    return JointCounts(kind, counts, zeros, ones)
