"""The loops of layout 2 (``docs/dfloat11.md``) in numba, element by element.

They are the reference for the loops in ``native/joint.h`` and ``native/joint_encode.h``, and run
on machines without a C++ compiler. A chunk has 65536 elements, in blocks of 4096.

The *symbol* of an element has ``width`` bits, the lowest of which is bit ``shift``. The symbol
table has *rows* for neighbouring symbols, from ``base`` on, and each row has a frequency. A symbol
without a row is an *escape*: it is coded as the last row, and stored beside the stream. The other
bits of an element are *raw*: they are stored as they are, but without low bits that are zero.

Range coder i mod 32 codes element i of a chunk. The *state* of a coder is at least 2^16 and below
2^32 (``native/joint_coders.h`` names the sources). A range ``first`` up to ``last`` does not
include ``last``.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.base.compiled import jit
from halfbyte.golden.dfloat11.joint_layout import CHUNK, CODERS, STATE_WORDS
from halfbyte.golden.dfloat11.joint_raw import BLOCK
from halfbyte.golden.dfloat11.joint_table import SCALE, SCALE_BITS
from halfbyte.golden.dfloat11.loops import crc32c

if TYPE_CHECKING:
    from halfbyte.golden.dfloat11.joint_layout import JointHeader
    from halfbyte.golden.dfloat11.joint_opened import OpenedJoint

__all__ = ["count", "decode", "encode", "write_raw"]

_Array = NDArray[Any]
_LOW = 1 << 16  # the least state, with which each coder begins to code
GOOD, WRONG_CRC, NOT_THE_END, WRONG_ESCAPES = range(4)  # results of decoding a chunk


@jit
def count(
    words: _Array, shift: int, width: int, first: int, last: int, counts: _Array, ones: _Array
) -> None:
    """Count the symbols of blocks ``first`` up to ``last``.

    ``ones`` gets, for each block, the bits that are 1 in any of its elements.
    """
    mask = (1 << width) - 1
    for block in range(first, last):
        for i in range(block * BLOCK, min((block + 1) * BLOCK, len(words))):
            word = np.int64(words[i])
            counts[(word >> shift) & mask] += 1
            ones[block] |= word


@jit
def _raw_bits(word: Any, width: int, shift: int, zeros: int) -> Any:
    """The raw bits of an element, without its lowest ``zeros`` bits."""
    return (word >> (shift + width)) << (shift - zeros) | (word & ((1 << shift) - 1)) >> zeros


@jit
def _left_out(zeros: int, element: int) -> Any:
    """How many low bits are left out of an element's raw bits. They are zero in its whole block.

    ``zeros`` is a word that is stored for the chunk. Its bits 7 to 0 are the number. Its bit 16 + b
    is 1 if block b leaves out no bits.
    """
    return zeros & 0xFF if (zeros >> (16 + element // BLOCK)) & 1 == 0 else 0


@jit
def _joined(symbol: int, raw: int, width: int, shift: int, zeros: int) -> Any:
    """An element from its symbol and its raw bits, the inverse of :func:`_raw_bits`."""
    high = raw >> (shift - zeros)
    low = raw & ((1 << (shift - zeros)) - 1)
    return high << (shift + width) | symbol << shift | low << zeros


@jit
def _read_bits(data: _Array, place: int, count: int) -> Any:
    """Read ``count`` bits from bit ``place`` on, the lowest first."""
    found: Any = 0
    for k in range(count):
        bit = place + k
        found |= ((np.int64(data[bit >> 3]) >> (bit & 7)) & 1) << k
    return found


@jit
def _write_raw(words: _Array, layout: _Array, raw: _Array) -> None:
    """Write the raw bits of a chunk.

    layout: (5,), the numbers width, shift, zeros (the word that :func:`_left_out` takes), base, and
    1 if the table has an escape, else 0.
    """
    width, shift, zeros, _, _ = layout
    bit, word_bits = 0, 8 * words.itemsize
    raw[:] = 0
    for i in range(len(words)):
        left_out = _left_out(zeros, i)
        bits = _raw_bits(np.int64(words[i]), width, shift, left_out)
        for k in range(word_bits - width - left_out):
            raw[bit >> 3] |= ((bits >> k) & 1) << (bit & 7)
            bit += 1


@jit
def _encode_chunk(
    words: _Array, layout: _Array, frequencies: _Array, starts: _Array, stream: _Array,
    escapes: _Array, sizes: _Array,
) -> None:  # fmt: skip
    """Code a chunk, from its last element to its first.

    The stream goes to the end of the array ``stream``, and the escapes go to ``escapes``. ``sizes``
    gets the number of words of both.
    """
    width, shift, _, base, escape = layout
    mask, rows, kept = (1 << width) - 1, len(frequencies), 0
    for i in range(len(words)):
        symbol = (np.int64(words[i]) >> shift) & mask
        if escape and (symbol < base or symbol >= base + rows - 1):
            escapes[kept] = symbol
            kept += 1
    states = np.full(CODERS, _LOW, dtype=np.int64)
    place = len(stream)
    for i in range(len(words) - 1, -1, -1):
        symbol = (np.int64(words[i]) >> shift) & mask
        row = symbol - base
        if escape and (row < 0 or row >= rows - 1):
            row = rows - 1
        frequency = np.int64(frequencies[row])
        state = states[i % CODERS]
        if state >= frequency << 20:  # the next state would exceed 32 bits
            place -= 1
            stream[place] = state & 0xFFFF
            state >>= 16
        states[i % CODERS] = (state // frequency << SCALE_BITS) + state % frequency + starts[row]
    place -= STATE_WORDS
    for k in range(CODERS):
        stream[place + 2 * k] = states[k] & 0xFFFF
        stream[place + 2 * k + 1] = states[k] >> 16
    sizes[0] = len(stream) - place
    sizes[1] = kept


@jit
def _decode_chunk(
    words: _Array, escapes: _Array, raw: _Array, layout: _Array, slots: _Array, rows: int,
    out: _Array,
) -> int:  # fmt: skip
    """Decode a chunk, from its first element to its last; the result is GOOD or what is wrong."""
    width, shift, zeros, base, escape = layout
    word_bits, bit = 8 * out.itemsize, 0
    states = np.empty(CODERS, dtype=np.int64)
    for k in range(CODERS):
        states[k] = np.int64(words[2 * k]) | np.int64(words[2 * k + 1]) << 16
    place, taken = STATE_WORDS, 0
    for i in range(len(out)):
        state = states[i % CODERS]
        entry = np.int64(slots[state & (SCALE - 1)])
        row = entry >> 24
        state = ((entry >> 12 & 0xFFF) + 1) * (state >> SCALE_BITS) + (entry & 0xFFF)
        if state < _LOW:
            if place == len(words):
                return NOT_THE_END
            state = state << 16 | np.int64(words[place])
            place += 1
        states[i % CODERS] = state
        symbol = base + row
        if escape and row == rows - 1:
            if taken == len(escapes):
                return WRONG_ESCAPES
            symbol = np.int64(escapes[taken]) & ((1 << width) - 1)
            taken += 1
        left_out = _left_out(zeros, i)
        raw_bits = word_bits - width - left_out
        bits = _read_bits(raw, bit, raw_bits)
        bit += raw_bits
        out[i] = _joined(symbol, bits, width, shift, left_out)
    for k in range(CODERS):
        if states[k] != _LOW:
            return NOT_THE_END
    if place != len(words):
        return NOT_THE_END
    return GOOD if taken == len(escapes) else WRONG_ESCAPES


def _layout(header: "JointHeader", zeros: int = 0) -> NDArray[np.int64]:
    """The argument ``layout`` of the loops, as :func:`_write_raw` describes it."""
    fields, table = header.fields, header.table
    numbers = fields.width, fields.shift, zeros, table.base, table.escape
    return np.array(numbers, dtype=np.int64)


def _raw_of(opened: "OpenedJoint", chunk: int) -> NDArray[np.uint8]:
    return opened.parts.raw[opened.starts[2, chunk] : opened.starts[2, chunk + 1]]


def encode(
    header: "JointHeader", words: _Array, first: int, last: int, streams: _Array, escapes: _Array,
    sizes: _Array,
) -> None:  # fmt: skip
    """Code chunks ``first`` up to ``last``.

    The streams of the chunks are written one after the other, without gaps, and so are the escapes.
    ``sizes`` gets two numbers for each chunk: how many words its stream has, and how many escapes
    it has.
    """
    words_at, escapes_at = 0, 0
    room, kept = np.empty(CHUNK + STATE_WORDS + 1, np.uint16), np.empty(CHUNK, np.uint16)
    table, layout = header.table, _layout(header)
    starts = np.cumsum([0, *table.frequencies]).astype(np.int64)
    for chunk in range(first, last):
        part = words[chunk * CHUNK : (chunk + 1) * CHUNK]
        taken = sizes[chunk - first]
        _encode_chunk(part, layout, table.array, starts, room, kept, taken)
        streams[words_at : words_at + taken[0]] = room[len(room) - taken[0] :]
        escapes[escapes_at : escapes_at + taken[1]] = kept[: taken[1]]
        words_at, escapes_at = words_at + int(taken[0]), escapes_at + int(taken[1])


def write_raw(opened: "OpenedJoint", words: _Array, first: int, last: int) -> None:
    """Write raw bits and CRCs of chunks ``first`` up to ``last``."""
    for chunk in range(first, last):
        part = words[chunk * CHUNK : (chunk + 1) * CHUNK]
        layout = _layout(opened.header, int(opened.zeros[chunk]))
        _write_raw(part, layout, _raw_of(opened, chunk))
        opened.parts.crcs[chunk] = crc32c(part.view(np.uint8))


def decode(
    opened: "OpenedJoint", first: int, last: int, check: bool, out: _Array, results: _Array
) -> None:
    """Decode chunks ``first`` up to ``last`` to ``out``; ``results`` gets GOOD or what is wrong.

    Chunk ``first`` goes to the start of ``out``.
    """
    header, parts, starts = opened.header, opened.parts, opened.starts
    for chunk in range(first, last):
        begin = (chunk - first) * CHUNK
        place = out[begin : begin + min(CHUNK, header.elements - chunk * CHUNK)]
        result = _decode_chunk(
            parts.words[starts[0, chunk] : starts[0, chunk + 1]],
            parts.escapes[starts[1, chunk] : starts[1, chunk + 1]],
            _raw_of(opened, chunk), _layout(header, int(opened.zeros[chunk])), header.table.slots,
            len(header.table.frequencies), place,
        )  # fmt: skip
        if result == GOOD and check and crc32c(place.view(np.uint8)) != parts.crcs[chunk]:
            result = WRONG_CRC
        results[chunk - first] = result
