"""Writes and reads the header of layout 2, and finds the other parts of a compressed tensor.

``docs/dfloat11.md`` describes the layout. The *symbol* of an element is the part that is coded: the
exponent and some upper mantissa bits. The other bits are *raw*, stored as they are. An *escape* is
a symbol without a row in the table.

All numbers from a file are checked here, before they set the size of memory or an address.
"""

import math
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from halfbyte.golden.dfloat11.elements import ELEMENT_TYPES, ElementType
from halfbyte.golden.dfloat11.joint_table import Fields, SymbolTable
from halfbyte.golden.dfloat11.layout import ALIGNMENT, CRC_AT, MAGIC, CorruptError
from halfbyte.golden.dfloat11.loops import crc32c

__all__ = ["CHUNK", "CODERS", "JOINT_TYPES", "PAIR", "STATE_WORDS", "VERSION", "JointHeader",
           "JointParts", "read_header", "split"]  # fmt: skip

VERSION = 2
CHUNK = 65536
"""Elements in a chunk. Each chunk is coded, checked and decoded on its own."""
PAIR = 2
"""Chunks that the C++ loops process at once: while one waits for memory, the other goes on."""
CODERS = 32
"""Range coders of a chunk. Coder i mod 32 codes element i."""
STATE_WORDS = 2 * CODERS
"""Words of 16 bits, at the start of a chunk's stream, that hold the first states of its coders."""
# The fields are: magic; version; bytes of the header; its CRC-32C; element type; width and lowest
# bit of a symbol; whether there is a row for escapes; numbers of dimensions and of rows; base; two
# zero bytes; numbers of elements, of words of the stream, of escapes, and of bytes of raw bits.
_FIXED = struct.Struct("<6sHIIBBBBHHH2xQQQQ")

JOINT_TYPES = {**ELEMENT_TYPES, "F32": ElementType("F32", 7, torch.float32, 256, 12)}
"""The element types that this layout codes, by name."""


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class JointHeader:
    """The header of a tensor in layout 2.

    Parameters
    ----------
    kind : ElementType
        Type of the elements.
    shape : tuple of int
        Shape of the tensor.
    fields : Fields
        How an element's bits are split.
    table : SymbolTable
        The rows and their frequencies.
    words, escapes, raw_bytes : int
        Totals of all chunks: how many 16-bit words the streams have, how many escapes there are,
        and how many bytes the raw bits take.
    """

    kind: ElementType
    shape: tuple[int, ...]
    fields: Fields
    table: SymbolTable
    words: int
    escapes: int
    raw_bytes: int

    @cached_property
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
        """Bytes of the parts without padding: CRCs, sizes, stream, escapes, raw bits."""
        return 4 * self.chunks, 12 * self.chunks, 2 * self.words, 2 * self.escapes, self.raw_bytes

    @property
    def total_size(self) -> int:
        """Bytes of the whole compressed tensor, a multiple of 8."""
        return self.size + sum(map(_aligned, self.part_sizes()))

    def to_bytes(self) -> bytes:
        """The header, with CRC and padding."""
        fields, table = self.fields, self.table
        fixed = _FIXED.pack(
            MAGIC, VERSION, self.size, 0, self.kind.code, fields.width, fields.shift, table.escape,
            len(self.shape), len(table.frequencies), table.base, self.elements, self.words,
            self.escapes, self.raw_bytes,
        )  # fmt: skip
        raw = bytearray(fixed + struct.pack(f"<{len(self.shape)}Q", *self.shape))
        raw += table.to_bytes()
        raw += bytes(self.size - len(raw))
        raw[CRC_AT : CRC_AT + 4] = crc32c(np.frombuffer(raw, np.uint8)).to_bytes(4, "little")
        return bytes(raw)


@dataclass(frozen=True)
class JointParts:
    """Views of a compressed tensor's parts.

    Parameters
    ----------
    crcs : array
        (chunks,) uint32: CRC-32C of each chunk's elements.
    sizes : array
        (chunks, 3) uint32: how many words the stream has, how many escapes there are, and a number
        that says which low raw bits are left out (:mod:`.joint_raw`).
    words, escapes : array
        uint16: the streams, and the symbols that are escapes, of all chunks.
    raw : array
        uint8: the raw bits of all chunks.
    """

    crcs: NDArray[np.uint32]
    sizes: NDArray[np.uint32]
    words: NDArray[np.uint16]
    escapes: NDArray[np.uint16]
    raw: NDArray[np.uint8]


def read_header(data: NDArray[np.uint8]) -> JointHeader:
    """The header of a tensor in layout 2. ``data`` are all its bytes, or only the first ones.

    Raises CorruptError if they are not a header that this version writes.
    """
    if len(data) < _FIXED.size:
        raise CorruptError("the header is cut off, or its length is wrong")
    (magic, version, size, crc, code, width, shift, escape, dimensions, rows, base, elements, words,
     escapes, raw_bytes) = _FIXED.unpack(data[: _FIXED.size].tobytes())  # fmt: skip
    if magic != MAGIC:
        raise CorruptError("this is not a compressed tensor: it does not begin with 'hbdf11'")
    if version != VERSION:
        raise CorruptError(f"the layout's version must be {VERSION}, not {version}")
    if size % ALIGNMENT or not _FIXED.size <= size <= len(data):
        raise CorruptError("the header is cut off, or its length is wrong")
    raw = data[:size].copy()
    raw[CRC_AT : CRC_AT + 4] = 0
    if crc32c(raw) != crc:
        raise CorruptError("the header's CRC is wrong")
    kind = next((each for each in JOINT_TYPES.values() if each.code == code), None)
    table_at = _FIXED.size + 8 * dimensions
    if kind is None:
        raise CorruptError(f"the header names an unknown element type, {code}")
    if table_at > size:
        raise CorruptError(f"the header is too short for a shape of {dimensions} dimensions")
    shape = struct.unpack(f"<{dimensions}Q", raw[_FIXED.size : table_at].tobytes())
    try:
        fields = Fields(8 * kind.bytes, width, shift)
        table, taken = SymbolTable.from_bytes(raw[table_at:].tobytes(), base, rows, bool(escape))
    except ValueError as error:
        raise CorruptError(str(error)) from None
    header = JointHeader(kind, shape, fields, table, words, escapes, raw_bytes)
    if header.elements != elements or elements == 0 or header.size != size or escape > 1:
        raise CorruptError("the header's counts contradict its shape or table")
    if base + rows > 1 << width or (not escape and escapes):
        raise CorruptError("the symbol table contradicts the width of symbols or the escapes")
    if raw[table_at + taken :].any():
        raise CorruptError("the header's padding is not zero")
    return header


def split(data: NDArray[np.uint8], header: JointHeader) -> JointParts:
    """The parts of ``data``, which must be as long as the header says; CorruptError if not."""
    if len(data) != header.total_size:
        raise CorruptError(f"the data should have {header.total_size} bytes, not {len(data)}")
    views = []
    position = header.size
    for size in header.part_sizes():
        views.append(data[position : position + size])
        position += _aligned(size)
    crcs, sizes, words, escapes, raw = views
    return JointParts(
        crcs.view("<u4"), sizes.view("<u4").reshape(-1, 3), words.view("<u2"),
        escapes.view("<u2"), raw,
    )  # fmt: skip
