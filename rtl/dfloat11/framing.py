"""What goes over the streams of the decoder: beats, verdicts, and the table that lanes share.

A *packet* is what stands between two beats with ``last``. Every chunk of a compressed tensor is two
packets for one lane, and gives weights and one verdict:

- ``words``, 32 bits each: the number of elements minus 1 (14 bits, zeros above), the chunk's 32
  segment lengths (16 words as they lie in memory, little-endian), its CRC, its stream.
- ``raw``: the chunk's raw bytes, one for each element.

The table is one packet of 16-bit numbers: those of the layout's code table, one after the other
(rows, escape, rows of each length from 1 to 12, symbols).
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
    """What became of a chunk; the codec knows the same four."""

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

    Codes ascend with their lengths, so that a complete code can be told by what it leaves over:
    ``room[n - 1]`` of the words of n bits begin longer codes, and these are the greatest. No more
    than half the rows can: each leads to two symbols or more. A code of n bits, less ``2 ** n``,
    plus ``base[n - 1]`` is its row, modulo the number of rows (a power of two).

    ``escape`` is the row of the escape, if ``has_escape``. ``lone`` says that there is one row,
    with the code 0: the only code that may be incomplete.
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
