"""Compresses a tensor to layout 2 and back: it codes exponent and upper mantissa bits together.

It comes within 0.02 bits per weight of the entropy of those symbols. Layout 1 loses 0.1 bits to
codes of whole bits and its index. Layout 2 also takes FP32. Hardware decodes layout 1 only.
"""

import ctypes
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.checks import check_integer
from halfbyte.golden.dfloat11 import joint_kernels
from halfbyte.golden.dfloat11.elements import ElementType
from halfbyte.golden.dfloat11.joint_layout import (
    CHUNK,
    JOINT_TYPES,
    STATE_WORDS,
    JointHeader,
    JointParts,
    read_header,
    split,
)
from halfbyte.golden.dfloat11.joint_raw import (
    BLOCK,
    are_sound,
    packed,
    raw_sizes,
    trailing_zeros,
)
from halfbyte.golden.dfloat11.joint_table import Fields, SymbolTable, choose, entropy, widest
from halfbyte.golden.dfloat11.layout import CorruptError, aligned_bytes
from halfbyte.golden.dfloat11.native import address, library
from halfbyte.golden.dfloat11.threads import cores, meanwhile, over_ranges

__all__ = [
    "JointCounts",
    "OpenedJoint",
    "compress",
    "count",
    "decompress",
    "decompress_chunks",
    "joint_type",
    "opened",
    "pieces",
]

_REASONS = {
    1: "its CRC is wrong",
    2: "its codes do not end where its sizes say",
    3: "its escapes are not as many as its sizes say",
}
_PIECE = 4  # chunks of a core that are decoded at once: half a megabyte of BF16
_PLACE_WORDS = CHUNK + STATE_WORDS + 1  # 16-bit words that a chunk's stream takes at most


def joint_type(dtype: torch.dtype) -> ElementType | None:
    """The type of a tensor's elements; None if the layout has none for it."""
    return next((each for each in JOINT_TYPES.values() if each.torch_dtype == dtype), None)


def _words(tensor: Tensor, kind: ElementType) -> NDArray[Any]:
    """(elements,): the bits of a tensor, without copying a contiguous one on the CPU."""
    types = {1: torch.uint8, 2: torch.uint16, 4: torch.uint32}
    flat = tensor.detach().cpu().contiguous().flatten()
    words: NDArray[Any] = flat.view(types[kind.bytes]).numpy()
    return words


@dataclass(frozen=True)
class JointCounts:
    """The counts that decide the code of a tensor. Add them for tensors that share a code.

    Parameters
    ----------
    kind : ElementType
    counts : array
        (2^width,) int64, of the widest symbols.
    zeros : int
        Low bits that are zero in all elements.
    ones : array, optional
        (blocks,) uint32: the bits that are 1 in any element of a block; not for several tensors.
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
        """Fields, table, and bits of the whole without the overhead of chunks."""
        most = widest(self.kind.name, 8 * self.kind.bytes)
        return choose(self.kind.name, most, self.counts, self.zeros)

    def entropy(self) -> float:
        """About how many bits the symbols and their table take; raw bits are not counted."""
        return entropy(self.counts)

    def bytes(self) -> int:
        """About how many bytes the compressed form takes."""
        chunks = -(-self.elements // CHUNK)
        return int(self.choice[2]) // 8 + 100 + chunks * (16 + STATE_WORDS)


def count(tensor: Tensor) -> JointCounts:
    """Count the symbols of a tensor. TypeError for a type that the layout does not have."""
    kind = joint_type(tensor.dtype) if isinstance(tensor, Tensor) else None
    if kind is None:
        what = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"The codec takes tensors of {', '.join(JOINT_TYPES)}, not {what}")
    words, most = _words(tensor, kind), widest(kind.name, 8 * kind.bytes)
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

    parts = over_ranges(over, blocks, per_thread=1)
    counts = sum(parts, np.zeros(1 << most.width, dtype=np.int64))
    any_ones = np.bitwise_or.reduce(ones) if blocks else np.uint32(0)
    zeros = int(trailing_zeros(np.array([any_ones]), 8 * kind.bytes)[0])
    return JointCounts(kind, counts, zeros, ones)


class _Tensor(ctypes.Structure):
    """``joint::Tensor`` in joint.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in (
            "bytes", "width", "shift", "rows", "base", "escape")),
        ("elements", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in (
            "table", "crcs", "word_starts", "escape_starts", "raw_starts", "zeros", "words",
            "escapes", "raw")),
    )  # fmt: skip


class OpenedJoint:
    """A compressed tensor whose header was read and whose parts were found consistent.

    Parameters
    ----------
    header : JointHeader
    parts : JointParts
        Views of the data, which stay valid as long as this object.

    Raises
    ------
    CorruptError
        The sizes of the chunks do not add up.
    """

    def __init__(self, header: JointHeader, parts: JointParts) -> None:
        self.header = header
        self.parts = parts
        self.zeros = np.ascontiguousarray(parts.sizes[:, 2])
        if not are_sound(self.zeros, header.elements, header.fields.shift):
            raise CorruptError("a chunk leaves out more bits than there are below the symbol")
        sizes = parts.sizes.T.astype(np.int64)
        sizes[2] = raw_sizes(self.zeros, header.elements, header.fields.raw_bits)
        self.starts = np.zeros((3, sizes.shape[1] + 1), dtype=np.int64)
        np.cumsum(sizes, axis=1, out=self.starts[:, 1:])
        if tuple(self.starts[:, -1]) != (header.words, header.escapes, header.raw_bytes):
            raise CorruptError("the sizes of the chunks contradict the header")
        if sizes[0].size and sizes[0].min() < STATE_WORDS:
            raise CorruptError("a chunk is too short for the states that it begins with")

    @classmethod
    def of(cls, data: Tensor) -> "OpenedJoint":
        """Open (bytes,) uint8 on the CPU. TypeError or CorruptError if it is not a compressed
        tensor."""
        raw = aligned_bytes(data)
        header = read_header(raw)
        return cls(header, split(raw, header))

    @cached_property
    def structure(self) -> _Tensor:
        """The argument for the native loops; this object must outlive it."""
        header, parts, fields = self.header, self.parts, self.header.fields
        table = header.table
        return _Tensor(
            header.kind.bytes, fields.width, fields.shift, len(table.frequencies), table.base,
            table.escape, header.elements, address(table.slots), address(parts.crcs),
            *(address(starts) for starts in self.starts), address(self.zeros),
            address(parts.words), address(parts.escapes), address(parts.raw),
        )  # fmt: skip

    def decode(
        self, first: int, last: int, *, verify: bool, out: NDArray[Any] | None = None
    ) -> Tensor:
        """Elements of chunks ``first`` up to ``last``. Raises CorruptError, which names the chunk.

        out: (elements or more,) unsigned integers of the elements' size, to decode into.
        """
        header, kind = self.header, self.header.kind
        size = min(last * CHUNK, header.elements) - min(first * CHUNK, header.elements)
        if out is None:
            out = np.empty(size, dtype=f"u{kind.bytes}")
        out = out[:size]
        results = np.zeros(last - first, dtype=np.uint8)
        native, structure = library(), self.structure

        def decode(begin: int, end: int) -> None:
            if native is None:
                joint_kernels.decode(self, first + begin, first + end, verify,
                                     out[begin * CHUNK :], results[begin:])  # fmt: skip
                return
            native.hb_joint_decode(
                ctypes.byref(structure), first + begin, first + end, verify,
                address(out[begin * CHUNK :]), address(results[begin:]),
            )  # fmt: skip

        if last > first:
            over_ranges(decode, last - first)
        bad = np.flatnonzero(results)
        if len(bad):
            chunk, reason = first + int(bad[0]), _REASONS[int(results[bad[0]])]
            raise CorruptError(f"chunk {chunk} of {header.chunks}: {reason}")
        return torch.from_numpy(out).view(kind.torch_dtype)

    def product(self, x: Tensor) -> Tensor | None:
        """The matrix by vectors, without decoding it to memory; None without native loops.

        x: (vectors, inputs) float32 on the CPU. Returns (vectors, outputs) float32: products of
        BF16 weights, summed in FP32 in the order of ``product.h``. Raises CorruptError for codes
        that do not end where they should.
        """
        native, header = library(), self.header
        outputs, inputs = header.shape
        if native is None or header.kind.name != "BF16":
            return None
        x = x.contiguous()
        vectors, most = len(x), -(-CHUNK // inputs) + 1
        sums = np.zeros((header.chunks, most, vectors), dtype=np.float32)
        structure, wanted = self.structure, x.numpy()

        def multiply(first: int, last: int) -> bool:
            return bool(
                native.hb_joint_product(
                    ctypes.byref(structure), first, last, address(wanted), vectors, inputs, most,
                    address(sums[first]),
                )
            )  # fmt: skip

        if not all(over_ranges(multiply, header.chunks)):
            raise CorruptError("its codes do not end where its sizes say")
        y = np.zeros((outputs, vectors), dtype=np.float32)
        for chunk in range(header.chunks):  # a row may be in two chunks or more
            first = chunk * CHUNK // inputs
            rows = y[first : first + most]
            rows += sums[chunk, : len(rows)]
        return torch.from_numpy(y).T


def _draft(
    kind: ElementType,
    shape: tuple[int, ...],
    fields: Fields,
    table: SymbolTable,
    ones: NDArray[np.uint32],
) -> OpenedJoint:
    """A compressed tensor with room for raw bits and CRCs, still without streams."""
    elements = math.prod(shape)
    left_out = packed(np.minimum(trailing_zeros(ones, fields.bits), fields.shift), elements)
    sizes = np.zeros((len(left_out), 3), dtype=np.uint32)
    sizes[:, 0], sizes[:, 2] = STATE_WORDS, left_out
    raw = int(raw_sizes(left_out, elements, fields.raw_bits).sum())
    header = JointHeader(kind, shape, fields, table, STATE_WORDS * len(sizes), 0, raw)
    none = np.zeros(0, dtype=np.uint16)
    crcs = np.zeros(len(sizes), dtype=np.uint32)
    return OpenedJoint(header, JointParts(crcs, sizes, none, none, np.zeros(raw, np.uint8)))


@dataclass(frozen=True)
class _Room:
    """Room for streams and escapes in the worst case; memory is taken only where it is written."""

    stream: NDArray[np.uint16]
    escapes: NDArray[np.uint16]
    sizes: NDArray[np.uint32]

    @classmethod
    def of(cls, chunks: int) -> "_Room":
        # NumPy takes large pages, which suit the long stream, and not the few escapes.
        escapes = torch.empty(chunks * CHUNK, dtype=torch.uint16).numpy()
        stream = np.empty(chunks * _PLACE_WORDS, dtype=np.uint16)
        return cls(stream, escapes, np.zeros((chunks, 2), dtype=np.uint32))

    def encode(
        self, structure: _Tensor, opened: OpenedJoint, words: NDArray[Any], first: int, last: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Encode chunks ``first`` up to ``last``: the streams of all, and the escapes of all."""
        stream, escapes = self.stream[first * _PLACE_WORDS :], self.escapes[first * CHUNK :]
        sizes, table, native = self.sizes[first:last], opened.header.table, library()
        if native is None:
            joint_kernels.encode(opened, words, first, last, stream, escapes, sizes)
        else:
            native.hb_joint_encode(
                ctypes.byref(structure), address(words), address(table.array), first, last,
                address(stream), address(escapes), address(sizes),
            )  # fmt: skip
        taken, kept = sizes.sum(axis=0)
        return stream[:taken], escapes[:kept]


def compress(tensor: Tensor, counts: JointCounts | None = None) -> Tensor:
    """The compressed form of a tensor in layout 2: (bytes,) uint8, the same for the same input.

    tensor: BF16, FP16, FP32, FP8 (E4M3, E5M2), INT8 or uint8; any shape, at least one element.
    counts: the result of :func:`count` for it, to save time, or those of several tensors together.
    Raises TypeError for another type, ValueError for an empty tensor or more than 65535 dimensions.
    """
    counts = counts or count(tensor)
    if not tensor.numel():
        raise ValueError("A tensor without elements cannot be compressed")
    fields, table, _ = counts.choice
    words = _words(tensor, counts.kind)
    ones = counts.ones if counts.ones is not None else count(tensor).ones
    assert ones is not None  # noqa: S101 (of one tensor)
    drafted = _draft(counts.kind, tuple(tensor.shape), fields, table, ones)
    chunks, structure = drafted.header.chunks, drafted.structure
    room = _Room.of(chunks)
    found = over_ranges(
        lambda first, last: room.encode(structure, drafted, words, first, last),
        chunks,
        per_thread=4,
    )
    streams, escapes = zip(*found, strict=True)
    header = replace(drafted.header, words=sum(map(len, streams)), escapes=sum(map(len, escapes)))
    data = np.zeros(header.total_size, dtype=np.uint8)
    data[: header.size] = np.frombuffer(header.to_bytes(), dtype=np.uint8)
    parts = split(data, header)
    parts.crcs[:] = drafted.parts.crcs
    parts.sizes[:, :2] = room.sizes
    parts.sizes[:, 2] = drafted.zeros
    copied = meanwhile(lambda: np.copyto(parts.raw, drafted.parts.raw))
    ends = np.cumsum([len(stream) for stream in streams])

    def copy(first: int, last: int) -> None:
        for stream, end in zip(streams[first:last], ends[first:last], strict=True):
            parts.words[end - len(stream) : end] = stream

    over_ranges(copy, len(streams), per_thread=1)
    np.concatenate(escapes, out=parts.escapes)
    copied()
    return torch.from_numpy(data)


def decompress_chunks(data: Tensor, first: int, last: int, *, verify: bool = True) -> Tensor:
    """The elements of chunks ``first`` up to ``last`` (excluded), (elements,), from those alone.

    Every chunk except the last has 65536 elements. Raises as :func:`decompress`, and ValueError for
    chunks that do not exist.
    """
    opened = OpenedJoint.of(data)
    check_integer("first", first, 0, opened.header.chunks)
    check_integer("last", last, first, opened.header.chunks)
    return opened.decode(first, last, verify=verify)


def decompress(data: Tensor, *, verify: bool = True) -> Tensor:
    """The tensor that was compressed to ``data`` in layout 2: the same bits, type and shape.

    data: (bytes,) uint8, on the CPU. Raises CorruptError, which names the chunk, for anything that
    :func:`compress` did not write. ``verify`` checks the CRCs of the elements. Without it, damage
    may stay undetected, but memory accesses stay in bounds.
    """
    opened = OpenedJoint.of(data)
    return opened.decode(0, opened.header.chunks, verify=verify).reshape(opened.header.shape)


def opened(data: Tensor) -> Callable[[], Tensor]:
    """A function that decodes ``data`` without verification; its header is read now, once."""
    found = OpenedJoint.of(data)
    header = found.header
    return lambda: found.decode(0, header.chunks, verify=False).reshape(header.shape)


def pieces(data: Tensor) -> Iterator[Tensor]:
    """The elements in order, verified, a few chunks at a time; each piece is valid until the next.

    Raises as :func:`decompress`.
    """
    found = OpenedJoint.of(data)
    chunks, kind = found.header.chunks, found.header.kind
    step = _PIECE * cores()
    room = np.empty(min(step * CHUNK, found.header.elements), dtype=f"u{kind.bytes}")
    for first in range(0, chunks, step):
        yield found.decode(first, min(first + step, chunks), verify=True, out=room)
