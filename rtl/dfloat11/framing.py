"""The data on the decoder's streams: beats and verdicts; and the table that all lanes share.

A *packet* is a run of beats that ends with ``last``. Every chunk of a compressed tensor is two
packets for one lane. The lane answers with weights and one verdict:

- ``words``, 32 bits each: the number of elements minus 1 (14 bits, zeros above), the chunk's 32
  segment lengths (16 words as they lie in memory, little-endian), its CRC, its stream.
- ``raw``: the chunk's raw bytes, one for each element.

The table is one packet of 16-bit numbers: the layout's code table, in its order (rows, escape, rows
of each length from 1 to 12, symbols).
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

CHUNK = 16384  # elements at most
WORD = 32  # bits, the first of the stream most significant
LENGTH_WORDS = 16  # thirty-two segment lengths of 16 bits
LENGTH_LIMIT = 12  # bits of the longest code that the layout knows
NO_ESCAPE = 0xFFFF


class Verdict(enum.Enum):
    """Whether a chunk is good, or what is wrong; the codec has the same four results."""

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
    """A canonical code of ``rows`` symbols in at most ``max_length`` bits, as lanes use it.

    Longer codes have greater values. ``room[n - 1]`` is the number of n-bit words that begin longer
    codes; these words are the greatest of their length. There are at most half as many as rows,
    since each of these words leads to two symbols or more. A code of n bits has the row
    ``code - 2**n + base[n - 1]``, modulo the number of rows (a power of two).

    ``escape`` is the row of the escape, if ``has_escape``. ``lone`` says that there is only one
    row, with the code 0. No other table may leave words without a code.
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
