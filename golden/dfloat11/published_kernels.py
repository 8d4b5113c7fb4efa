"""The inner loops that write and read the layout of the ``dfloat11`` package (:mod:`.published`).

The content of a stream is never trusted: for any bits, a loop stays inside its arrays, ends, and
reports what it found. The loops compute with int64, and all numbers fit, so nothing overflows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.base.compiled import jit

__all__ = [
    "BLOCK_BITS",
    "PIECE_BITS",
    "POINTER",
    "decode_blocks",
    "encode_stream",
]

_Array = NDArray[Any]

PIECE_BITS = 64
"""Bits of the stream for one thread of the GPU (a piece)."""
BLOCK_BITS = 512 * PIECE_BITS
"""Bits of the stream for one block of threads."""
POINTER = 240
"""An entry of 240 or more in a look-up table leads to table 256 - entry. Entries below 240 are
exponents."""
_LEVELS = 4  # bytes of the longest code

GOOD, NOT_A_CODE, WRONG_GAP, WRONG_END = range(4)  # results of decoding a block


@jit
def encode_stream(
    words: _Array, values: _Array, bits: _Array, end_value: int, end_bits: int,
    stream: _Array, gaps: _Array, positions: _Array,
) -> None:  # fmt: skip
    """Write the codes of the exponents of ``words`` (uint16) to ``stream`` (uint8).

    Also fill ``gaps`` and ``positions``, which say where codes and elements begin.

    values, bits: the code of each exponent, and its length. end_value, end_bits: the code of the
    end-of-file symbol, whose first bits fill the last byte. gaps: for each piece, the bits before
    its first code. positions: the first element of each block, then the number of elements. The
    three outputs must be long enough, and ``gaps`` must hold zeros.
    """
    buffer = 0
    held = 0  # below 8 + 32
    place = 0
    position = 0
    piece = 0
    block = 0
    for i in range(len(words)):
        if position >= piece * PIECE_BITS:
            gaps[piece] = position - piece * PIECE_BITS
            piece += 1
        if position >= block * BLOCK_BITS:
            positions[block] = i
            block += 1
        exponent = (words[i] >> 7) & 0xFF
        buffer = (buffer << bits[exponent]) | values[exponent]
        held += bits[exponent]
        position += bits[exponent]
        while held >= 8:
            held -= 8
            stream[place] = buffer >> held
            buffer &= (1 << held) - 1
            place += 1
    # The last block may hold only the end of a code: then no code starts in it.
    positions[block:] = len(words)
    if held:
        if position >= piece * PIECE_BITS:
            gaps[piece] = position - piece * PIECE_BITS
        buffer = (buffer << end_bits) | end_value
        held += end_bits
        stream[place] = buffer >> (held - 8) if held >= 8 else buffer << (8 - held)


@jit
def _decode_block(
    stream: _Array, luts: _Array, gaps: _Array, position: Any,
    other: _Array, out: _Array, first: Any, last: Any,
) -> tuple[int, int]:  # fmt: skip
    """Decode elements ``first`` up to ``last`` (excluded) from bit ``position`` on.

    other: a byte of sign and mantissa for each element. Returns GOOD or what is wrong, and the
    position of the next bit. Beyond the stream, all bits are read as zeros.
    """
    tables = len(luts) - 1
    place = position // 8
    held: Any = 0
    buffer: Any = 0
    piece = position // PIECE_BITS
    for i in range(first, last):
        while held < 8 * _LEVELS + 8:
            buffer = (buffer & ((1 << held) - 1)) << 8
            if place < len(stream):
                buffer |= np.int64(stream[place])
            place += 1
            held += 8
            if place * 8 - held < position:  # decoding begins inside the first byte
                held = place * 8 - position
        start = place * 8 - held
        if start >= piece * PIECE_BITS:
            if piece < len(gaps) and start - piece * PIECE_BITS != gaps[piece]:
                return WRONG_GAP, start
            piece += 1
        level = 0
        entry = np.int64(luts[0, (buffer >> (held - 8)) & 0xFF])
        while entry >= POINTER:
            level += 1
            if 256 - entry >= tables or level == _LEVELS:
                return NOT_A_CODE, start
            entry = np.int64(luts[256 - entry, (buffer >> (held - 8 * level - 8)) & 0xFF])
        length = np.int64(luts[tables, entry])
        if length < 8 * level + 1 or length > 8 * level + 8:
            return NOT_A_CODE, start
        held -= length
        low = np.int64(other[i])
        out[i] = (low & 0x80) << 8 | entry << 7 | (low & 0x7F)
    return GOOD, place * 8 - held


@jit
def decode_blocks(
    stream: _Array, luts: _Array, gaps: _Array, positions: _Array, other: _Array,
    first: int, last: int, out: _Array, results: _Array,
) -> None:  # fmt: skip
    """Decode blocks ``first`` up to ``last`` (excluded) into ``out``; write their results.

    luts: (tables + 1, 256), look-up tables; the last row has the code lengths. gaps: for each piece
    of each block, the bits before its first code; the last block counts as full. positions:
    (blocks + 1,), the first element of each block, ascending, from 0 to the number of elements.
    other: a byte of sign and mantissa for each element.
    """
    pieces = BLOCK_BITS // PIECE_BITS
    for block in range(first, last):
        begin = block * BLOCK_BITS + np.int64(gaps[block * pieces])
        first_element, last_element = np.int64(positions[block]), np.int64(positions[block + 1])
        result, end = _decode_block(
            stream, luts, gaps, begin, other, out, first_element, last_element
        )
        if result == GOOD and first_element < last_element:
            if block + 2 == len(positions):
                is_end = end <= 8 * len(stream) < end + 8
            else:
                following = (block + 1) * BLOCK_BITS + np.int64(gaps[(block + 1) * pieces])
                is_end = end == following or end > 8 * len(stream) - 8
            result = GOOD if is_end else WRONG_END
        results[block] = result
