"""Compresses a tensor to layout 2.

A symbol is the exponent of an element with its upper mantissa bits, or all bits of an element of an
8-bit type. Once the symbols are counted, the tensor is read twice. First, the symbols are coded to
a stream for each chunk of 65536 elements. The sizes of the streams determine where all parts begin
in the result. Then the streams, the CRCs and the raw bits (those outside of symbols) are written
there. So only the streams, about half of the result for BF16, are in memory twice, and the few
*escapes*. These are symbols without a row in the symbol table, which are stored beside the streams.
"""

import ctypes
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.dfloat11 import joint_kernels
from halfbyte.golden.dfloat11.joint_counts import JointCounts, count, words_of
from halfbyte.golden.dfloat11.joint_layout import CHUNK, PAIR, STATE_WORDS, JointHeader, split
from halfbyte.golden.dfloat11.joint_opened import OpenedJoint, structure_of
from halfbyte.golden.dfloat11.joint_raw import packed, raw_sizes, trailing_zeros
from halfbyte.golden.dfloat11.layout import blank
from halfbyte.golden.dfloat11.native import address, library
from halfbyte.golden.dfloat11.threads import over_ranges

__all__ = ["compress"]

# Memory for at most this many chunks is kept for the next tensor: at most 128 MiB. The system gives
# only the pages that are written, usually about 22 MiB for BF16.
_KEPT = 512
# Room for the longest stream of a chunk, in 16-bit words, and for one more: the C++ loops may store
# a word that they then do not keep.
_PLACE_WORDS = CHUNK + STATE_WORDS + 1
_Words = NDArray[Any]


@dataclass(frozen=True)
class _Coded:
    """Streams and escapes of the chunks from ``first`` up to ``last`` (excluded)."""

    first: int
    last: int
    streams: NDArray[np.uint16]
    escapes: NDArray[np.uint16]


class _Kept(threading.local):
    """The memory that a thread keeps for the next tensor, since fresh memory costs time."""

    room: "_Room | None" = None


_KEPT_ROOM = _Kept()


@dataclass(frozen=True)
class _Room:
    """Memory for the longest possible streams and escapes, and the sizes of both for each chunk."""

    streams: NDArray[np.uint16]
    escapes: NDArray[np.uint16]
    sizes: NDArray[np.uint32]

    @classmethod
    def of(cls, chunks: int) -> "_Room":
        """Memory for this many chunks: the memory that is kept if it suffices, else new memory."""
        sizes, kept = np.zeros((chunks, 2), dtype=np.uint32), _KEPT_ROOM.room
        if kept is not None and len(kept.sizes) >= chunks:
            return cls(kept.streams, kept.escapes, sizes)
        # NumPy asks for large pages, which are quick to get. PyTorch takes small pages, of which
        # the system gives only those that are written.
        _KEPT_ROOM.room = None
        escapes = torch.empty(chunks * CHUNK, dtype=torch.uint16).numpy()
        if chunks > _KEPT:
            return cls(np.empty(chunks * _PLACE_WORDS, dtype=np.uint16), escapes, sizes)
        streams = torch.empty(chunks * _PLACE_WORDS, dtype=torch.uint16).numpy()
        _KEPT_ROOM.room = cls(streams, escapes, sizes)
        return _KEPT_ROOM.room

    def code(self, header: JointHeader, words: _Words, first: int, last: int) -> _Coded:
        """Code chunks ``first`` up to ``last`` (excluded), and write their sizes to ``sizes``."""
        streams, escapes = self.streams[first * _PLACE_WORDS :], self.escapes[first * CHUNK :]
        sizes, native = self.sizes[first:last], library()
        if native is None:
            joint_kernels.encode(header, words, first, last, streams, escapes, sizes)
        else:
            native.hb_joint_encode(
                ctypes.byref(structure_of(header)), address(words), address(header.table.array),
                first, last, address(streams), address(escapes), address(sizes),
            )  # fmt: skip
        taken, kept = sizes.sum(axis=0)
        return _Coded(first, last, streams[:taken], escapes[:kept])


def _fill(opened: OpenedJoint, words: _Words, coded: _Coded) -> None:
    """Write the streams, escapes, raw bits and CRCs of these chunks to their places."""
    first, last, parts = coded.first, coded.last, opened.parts
    word, escape = opened.starts[0], opened.starts[1]
    parts.words[word[first] : word[last]] = coded.streams
    parts.escapes[escape[first] : escape[last]] = coded.escapes
    native = library()
    if native is None:
        joint_kernels.write_raw(opened, words, first, last)
    else:
        native.hb_joint_raw(ctypes.byref(opened.structure), address(words), first, last)


def compress(tensor: Tensor, counts: JointCounts | None = None) -> Tensor:
    """The compressed form of a tensor in layout 2: (bytes,) uint8, the same for the same input.

    tensor: BF16, FP16, FP32, FP8 (E4M3, E5M2), INT8 or uint8; any shape, at least one element.
    counts: the result of :func:`count` for this tensor, to save time, or the sum of the results for
    several tensors that share a code. Raises TypeError for another type, ValueError for an empty
    tensor.
    """
    counts = counts or count(tensor)
    if not tensor.numel():
        raise ValueError("A tensor without elements cannot be compressed")
    (fields, table, _), kind, shape = counts.choice, counts.kind, tuple(tensor.shape)
    ones = counts.ones if counts.ones is not None else count(tensor).ones
    assert ones is not None  # noqa: S101 (count() has set them)
    words = words_of(tensor, kind)
    left_out = packed(np.minimum(trailing_zeros(ones, fields.bits), fields.shift), len(words))
    raw = int(raw_sizes(left_out, len(words), fields.raw_bits).sum())
    empty = JointHeader(kind, shape, fields, table, 0, 0, raw)
    room = _Room.of(empty.chunks)
    # There are few ranges, so that each fills large pages.
    coded = over_ranges(
        lambda first, last: room.code(empty, words, first, last),
        empty.chunks,
        per_thread=4,
        step=PAIR,
    )
    taken, kept = map(int, room.sizes.sum(axis=0, dtype=np.int64))
    header = JointHeader(kind, shape, fields, table, taken, kept, raw)
    data = blank(header)
    data[: header.size] = np.frombuffer(header.to_bytes(), dtype=np.uint8)
    parts = split(data, header)
    parts.sizes[:, :2], parts.sizes[:, 2] = room.sizes, left_out
    opened = OpenedJoint(header, parts)

    def fill(first: int, last: int) -> None:
        for each in coded[first:last]:
            _fill(opened, words, each)

    over_ranges(fill, len(coded))
    return torch.from_numpy(data)
