"""The terms of the decoder, the data on its streams, and the code table that all lanes share.

DFloat11 splits every BF16 weight. Its exponent is a *symbol*, which becomes a Huffman code in a
stream of bits. Its sign and mantissa are a *raw byte*, which stays as it is. A *row* of the code
table is a symbol and its code. One row may be the *escape*: its code says that the next eight bits
are a symbol that is not in the table. A *chunk* is up to 16384 weights, and a *segment* is 512
weights of a chunk.

A *beat* is one transfer on a stream. A *packet* is a run of beats; the last one has ``last`` set.
A lane of the decoder takes every chunk as two packets, and returns its weights and one verdict:

- ``words``, 32 bits each: the number of weights minus 1 (14 bits, zeros above), the lengths of the
  chunk's 32 segments in bits (16 words as they lie in memory, little-endian), the chunk's CRC, and
  the stream of codes.
- ``raw``: the raw bytes, one for each weight.

The CRC is the exclusive or of three CRC-32Cs: of the segment lengths, of the stream and of the raw
bytes.

The code table is one packet of 16-bit numbers, in the same order as in a compressed file: the
number of rows, the row of the escape, the number of codes of each length from 1 to 12, and the
symbols.
"""

from amaranth.lib import data, enum

__all__ = [
    "CHUNK",
    "LENGTH_LIMIT",
    "LENGTH_WORDS",
    "NO_ESCAPE",
    "WORD",
    "ByteBeat",
    "NumberBeat",
    "Verdict",
    "WordBeat",
    "table_layout",
]

CHUNK = 16384  # the most weights that a chunk can have
WORD = 32  # bits of a word; the first bit of the stream is the most significant
LENGTH_WORDS = 16  # words that hold the 32 segment lengths, of 16 bits each
LENGTH_LIMIT = 12  # bits of the longest code that a table can have
NO_ESCAPE = 0xFFFF  # stands in place of the escape's row if a table has no escape


class Verdict(enum.Enum):
    """Whether a chunk is good, or what is wrong. The software decoder gives the same results."""

    GOOD = 0
    WRONG_CRC = 1
    NOT_A_CODE = 2
    WRONG_LENGTH = 3


WordBeat = data.StructLayout({"data": WORD, "last": 1})
"""A word of a chunk."""

ByteBeat = data.StructLayout({"data": 8, "last": 1})
"""A raw byte: ``[7] sign, [6:0] mantissa``."""

NumberBeat = data.StructLayout({"data": 16, "last": 1})
"""A number of the code table."""


def table_layout(rows: int, max_length: int) -> data.StructLayout:
    """The layout of a code table, as lanes use it.

    The table has at most ``rows`` rows, and its codes have at most ``max_length`` bits. The code is
    canonical: longer codes have greater values. ``room[n - 1]`` is the number of n-bit patterns
    with which longer codes begin; these are the greatest n-bit patterns. There are at most
    ``rows / 2`` of them, since at least two codes begin with each. A code of n bits is in the row
    ``code - 2**n + base[n - 1]``, modulo ``rows`` (a power of two). ``symbols`` holds the symbol of
    each row.

    ``escape`` is the row of the escape, if ``has_escape``. ``lone`` says that there is only one
    row, with the code 0. In all other tables, any sequence of bits begins with a code.
    """
    index = (rows - 1).bit_length()
    return data.StructLayout(
        {
            "room": data.ArrayLayout((rows // 2).bit_length(), max_length),
            "base": data.ArrayLayout(index, max_length),
            "symbols": data.ArrayLayout(8, rows),
            "escape": index,
            "has_escape": 1,
            "lone": 1,
        }
    )
