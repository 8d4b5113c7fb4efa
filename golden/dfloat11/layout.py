"""Writes and reads the header of layout 1, and finds the other parts of a compressed tensor.

``docs/dfloat11.md`` describes the layout. A tensor is divided into chunks of 16384 elements, and a
chunk into 32 segments. The *symbol* of an element is the part that is coded, such as the exponent
of a BF16 number. The *stream* holds the codes of all symbols, in words of 32 bits. The *raw* bytes
hold the bits that are not coded.

All numbers from a file are checked here, before they set the size of memory or an address.
"""

import math
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.golden.dfloat11.code_table import CodeTable
from halfbyte.golden.dfloat11.elements import ELEMENT_TYPES, ElementType
from halfbyte.golden.dfloat11.kernels import CHUNK, SEGMENTS, WORD
from halfbyte.golden.dfloat11.loops import crc32c
from halfbyte.golden.dfloat11.rooms import room

__all__ = [
    "ALIGNMENT",
    "CRC_AT",
    "MAGIC",
    "VERSION",
    "CorruptError",
    "Parts",
    "TensorHeader",
    "aligned_bytes",
    "blank",
    "chunk_starts",
    "read_header",
    "split",
]

MAGIC = b"hbdf11"
VERSION = 1
ALIGNMENT = 8  # every part begins at a multiple of this many bytes
# The fields are: magic; version; bytes of the header; its CRC-32C; element type; number of
# dimensions; six zero bytes; numbers of elements and of words of the stream; SHA-256.
_FIXED = struct.Struct("<6sHIIBB6xQQ32s")
CRC_AT = 12  # where the header's CRC begins, in bytes


class CorruptError(UserError):
    """Compressed data is damaged or was never valid. The message says what is wrong."""


def aligned_bytes(data: Tensor) -> NDArray[np.uint8]:
    """Compressed data, (bytes,) uint8 on the CPU, as an array.

    The array shares the memory of a contiguous tensor whose address is a multiple of 8, as the
    loops require. Otherwise it is a copy. Raises TypeError for anything but bytes in one dimension.
    """
    if data.dtype != torch.uint8 or data.ndim != 1:
        raise TypeError(
            f"Compressed data must be uint8 with 1 dimension, not {data.dtype} with {data.ndim}"
        )
    data = data.contiguous()
    array: NDArray[np.uint8]
    array = (data if data.data_ptr() % ALIGNMENT == 0 else data.clone()).numpy()
    return array


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class TensorHeader:
    """The header of a compressed tensor.

    Parameters
    ----------
    kind : ElementType
        Type of the elements.
    shape : tuple of int
        Shape of the tensor.
    table : CodeTable
        The code of the symbols.
    stream_words : int
        Words of 32 bits in the streams of all chunks together.
    sha256 : bytes
        Digest of the tensor's elements, little-endian, in row-major order.
    """

    kind: ElementType
    shape: tuple[int, ...]
    table: CodeTable
    stream_words: int
    sha256: bytes

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def chunks(self) -> int:
        """Number of chunks; the last may be shorter than the others."""
        return -(-self.elements // CHUNK)

    @property
    def raw_size(self) -> int:
        """Bytes of the tensor when it is not compressed."""
        return self.elements * self.kind.bytes

    @cached_property
    def size(self) -> int:
        """Bytes of the header with its padding: where the parts begin."""
        return _aligned(_FIXED.size + 8 * len(self.shape) + len(self.table.to_bytes()))

    def part_sizes(self) -> tuple[int, ...]:
        """Bytes of the parts without padding: CRCs, starts, lengths, stream, raw bytes."""
        raw = self.elements * self.kind.raw_bytes
        return (
            4 * self.chunks,
            4 * self.chunks,
            2 * SEGMENTS * self.chunks,
            self.stream_bytes,
            raw,
        )

    @property
    def stream_bytes(self) -> int:
        """Bytes of all chunks' streams."""
        return self.stream_words * (WORD // 8)

    @property
    def total_size(self) -> int:
        """Bytes of the whole compressed tensor, a multiple of 8."""
        return self.size + sum(map(_aligned, self.part_sizes()))

    def to_bytes(self) -> bytes:
        """The header, with CRC and padding."""
        fixed = _FIXED.pack(
            MAGIC, VERSION, self.size, 0, self.kind.code, len(self.shape), self.elements,
            self.stream_words, self.sha256,
        )  # fmt: skip
        raw = bytearray(fixed + struct.pack(f"<{len(self.shape)}Q", *self.shape))
        raw += self.table.to_bytes()
        raw += bytes(self.size - len(raw))
        crc = crc32c(np.frombuffer(raw, np.uint8))
        raw[CRC_AT : CRC_AT + 4] = crc.to_bytes(4, "little")
        return bytes(raw)


@dataclass(frozen=True)
class Parts:
    """Views of a compressed tensor's parts.

    Parameters
    ----------
    crcs : array
        (chunks,) uint32: CRC-32C of each chunk.
    starts : array
        (chunks,) uint32: the first word of each chunk.
    lengths, stream : array
        Bytes of the segments' lengths (uint16, in bits), and of the stream's words (uint32).
    raw : array
        The raw bytes.
    """

    crcs: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    lengths: NDArray[np.uint8]
    stream: NDArray[np.uint8]
    raw: NDArray[np.uint8]


def read_header(data: NDArray[np.uint8]) -> TensorHeader:
    """The header of a compressed tensor. ``data`` are all its bytes, or only the first ones.

    Raises CorruptError if they are not a header that this version writes.
    """
    if len(data) < _FIXED.size or data[: len(MAGIC)].tobytes() != MAGIC:
        raise CorruptError("this is not a compressed tensor: it does not begin with 'hbdf11'")
    fixed = _FIXED.unpack(data[: _FIXED.size].tobytes())
    _, version, size, crc, code, dimensions, elements, stream_words, sha256 = fixed
    if version != VERSION:
        raise CorruptError(f"the layout's version is {version}; this release reads {VERSION}")
    if size % ALIGNMENT or not _FIXED.size <= size <= len(data):
        raise CorruptError("the header is cut off, or its length is wrong")
    raw = data[:size].copy()
    raw[CRC_AT : CRC_AT + 4] = 0
    if crc32c(raw) != crc:
        raise CorruptError("the header's CRC is wrong")
    kind = next((each for each in ELEMENT_TYPES.values() if each.code == code), None)
    table_at = _FIXED.size + 8 * dimensions
    if kind is None:
        raise CorruptError(f"the header names an unknown element type, {code}")
    if table_at > size:
        raise CorruptError(f"the header is too short for a shape of {dimensions} dimensions")
    shape = struct.unpack(f"<{dimensions}Q", raw[_FIXED.size : table_at].tobytes())
    try:
        table, table_bytes = CodeTable.from_bytes(raw[table_at:].tobytes())
    except ValueError as error:
        raise CorruptError(str(error)) from None
    header = TensorHeader(kind, shape, table, stream_words, sha256)
    if header.elements != elements or elements == 0 or header.size != size:
        raise CorruptError("the header's counts contradict its shape or code table")
    if raw[table_at + table_bytes :].any():
        raise CorruptError("the header's padding is not zero")
    return header


class _Sized(Protocol):
    """A header of layout 1 (this file) or of layout 2 (``joint_layout.py``)."""

    @property
    def size(self) -> int: ...
    @property
    def total_size(self) -> int: ...
    def part_sizes(self) -> tuple[int, ...]: ...


def blank(header: _Sized) -> NDArray[np.uint8]:
    """Memory for a compressed tensor. Only the end of each part, with its padding, is zeroed."""
    data: NDArray[np.uint8] = room(header.total_size)
    position = header.size
    for size in header.part_sizes():
        position += _aligned(size)
        data[position - ALIGNMENT : position] = 0
    return data


def split(data: NDArray[np.uint8], header: TensorHeader) -> Parts:
    """The parts of ``data``, which must be as long as the header says; CorruptError if not."""
    if len(data) != header.total_size:
        raise CorruptError(f"the data should have {header.total_size} bytes, not {len(data)}")
    views = []
    position = header.size
    for size in header.part_sizes():
        views.append(data[position : position + size])
        position += _aligned(size)
    crcs, starts, *rest = views
    return Parts(crcs.view("<u4"), starts.view("<u4"), *rest)


def chunk_starts(header: TensorHeader, parts: Parts) -> NDArray[np.int64]:
    """First words of the chunks, and the end of the last, computed from the segments' lengths.

    Raises CorruptError if the stored starts or the stored length of the stream differ from them.
    """
    bits = parts.lengths.view("<u2").reshape(-1, SEGMENTS).sum(axis=1, dtype=np.int64)
    starts = starts_of(bits)
    wrong = np.flatnonzero(starts[:-1] != parts.starts)
    if len(wrong):
        raise CorruptError(f"the start of chunk {wrong[0]} contradicts the lengths before it")
    if starts[-1] != header.stream_words:
        raise CorruptError("the stream's length contradicts those of its chunks")
    return starts


def starts_of(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    """(chunks + 1,): the first word of each chunk, and the end. Chunk i has ``bits[i]`` bits."""
    starts = np.zeros(len(bits) + 1, dtype=np.int64)
    np.cumsum(-(-bits // WORD), out=starts[1:])
    return starts
