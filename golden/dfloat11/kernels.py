"""The inner loops of the codec for layout 1, over ranges of chunks, in numba.

The callers check the sizes of arrays, and that the chunks lie in the stream. The content of the
stream is never trusted: for any bits, a loop stays inside its arrays, ends, and reports what it
found. All computations are in int64, and no result reaches 2^63.

Common arguments: ``words`` are the elements (uint16 or uint8). ``shift`` is 7 for elements of 16
bits: bits 14 to 7 are the symbol, and the others go to ``raw``. For elements of 8 bits, ``shift``
is 0, and all bits are the symbol. ``lookup`` is :attr:`CodeTable.lookup`: by the next
``max_length`` bits, the symbol plus 512 times the length of its code; 0 if no code matches. Symbol
256 is the escape: the eight bits after it are the symbol. A range ``first`` up to ``last`` does not
include ``last``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.base.compiled import jit

__all__ = [
    "CHUNK",
    "COUNTERS",
    "GOOD",
    "NOT_A_CODE",
    "SEGMENT",
    "SEGMENTS",
    "WORD",
    "WRONG_CRC",
    "WRONG_LENGTH",
    "count_symbols",
    "crc32c",
    "decode_chunks",
    "encode_chunks",
    "measure_chunks",
]

CHUNK = 16384
"""Elements in a chunk. Each chunk is coded, checked and decoded on its own."""
SEGMENT = 512
"""Elements in a segment. Its length in bits is stored, so decoding can begin at any segment."""
SEGMENTS = CHUNK // SEGMENT
"""Segments in a chunk: 32, like the threads in a warp of an NVIDIA GPU."""
WORD = 32  # bits; the unit of the stream, first bit most significant

GOOD, WRONG_CRC, NOT_A_CODE, WRONG_LENGTH = range(4)
"""Results of decoding a chunk."""

COUNTERS = 4
"""Number of histograms, which take turns. In a single one, a symbol that is equal to the symbol
before it would wait for their common counter."""

_Array = NDArray[Any]

# CRC-32C (Castagnoli), reflected, as iSCSI (RFC 3720) and SSE 4.2 compute it.
_POLYNOMIAL = 0x82F63B78
_AT_ONCE = 8  # bytes per step, with a table for each ("slicing-by-8")


def _crc_tables() -> NDArray[np.int64]:
    """(8, 256): the CRC of each byte, followed by 0 to 7 zero bytes."""
    table = np.zeros((_AT_ONCE, 256), dtype=np.int64)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table[0, byte] = value
    for step in range(1, _AT_ONCE):
        table[step] = (table[step - 1] >> 8) ^ table[0, table[step - 1] & 0xFF]
    return table


_CRC = _crc_tables()


@jit
def crc32c(data: _Array, first: int, last: int) -> Any:
    """CRC-32C of bytes ``first`` up to ``last`` of ``data`` (uint8); 0 if empty."""
    crc: Any = 0xFFFFFFFF
    while last - first >= _AT_ONCE:
        low = np.int64(data[first]) | np.int64(data[first + 1]) << 8
        low |= np.int64(data[first + 2]) << 16 | np.int64(data[first + 3]) << 24
        crc ^= low
        crc = (
            _CRC[7, crc & 0xFF]
            ^ _CRC[6, (crc >> 8) & 0xFF]
            ^ _CRC[5, (crc >> 16) & 0xFF]
            ^ _CRC[4, crc >> 24]
            ^ _CRC[3, data[first + 4]]
            ^ _CRC[2, data[first + 5]]
            ^ _CRC[1, data[first + 6]]
            ^ _CRC[0, data[first + 7]]
        )
        first += _AT_ONCE
    while first < last:
        crc = (crc >> 8) ^ _CRC[0, (crc ^ np.int64(data[first])) & 0xFF]
        first += 1
    return crc ^ 0xFFFFFFFF


@jit
def count_symbols(words: _Array, shift: int, first: int, last: int, counts: _Array) -> None:
    """Count the symbols of elements ``first`` up to ``last`` in ``counts``, (COUNTERS, 256)."""
    for i in range(first, last):
        counts[i % COUNTERS, (words[i] >> shift) & 0xFF] += 1


@jit
def measure_chunks(
    words: _Array, shift: int, bits: _Array, first: int, last: int, lengths: _Array
) -> None:
    """Write to ``lengths`` how many bits each segment of chunks ``first`` up to ``last`` has.

    bits: (256,), the length of each symbol's code. lengths: (chunks, SEGMENTS). A segment without
    elements has 0 bits.
    """
    for chunk in range(first, last):
        for segment in range(SEGMENTS):
            begin = chunk * CHUNK + segment * SEGMENT
            total = 0
            for i in range(begin, min(begin + SEGMENT, len(words))):
                total += bits[(words[i] >> shift) & 0xFF]
            lengths[chunk, segment] = total


@jit
def _chunk_crc(
    lengths: _Array, stream: _Array, raw: _Array, chunk: int, start: int, end: int
) -> Any:
    """The exclusive or of the CRCs of a chunk's lengths, stream and raw bytes.

    Hardware can compute the three at the same time.
    """
    crc = crc32c(lengths, chunk * 2 * SEGMENTS, (chunk + 1) * 2 * SEGMENTS)
    crc ^= crc32c(stream, start * WORD // 8, end * WORD // 8)
    if len(raw):
        crc ^= crc32c(raw, chunk * CHUNK, min((chunk + 1) * CHUNK, len(raw)))
    return crc


@jit
def encode_chunks(
    words: _Array,
    shift: int,
    values: _Array,
    bits: _Array,
    first: int,
    last: int,
    starts: _Array,
    lengths: _Array,
    stream: _Array,
    raw: _Array,
    crcs: _Array,
) -> None:
    """Write the streams, raw bytes and CRCs of chunks ``first`` up to ``last``.

    values, bits: for each symbol, the bits to write and their number. starts: (chunks + 1,), the
    first word of each chunk, and the end. lengths: uint8, the bytes of the measured lengths.
    stream: uint8, the bytes of the stream. raw: (elements,) uint8, or empty for elements of 8 bits.
    """
    stream_words = stream.view(np.uint32)
    for chunk in range(first, last):
        position = starts[chunk]
        buffer = 0
        held = 0  # bits in the buffer, below 32 + 20
        for i in range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(words))):
            word = np.int64(words[i])
            symbol = (word >> shift) & 0xFF
            buffer = (buffer << bits[symbol]) | values[symbol]
            held += bits[symbol]
            if held >= WORD:
                held -= WORD
                stream_words[position] = buffer >> held
                buffer &= (1 << held) - 1
                position += 1
            if shift:
                raw[i] = (word >> 8 & 0x80) | (word & 0x7F)
        if held:
            stream_words[position] = buffer << (WORD - held)
        crcs[chunk] = _chunk_crc(lengths, stream, raw, chunk, starts[chunk], starts[chunk + 1])


@jit
def _decode_segment(
    stream: _Array, position: int, end: int, lookup: _Array, max_length: int,
    raw: _Array, shift: int, out: _Array, first: int, last: int,
) -> int:  # fmt: skip
    """Decode elements ``first`` up to ``last`` from bits ``position`` up to ``end`` of the stream.

    Beyond ``end``, the decoder sees the rest of the word that ``end`` is in, then zeros.
    """
    word = position // WORD
    end_word = (end + WORD - 1) // WORD
    held: Any = 0
    buffer: Any = 0
    symbol: Any
    if position % WORD:
        held = WORD - position % WORD
        buffer = np.int64(stream[word]) & ((1 << held) - 1)
        word += 1
    mask = (1 << max_length) - 1
    for i in range(first, last):
        if held < WORD:  # a step takes at most 12 + 8 bits
            buffer = (buffer & ((1 << held) - 1)) << WORD
            if word < end_word:
                buffer |= np.int64(stream[word])
            word += 1
            held += WORD
        entry = np.int64(lookup[(buffer >> (held - max_length)) & mask])
        if entry == 0:
            return NOT_A_CODE
        held -= entry >> 9
        symbol = entry & 0x1FF
        if symbol == 256:
            held -= 8
            symbol = (buffer >> held) & 0xFF
        if shift:
            other = np.int64(raw[i])
            out[i] = (other & 0x80) << 8 | symbol << 7 | (other & 0x7F)
        else:
            out[i] = symbol
    return GOOD if word * WORD - held == end else WRONG_LENGTH


@jit
def decode_chunks(
    stream: _Array,
    raw: _Array,
    lookup: _Array,
    max_length: int,
    shift: int,
    starts: _Array,
    lengths: _Array,
    crcs: _Array,
    first: int,
    last: int,
    check: bool,
    out: _Array,
    results: _Array,
) -> None:
    """Decode chunks ``first`` up to ``last`` into ``out``; the result of each goes to ``results``.

    stream, lengths: uint8, the bytes of uint32 words and of uint16 lengths. starts: (chunks + 1,),
    inside the stream and as far apart as the lengths say. out: (elements,) uint16 or uint8.
    ``check`` says whether to compare the CRCs.
    """
    words = stream.view(np.uint32)
    bits = lengths.view(np.uint16)
    for chunk in range(first, last):
        results[chunk] = GOOD
        if check:
            crc = _chunk_crc(lengths, stream, raw, chunk, starts[chunk], starts[chunk + 1])
            if crc != crcs[chunk]:
                results[chunk] = WRONG_CRC
                continue
        position = starts[chunk] * WORD
        for segment in range(SEGMENTS):
            begin = min(chunk * CHUNK + segment * SEGMENT, len(out))
            done = min(begin + SEGMENT, len(out))
            end = position + np.int64(bits[chunk * SEGMENTS + segment])
            result = _decode_segment(
                words, position, end, lookup, max_length, raw, shift, out, begin, done
            )
            if result != GOOD:
                results[chunk] = result
                break
            position = end
