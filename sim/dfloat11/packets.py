"""Turns a compressed tensor into packets for the DFloat11 decoder.

A packet is a chunk of up to 16384 weights. The symbol of a weight is its exponent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.golden.dfloat11 import compress, decompress, measure, table_packets
from halfbyte.golden.dfloat11.code_table import CodeTable
from halfbyte.golden.dfloat11.kernels import CHUNK, SEGMENT, SEGMENTS
from halfbyte.sim.dfloat11.plan import Packet
from halfbyte.sim.dfloat11.reference import ESCAPE, GOOD, Code, as_bytes, crc32c

__all__ = ["Compressed", "code_of", "encode"]


def code_of(table: CodeTable) -> Code:
    """The code of a code table, in the form that the bit-by-bit reference decoder uses."""
    return {
        f"{code:0{length}b}": symbol
        for symbol, code, length in zip(table.rows, table.codes, table.lengths, strict=True)
    }


@dataclass(frozen=True)
class Compressed:
    """A BF16 tensor compressed by the codec: its code table, and packets with expected weights."""

    table: CodeTable
    packets: tuple[Packet, ...]

    @classmethod
    def of(cls, tensor: Tensor, what: str, *, rows: int, max_length: int) -> "Compressed":
        """Compress ``tensor``; the expected weights of the packets come from decompression."""
        measured = measure(tensor, max_rows=rows, max_length=max_length)
        data = compress(tensor, measured)
        weights = decompress(data).flatten().view(torch.uint16).tolist()
        packets = tuple(
            Packet(f"{what}, chunk {index}", words, raw, weights[index * CHUNK :][:CHUNK], GOOD)
            for index, (words, raw) in enumerate(table_packets(data))
        )
        return cls(measured.header.table, packets)


def encode(code: Code, weights: Sequence[int], what: str) -> Packet:
    """A packet of up to 16384 weights in the given code, made without the codec, from bits as text.

    Scenarios use it for codes that the codec would not choose. If the code lacks a symbol, it must
    have an escape, the code that announces a symbol in plain bits.
    """
    words_of = {symbol: bits for bits, symbol in code.items()}
    segments = [""] * SEGMENTS
    for index, weight in enumerate(weights):
        symbol = weight >> 7 & 0xFF
        bits = words_of.get(symbol) or f"{words_of[ESCAPE]}{symbol:08b}"
        segments[index // SEGMENT] += bits
    bits = "".join(segments)
    bits += "0" * (-len(bits) % 32)
    stream = [int(bits[at : at + 32], 2) for at in range(0, len(bits), 32)]
    ends = [len(segment) for segment in segments]
    lengths = [low | high << 16 for low, high in zip(ends[::2], ends[1::2], strict=True)]
    raw = [weight >> 8 & 0x80 | weight & 0x7F for weight in weights]
    crc = crc32c(as_bytes(lengths)) ^ crc32c(as_bytes(stream)) ^ crc32c(bytes(raw))
    words = [len(weights) - 1, *lengths, crc, *stream]
    return Packet(what, words, raw, list(weights), GOOD)
