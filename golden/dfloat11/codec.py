"""Compresses a tensor to layout 1 (``docs/dfloat11.md``), and decompresses it, bit for bit.

A tensor is divided into *chunks* of 16384 elements, each of which can be decoded alone. A chunk has
32 *segments*, whose lengths in bits are stored. The *symbol* of an element is the part that is
coded, such as the exponent of a BF16 number. The codes of all symbols are the *stream*. The other
bits of an element, if it has any, are a *raw* byte, which is stored as it is. Chunks ``first`` up
to ``last`` do not include chunk ``last``.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.checks import check_integer
from halfbyte.golden.dfloat11.code_table import LENGTH_LIMIT, SYMBOLS, CodeTable
from halfbyte.golden.dfloat11.digests import Reading, counts_of
from halfbyte.golden.dfloat11.elements import ELEMENT_TYPES, ElementType, element_type
from halfbyte.golden.dfloat11.fixed_codes import FixedCode
from halfbyte.golden.dfloat11.kernels import (
    CHUNK,
    GOOD,
    NOT_A_CODE,
    SEGMENTS,
    WORD,
    WRONG_CRC,
    WRONG_LENGTH,
)
from halfbyte.golden.dfloat11.layout import (
    CorruptError,
    Parts,
    TensorHeader,
    aligned_bytes,
    blank,
    chunk_starts,
    read_header,
    split,
    starts_of,
)
from halfbyte.golden.dfloat11.loops import decode_chunks, encode_chunks, measure_chunks
from halfbyte.golden.dfloat11.rooms import room
from halfbyte.golden.dfloat11.threads import cores, meanwhile, over_ranges

__all__ = [
    "CHUNK",
    "CODES",
    "Measured",
    "compress",
    "decompress",
    "decompress_chunks",
    "measure",
    "opened",
    "pieces",
    "symbol_counts",
]

CODES = ("best", "fixed")
"""How to choose the code of a tensor. ``best`` is the code with the shortest stream. ``fixed`` is
the best of eight fixed codes, which hardware decodes without a table."""
_Words = NDArray[np.uint16] | NDArray[np.uint8]
_PIECE = 64  # `pieces` decodes this many chunks for each core at a time: 2 MiB of BF16
_TOGETHER = 16  # chunks for a core at a time; waking a core takes as long as decoding 4 chunks
_NO_DIGEST = bytes(32)
_REASONS = {
    WRONG_CRC: "its CRC is wrong",
    NOT_A_CODE: "its stream holds bits that are not a code",
    WRONG_LENGTH: "its codes do not end where its lengths say",
}


def _kind_of(tensor: object) -> ElementType:
    kind = element_type(tensor.dtype) if isinstance(tensor, Tensor) else None
    if kind is None:
        what = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        known = ", ".join(ELEMENT_TYPES)
        raise TypeError(f"The codec needs a tensor of one of the types {known}, not {what}")
    return kind


def _words(tensor: Tensor, kind: ElementType) -> _Words:
    """(elements,): the bits of each element. A contiguous tensor on the CPU is not copied."""
    flat = tensor.detach().cpu().contiguous().flatten()
    words: _Words = flat.view(torch.uint16 if kind.bytes == 2 else torch.uint8).numpy()
    return words


def symbol_counts(tensor: Tensor) -> NDArray[np.int64]:
    """(256,) int64: how often each symbol occurs. :class:`ElementType` says what a symbol is."""
    kind = _kind_of(tensor)
    return counts_of(_words(tensor, kind), kind.shift)


@dataclass(frozen=True)
class Measured:
    """What is known of a compressed tensor before it is written: its code, and all sizes.

    Parameters
    ----------
    header : TensorHeader
        The header, with zeros in place of the digest.
    counts : array
        (256,) int64, as :func:`symbol_counts` gives them.
    lengths : array
        (chunks, SEGMENTS) uint16: the length of every segment, in bits.
    starts : array
        (chunks + 1,) int64: where every chunk begins and the last one ends, in 32-bit words of
        the stream.
    """

    header: TensorHeader
    counts: NDArray[np.int64]
    lengths: NDArray[np.uint16]
    starts: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Bytes of the compressed tensor, everything included."""
        return self.header.total_size

    @property
    def pays(self) -> bool:
        """Whether compression saves bytes, and the start of each chunk fits in 32 bits."""
        return self.size < self.header.raw_size and self.header.stream_words < 1 << 32


def measure(
    tensor: Tensor,
    *,
    max_rows: int | None = None,
    max_length: int | None = None,
    codes: str = "best",
    reading: Reading | None = None,
) -> Measured:
    """Choose a code for a tensor, and compute the exact size that :func:`compress` will give.

    Parameters
    ----------
    tensor : Tensor
        BF16, FP16, FP8 (E4M3, E5M2), INT8, or codes of quantized weights as uint8; any shape, at
        least one element.
    max_rows : int, optional
        Rows of the code table, 2 to 256; by default 16 for BF16 and 256 for the other types. If
        more symbols occur, one row is for all symbols without a row of their own.
    max_length : int, optional
        Bits of the longest code, 1 to 12; by default 10 for BF16 and 12 for the other types.
    codes : str
        ``best`` for the code with the shortest stream within these limits, ``fixed`` for the best
        of eight codes that hardware decodes without a table (:class:`FixedCode`). For types other
        than BF16, ``fixed`` means ``best``.
    reading : Reading, optional
        Computes the tensor's digest while the symbols are counted. Give it to :func:`compress`
        afterwards.

    Raises
    ------
    TypeError, ValueError
        The tensor has another type or is empty, a limit is out of range, or ``codes`` is unknown.
    UserError
        Codes of ``max_length`` bits are too few for the rows of the table.
    """
    kind = _kind_of(tensor)
    rows = kind.rows if max_rows is None else max_rows
    limit = kind.max_length if max_length is None else max_length
    check_integer("max_rows", rows, 2, SYMBOLS)
    check_integer("max_length", limit, 1, LENGTH_LIMIT)
    if not tensor.numel():
        raise ValueError("A tensor without elements cannot be compressed")
    if codes not in CODES:
        raise ValueError(f"Codes must be {' or '.join(CODES)}, not {codes!r:.60}")
    words = _words(tensor, kind)
    counts = (reading.counts if reading is not None else counts_of)(words, kind.shift)
    if codes == "fixed" and kind.name == "BF16":
        table = FixedCode.best(counts.tolist()).table
    else:
        table = CodeTable.from_counts(counts.tolist(), max_rows=rows, max_length=limit)
    return _measured(tensor, table, counts)


def measure_with(tensor: Tensor, table: CodeTable) -> Measured:
    """Measure a tensor with a given code, such as the code of a larger tensor that contains it.

    Raises
    ------
    TypeError, ValueError
        The codec does not support the tensor's type, the tensor is empty, or the table has no code
        for one of its symbols.
    """
    counts = symbol_counts(tensor)
    if not tensor.numel():
        raise ValueError("A tensor without elements cannot be compressed")
    missing = np.flatnonzero((counts > 0) & (table.encoder[1] == 0))
    if len(missing):
        raise ValueError(f"The code table has no code for symbol {missing[0]}, which occurs")
    return _measured(tensor, table, counts)


def _measured(tensor: Tensor, table: CodeTable, counts: NDArray[np.int64]) -> Measured:
    """Measure all segments with a table that has a code for every symbol of the tensor."""
    kind = _kind_of(tensor)
    header = TensorHeader(kind, tuple(tensor.shape), table, 0, _NO_DIGEST)
    words = _words(tensor, kind)
    lengths = np.zeros((header.chunks, SEGMENTS), dtype=np.uint16)
    over_ranges(
        lambda first, last: measure_chunks(words, kind.shift, table, first, last, lengths),
        header.chunks,
    )
    starts = starts_of(lengths.sum(axis=1, dtype=np.int64))
    return Measured(replace(header, stream_words=int(starts[-1])), counts, lengths, starts)


def compress(
    tensor: Tensor, measured: Measured | None = None, reading: Reading | None = None
) -> Tensor:
    """The compressed form of a tensor: (bytes,) uint8, the same for the same input.

    measured: the result of :func:`measure` or :func:`measure_with` for this tensor. By default,
    :func:`measure` is called without options. reading: the object that :func:`measure` was given.
    Raises the errors of :func:`measure`. For data without structure, the result can be larger than
    the tensor. :attr:`Measured.pays` says beforehand whether it is smaller.
    """
    if measured is None:
        reading = Reading()
        measured = measure(tensor, reading=reading)
    header = measured.header
    words = _words(tensor, header.kind)
    if reading is None:
        reading = Reading()
        reading.begin(words)
    data = blank(header)
    parts = split(data, header)
    parts.starts[:] = measured.starts[:-1]
    parts.lengths[:] = measured.lengths.reshape(-1).view(np.uint8)

    def encode(first: int, last: int) -> None:
        encode_chunks(
            words, header.kind.shift, header.table, first, last, measured.starts,
            parts.lengths, parts.stream, parts.raw, parts.crcs,
        )  # fmt: skip

    over_ranges(encode, header.chunks)
    raw = replace(header, sha256=reading.digest()).to_bytes()
    data[: header.size] = np.frombuffer(raw, dtype=np.uint8)
    return torch.from_numpy(data)


def _open(data: Tensor) -> tuple[TensorHeader, Parts, NDArray[np.int64]]:
    """Header, parts, and where each chunk begins in the stream, all checked against each other."""
    raw = aligned_bytes(data)
    header = read_header(raw)
    parts = split(raw, header)
    if header.stream_words * WORD < header.elements:  # limits what is allocated
        raise CorruptError("the stream is too short for the elements: each needs at least one bit")
    return header, parts, chunk_starts(header, parts)


def _elements(header: TensorHeader, first: int, last: int) -> int:
    """Number of elements in chunks ``first`` up to ``last``."""
    return min(last * CHUNK, header.elements) - min(first * CHUNK, header.elements)


def _room(header: TensorHeader, first: int, last: int) -> _Words:
    """Memory for the elements of these chunks."""
    return room(_elements(header, first, last), f"u{header.kind.bytes}")


def _decode(
    header: TensorHeader,
    parts: Parts,
    starts: NDArray[np.int64],
    first: int,
    last: int,
    verify: bool,
    out: _Words | None = None,
    then: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Elements of chunks ``first`` up to ``last``; reads nothing outside of these chunks.

    ``then`` is called for each range of decoded chunks, in order: see :func:`over_ranges`.
    """
    kind, table, count = header.kind, header.table, last - first
    out = _room(header, first, last) if out is None else out[: _elements(header, first, last)]
    results = np.full(count, GOOD, dtype=np.uint8)
    # These are all views of this range, so nothing outside of it can be read.
    begins = starts[first : last + 1] - starts[first]
    stream = parts.stream[starts[first] * WORD // 8 : starts[last] * WORD // 8]
    lengths = parts.lengths[first * 2 * SEGMENTS : last * 2 * SEGMENTS]
    raw, crcs = parts.raw[first * CHUNK : last * CHUNK], parts.crcs[first:last]

    def decode(begin: int, end: int) -> None:
        decode_chunks(
            stream, raw, table, kind.shift, begins, lengths, crcs, begin, end, verify, out, results,
        )  # fmt: skip

    if count:
        over_ranges(decode, count, step=_TOGETHER, then=then)
    bad = np.flatnonzero(results != GOOD)
    if len(bad):
        chunk, reason = first + int(bad[0]), _REASONS[int(results[bad[0]])]
        raise CorruptError(f"chunk {chunk} of {header.chunks}: {reason}")
    return torch.from_numpy(out).view(kind.torch_dtype)


def decompress_chunks(data: Tensor, first: int, last: int, *, verify: bool = True) -> Tensor:
    """The elements of chunks ``first`` up to ``last`` (excluded), (elements,).

    Other chunks are not decoded. Every chunk except the last has 16384 elements. Raises the errors
    of :func:`decompress`, and ValueError for chunks that do not exist. ``verify`` checks the CRCs
    of these chunks.
    """
    header, parts, starts = _open(data)
    check_integer("first", first, 0, header.chunks)
    check_integer("last", last, first, header.chunks)
    return _decode(header, parts, starts, first, last, verify)


def decompress(data: Tensor, *, verify: bool = True) -> Tensor:
    """The tensor that was compressed to ``data``: the same bits, type and shape.

    data: (bytes,) uint8, on the CPU. Raises :class:`CorruptError` for data that :func:`compress`
    did not write; for a damaged chunk, the message gives its number. ``verify`` checks the chunks'
    CRCs and the whole tensor's digest. Without it, damage may stay undetected, but memory accesses
    stay in bounds.
    """
    found = _open(data)
    header = found[0]
    whole = _room(header, 0, header.chunks)
    if not verify:
        return _decode(*found, 0, header.chunks, False, whole).reshape(header.shape)
    running = hashlib.sha256()

    def digest(first: int, last: int) -> None:
        running.update(whole[first * CHUNK : last * CHUNK].data)

    elements = _decode(*found, 0, header.chunks, True, whole, digest)
    _compare(header, running.digest())
    return elements.reshape(header.shape)


def _compare(header: TensorHeader, digest: bytes) -> None:
    """Raise CorruptError unless ``digest`` is the one in the header."""
    if digest != header.sha256:
        raise CorruptError("the whole tensor's SHA-256 is wrong, though the CRCs are right")


def opened(data: Tensor) -> Callable[[], Tensor]:
    """A function that decodes ``data`` without verification; the header is read only once, here."""
    found = _open(data)
    header = found[0]
    return lambda: _decode(*found, 0, header.chunks, False).reshape(header.shape)


def pieces(data: Tensor, *, digest: bool = True) -> Iterator[Tensor]:
    """Yield the elements in order, verified, a few chunks (a piece) at a time.

    A piece is overwritten when the second piece after it is decoded. ``digest``: whether to check
    the digest of the whole tensor, too. Raises the errors of :func:`decompress`.
    """
    found = _open(data)
    header, step = found[0], _PIECE * cores()
    rooms = [_room(header, 0, min(step, header.chunks)) for _ in range(2)]
    running, digested = hashlib.sha256(), _nothing
    for first in range(0, header.chunks, step):
        rooms.reverse()
        piece = _decode(*found, first, min(first + step, header.chunks), True, rooms[0])
        digested()
        if digest:
            digested = meanwhile(partial(running.update, _words(piece, header.kind).data))
        yield piece
    digested()
    if digest:
        _compare(header, running.digest())


def _nothing() -> None:
    pass
