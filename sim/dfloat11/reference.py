"""Computes what a lane of the DFloat11 decoder must give, for any input.

This follows the definition of the layout (``docs/dfloat11.md``) and is independent of the codec and
of the RTL: bits are text, and codes are looked up in a dictionary. A lane is a part of the decoder
that decodes one chunk (up to 16384 weights) at a time. A symbol is the exponent of a weight. The
escape is a code that announces a symbol in plain bits.
"""

from collections.abc import Mapping, Sequence

__all__ = [
    "ESCAPE",
    "GOOD",
    "NOT_A_CODE",
    "WRONG_CRC",
    "WRONG_LENGTH",
    "Code",
    "as_bytes",
    "crc32c",
    "decode",
]

GOOD, WRONG_CRC, NOT_A_CODE, WRONG_LENGTH = range(4)
ESCAPE = 256  # the number of the escape among the symbols
_COUNT_BITS = 14
_HEAD_WORDS = 18  # number of weights, sixteen words of segment lengths, CRC
_POLYNOMIAL = 0x82F63B78

Code = Mapping[str, int]
"""Maps a code, as text of its bits, to its symbol."""


def crc32c(data: bytes) -> int:
    """The CRC-32C of ``data``, computed bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _next_symbol(code: Code, bits: str, position: int) -> tuple[int, int]:
    """The symbol whose code begins at ``position``, and the position after it.

    The symbol is -1 if the bits are not a code, and -2 if there are too few bits.
    """
    longest = max(map(len, code))
    for length in range(1, longest + 1):
        symbol = code.get(bits[position : position + length])
        if symbol is None:
            continue
        end = position + length
        if symbol == ESCAPE:
            end += 8
            symbol = int(bits[end - 8 : end] or "0", 2)
        return (symbol, end) if end <= len(bits) else (-2, end)
    return (-1 if position + longest <= len(bits) else -2), position


def as_bytes(words: Sequence[int]) -> bytes:
    """Words of 32 bits as bytes, little-endian."""
    return b"".join(word.to_bytes(4, "little") for word in words)


def decode(code: Code, words: Sequence[int], raw: Sequence[int]) -> tuple[list[int], int]:
    """The weights that a lane must give for a chunk, and its verdict.

    ``words`` holds header and codes, and ``raw`` holds signs and mantissas. If the verdict is not
    ``GOOD``, the weights are those that come out before the lane stops.
    """
    weights: list[int] = []
    if len(words) <= _HEAD_WORDS or words[0] >> _COUNT_BITS:
        return weights, WRONG_LENGTH
    count = words[0] + 1
    lengths, stream = words[1 : _HEAD_WORDS - 1], words[_HEAD_WORDS:]
    bits = "".join(f"{word:032b}" for word in stream)
    position = 0
    for index in range(count):
        symbol, position = _next_symbol(code, bits, position)
        if symbol < 0:
            return weights, NOT_A_CODE if symbol == -1 else WRONG_LENGTH
        other = raw[index]
        weights.append((other & 0x80) << 8 | symbol << 7 | (other & 0x7F))
        if (index == len(raw) - 1) != (index == count - 1):
            return weights, WRONG_LENGTH
    total = sum((word & 0xFFFF) + (word >> 16) for word in lengths)
    if -(-position // 32) != len(stream) or (total - position) % 32:
        return weights, WRONG_LENGTH
    crc = crc32c(as_bytes(lengths)) ^ crc32c(as_bytes(stream)) ^ crc32c(bytes(raw))
    return weights, GOOD if crc == words[_HEAD_WORDS - 1] else WRONG_CRC
