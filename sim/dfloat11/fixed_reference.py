"""Computes what a lane of the DFloat11 decoder without a code table must give, for any input.

This follows the definition of the fixed codes and is independent of the codec and of the RTL: bits
are text, and codes are looked up in a dictionary. A lane is a part of the decoder that decodes one
chunk (up to 16384 weights) at a time.
"""

from collections.abc import Sequence

from halfbyte.sim.dfloat11.reference import (
    ESCAPE,
    GOOD,
    WRONG_CRC,
    WRONG_LENGTH,
    Code,
    crc32c,
)

__all__ = ["HEADER_BYTES", "decode_fixed", "fixed_code", "fixed_crc"]

HEADER_BYTES = 4
_CRC_BYTES = 4
_CODES = 8
_COUNT_BITS = 14
_ONES = 8  # a code word that begins with this many ones continues in another step


def fixed_code(number: int, highest: int) -> Code:
    """The code words of fixed code number ``number``, whose highest common exponent is ``highest``.

    Maps each code word, as text of its bits, to its exponent. The first words are 00, 01 and 10, or
    00, 01, 100 and 101. Then come unary words: some ones, and a zero at the end. The number decides
    which of the two sets of first words is used, and which unary word the highest exponent has. The
    words of rare exponents begin with eight ones.
    """
    first = ["00", "01", "100", "101"] if number & 4 else ["00", "01", "10"]
    chain = [f"{'1' * ones}0" for ones in range(2, 8)]
    late = chain.pop(1 + (number & 3))
    below = [highest - 2, highest - 3, highest - 1, *range(highest - 4, highest - 20, -1)]
    code = dict(zip([*first, *chain], below, strict=False))
    code[late] = highest
    deepest = min(code.values())
    rest = {"00": deepest - 1, "01": deepest - 2, "10": highest + 1}
    rest |= {"110": deepest - 3, "1110": deepest - 4}
    code |= {"1" * 8 + bits: exponent for bits, exponent in rest.items()}
    return {bits: exponent % 256 for bits, exponent in code.items()} | {"1" * 12: ESCAPE}


def fixed_crc(weights: Sequence[int]) -> bytes:
    """The CRC of a chunk, as the four bytes that follow its codes."""
    data = b"".join(weight.to_bytes(2, "little") for weight in weights)
    return crc32c(data).to_bytes(_CRC_BYTES, "little")


def _read(words: Code, bits: str, position: int) -> tuple[int, list[int]]:
    """The exponent at ``position``, and the bit positions at which the lane's steps end.

    A step reads at most eight bits, so a lane reads a rare exponent in several steps. Zeros are
    added after the end of the stream; a lane never reads a whole exponent from them.
    """
    rest = bits[position : position + 20].ljust(20, "0")
    code = next(word for word in words if rest.startswith(word))
    ends = [position + len(code)]
    if len(code) > _ONES:
        ends.insert(0, position + _ONES)
    exponent = words[code]
    if exponent == ESCAPE:
        ends.append(ends[-1] + 8)
        exponent = int(rest[len(code) : len(code) + 8], 2)
    return exponent, ends


def _read_all(words: Code, bits: str, position: int, symbols: int) -> tuple[list[int], list[int]]:
    """Read, as :func:`_read` does, all exponents that a lane gives in one cycle.

    If the second exponent takes one step, the lane reads it together with the last step of the
    first.
    """
    first, ends = _read(words, bits, position)
    if symbols == 1:
        return [first], ends
    second, more = _read(words, bits, ends[-1])
    return [first, second], [*(ends[:-1] if len(more) == 1 else ends), *more]


def decode_fixed(
    codes: Sequence[int], raw: Sequence[int], symbols: int = 1
) -> tuple[list[int], int]:
    """The weights that a lane must give for a chunk, and its verdict.

    ``codes`` holds header, codes and CRC, and ``raw`` holds signs and mantissas. A beat (transfer)
    has ``symbols`` bytes. When a lane has read a beat to its end, it takes the next one, unless the
    chunk's last exponents end there. When the lane takes the last beat of ``codes`` too early, it
    stops. It still gives the exponents that end in the same step.
    """
    weights: list[int] = []
    stream = codes[HEADER_BYTES:]
    beats, bits_of_beat = len(stream) // symbols, 8 * symbols
    if beats < 2 or codes[1] >> _COUNT_BITS - 8 or codes[3] >= _CODES:
        return weights, WRONG_LENGTH
    count = (codes[0] | codes[1] << 8) + 1
    if count % symbols:
        return weights, WRONG_LENGTH
    words = fixed_code(codes[3], codes[2])
    bits = "".join(f"{byte:08b}" for byte in stream)
    position = 0
    for first in range(0, count, symbols):
        exponents, ends = _read_all(words, bits, position, symbols)
        if any(end // bits_of_beat + 1 >= beats for end in ends[:-1]):
            return weights, WRONG_LENGTH
        position = ends[-1]
        for other, exponent in zip(raw[first : first + symbols], exponents, strict=True):
            weights.append((other & 0x80) << 8 | exponent << 7 | other & 0x7F)
        is_last = first + symbols == count
        taken = -(-position // bits_of_beat) if is_last else position // bits_of_beat + 1
        if taken >= beats or (first + symbols == len(raw)) != is_last:
            return weights, WRONG_LENGTH
    check = stream[-(-position // bits_of_beat) * symbols :]
    if len(check) != _CRC_BYTES:
        return weights, WRONG_LENGTH
    return weights, GOOD if bytes(check) == fixed_crc(weights) else WRONG_CRC
