"""Writes and reads the layout of the ``dfloat11`` package, version 0.5.0, with added checks.

A *module* holds the weights of some layers: one stream of all their exponents, and a byte of sign
and mantissa for each weight. Look-up tables decode the stream; the code itself is not stored. A GPU
decodes the stream in *blocks* of 512 threads, with 8 bytes (a *piece*) for each thread. A *gap* is
the number of bits from the start of a piece to the first code that starts in it.
``docs/dfloat11.md`` describes all parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.golden.dfloat11.code_table import SYMBOLS
from halfbyte.golden.dfloat11.codec import symbol_counts
from halfbyte.golden.dfloat11.huffman import END, LENGTH_LIMIT, Code, bounded_huffman
from halfbyte.golden.dfloat11.layout import CorruptError
from halfbyte.golden.dfloat11.published_kernels import (
    BLOCK_BITS,
    GOOD,
    NOT_A_CODE,
    PIECE_BITS,
    POINTER,
    WRONG_END,
    WRONG_GAP,
    decode_blocks,
    encode_stream,
)
from halfbyte.golden.dfloat11.rooms import room
from halfbyte.golden.dfloat11.threads import over_ranges

__all__ = [
    "BYTES_PER_THREAD",
    "THREADS_PER_BLOCK",
    "Module",
    "UnrepresentableError",
    "decode",
    "encode",
]

BYTES_PER_THREAD = PIECE_BITS // 8
THREADS_PER_BLOCK = BLOCK_BITS // PIECE_BITS
_SIDE = 256  # entries of a look-up table
# The first table, and one for each value from POINTER to 255, which stands for a table.
_MAX_TABLES = _SIDE - POINTER + 1
_MAX_COUNT = 2**31 - 1  # the kernel counts bytes and elements in signed 32-bit integers
_GAP_BITS = 5
_REASONS = {
    NOT_A_CODE: "its stream holds bits that are not a code",
    WRONG_GAP: "a gap contradicts the stream",
    WRONG_END: "its codes do not end where the next block begins",
}


class UnrepresentableError(UserError):
    """The weights are valid, but the published layout cannot hold them."""


@dataclass(frozen=True)
class Module:
    """One compressed module: the tensors that the package stores, under the package's names.

    Parameters
    ----------
    luts : array
        (tables + 1, 256) uint8: look-up tables. The last row has the code lengths, by exponent.
    encoded_exponent : array
        uint8: the stream.
    sign_mantissa : array
        uint8: sign and mantissa of each element.
    gaps : array
        uint8: the gaps of all pieces in five bits each, packed. The last block is filled up with
        zeros.
    output_positions : array
        uint32: the first element of each block, then the number of elements.
    split_positions : tuple of int
        Where the elements of each weight tensor begin, except the first tensor.
    """

    luts: NDArray[np.uint8]
    encoded_exponent: NDArray[np.uint8]
    sign_mantissa: NDArray[np.uint8]
    output_positions: NDArray[np.uint32]
    gaps: NDArray[np.uint8]
    split_positions: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        arrays = (self.luts, self.encoded_exponent, self.sign_mantissa, self.gaps)
        return (
            sum(a.nbytes for a in arrays)
            + 4 * len(self.output_positions)
            + (8 * len(self.split_positions))
        )


def _tables(codes: Mapping[int, Code]) -> NDArray[np.uint8]:
    """Look-up tables, then a row of code lengths; UnrepresentableError if they are too many.

    A table is indexed by one byte of the stream. An entry is an exponent, or leads to the table for
    the next byte. So each table belongs to a prefix of whole bytes with which longer codes begin.
    Shorter prefixes come first, and prefixes of one length come in the order of the codes.
    """
    symbols = [(symbol, code) for symbol, code in codes.items() if symbol != END]
    prefixes = [Code(0, 0)]
    for level in range(1, LENGTH_LIMIT // 8):
        longer = [code for _, code in symbols if code.bits > 8 * level]
        prefixes += dict.fromkeys(Code(8 * level, c.value >> (c.bits - 8 * level)) for c in longer)
    if len(prefixes) > _MAX_TABLES:
        raise UnrepresentableError(
            f"its exponents need {len(prefixes)} look-up tables, and the published layout has "
            f"at most {_MAX_TABLES}"
        )
    rows = {prefix: row for row, prefix in enumerate(prefixes)}
    entries: list[dict[int, int]] = [{} for _ in prefixes]
    for symbol, code in symbols:
        for level in range((code.bits - 1) // 8 + 1):
            row = rows[Code(8 * level, code.value >> (code.bits - 8 * level))]
            spare = code.bits - 8 * level - 8
            if spare > 0:
                prefix = Code(8 * level + 8, code.value >> spare)
                entries[row][prefix.value & 0xFF] = _SIDE - rows[prefix]
            else:
                entries[row][(code.value << -spare) & 0xFF] = symbol
    luts = np.zeros((len(prefixes) + 1, _SIDE), dtype=np.uint8)
    # An entry without a code repeats the one before it. At the start, it repeats the first entry
    # with a code.
    current = next(iter(entries[0].values()))
    for row, found in enumerate(entries):
        for index in range(_SIDE):
            current = found.get(index, current)
            luts[row, index] = current
    for symbol, code in symbols:
        luts[-1, symbol] = code.bits
    return luts


def _pack_gaps(gaps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bits = (gaps[:, None] >> np.arange(_GAP_BITS - 1, -1, -1, dtype=np.uint8)) & 1
    return np.packbits(bits)


def _unpack_gaps(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bits = np.unpackbits(packed).reshape(-1, _GAP_BITS)
    gaps: NDArray[np.uint8] = np.packbits(bits, axis=1)[:, 0]
    gaps >>= 8 - _GAP_BITS
    return gaps


def _check_counts(counts: NDArray[np.int64]) -> None:
    elements = int(counts.sum())
    if elements == 0:
        raise ValueError("A module without elements cannot be compressed")
    if elements > _MAX_COUNT:
        raise UnrepresentableError(
            f"it has {elements} elements, and the published kernel counts up to {_MAX_COUNT}"
        )
    if counts[POINTER:].any():
        highest = int(np.flatnonzero(counts)[-1])
        raise UnrepresentableError(
            f"an exponent is {highest} ({'infinity or NaN' if highest == 255 else 'huge'}), and "
            f"the published layout can hold exponents up to {POINTER - 1}"
        )


def encode(weights: Sequence[Tensor]) -> Module:
    """Compress BF16 weights together, as the package's encoder does.

    The package's encoder fails for some inputs, for example if all weights are equal, or if there
    are only a few. This function encodes them, too, and the package's kernel decodes the result
    correctly. Raises TypeError for other types, ValueError if all weights are empty, and
    :class:`UnrepresentableError` if the layout cannot hold the weights.
    """
    if any(weight.dtype != torch.bfloat16 for weight in weights):
        came = ", ".join(sorted({str(weight.dtype) for weight in weights}))
        raise TypeError(f"The published layout holds only BF16 tensors, not {came}")
    counts = sum((symbol_counts(weight) for weight in weights), np.zeros(SYMBOLS, dtype=np.int64))
    _check_counts(counts)
    codes = bounded_huffman({int(e): int(counts[e]) for e in np.flatnonzero(counts)})
    luts = _tables(codes)
    values, bits = np.zeros(POINTER, dtype=np.int64), np.zeros(POINTER, dtype=np.int64)
    for exponent, code in codes.items():
        if exponent != END:
            bits[exponent], values[exponent] = code
    total = int(counts[:POINTER] @ bits)  # bits of the stream
    blocks = -(-total // BLOCK_BITS)
    if total > 8 * _MAX_COUNT:
        raise UnrepresentableError(
            f"its stream has {-(-total // 8)} bytes, and the published kernel counts up to "
            f"{_MAX_COUNT}"
        )
    combined = torch.cat([weight.detach().flatten() for weight in weights]).cpu()
    words = combined.view(torch.uint16).numpy()
    stream = np.zeros(-(-total // 8), dtype=np.uint8)
    gaps = np.zeros(blocks * THREADS_PER_BLOCK + 1, dtype=np.uint8)  # one spare
    positions = np.zeros(blocks + 1, dtype=np.uint32)
    end = codes[END]
    encode_stream(words, values, bits, end.value, end.bits, stream, gaps, positions)
    other = ((words >> 8) & 0x80 | (words & 0x7F)).astype(np.uint8)
    splits = np.cumsum([weight.numel() for weight in weights])[:-1]
    return Module(luts, stream, other, positions, _pack_gaps(gaps[:-1]), tuple(splits.tolist()))


def _checked_positions(module: Module) -> NDArray[np.uint32]:
    """The output positions, (blocks + 1,); CorruptError if parts contradict each other."""
    luts, positions = module.luts, module.output_positions
    elements = len(module.sign_mantissa)
    if luts.ndim != 2 or luts.shape[1] != _SIDE or not 2 <= len(luts) <= _MAX_TABLES + 1:
        raise CorruptError(f"luts must be 2 to {_MAX_TABLES + 1} rows of {_SIDE}, not {luts.shape}")
    if luts[-1].max() > LENGTH_LIMIT:
        raise CorruptError(
            f"luts say that a code has {luts[-1].max()} bits; {LENGTH_LIMIT} is the limit"
        )
    if luts[-1, POINTER:].any():
        raise CorruptError(
            f"it was made of weights with exponents from {POINTER} on (huge, infinite or NaN), "
            "which the published layout cannot hold: they are lost"
        )
    blocks = -(-8 * len(module.encoded_exponent) // BLOCK_BITS)
    if len(positions) == blocks and blocks > 1:
        # If no code starts in the last block, and the last code ends at the end of a byte, the
        # package does not store the output position of this block.
        positions = np.append(positions, positions[-1])
    if not blocks:
        raise CorruptError("the stream of the module is empty")
    if len(positions) != blocks + 1:
        raise CorruptError(
            f"{blocks} blocks need {blocks + 1} output positions, not {len(positions)}"
        )
    if 8 * len(module.gaps) != blocks * THREADS_PER_BLOCK * _GAP_BITS:
        size = blocks * THREADS_PER_BLOCK * _GAP_BITS // 8
        raise CorruptError(f"{blocks} blocks need {size} bytes of gaps, not {len(module.gaps)}")
    steps = np.diff(positions.astype(np.int64))
    if positions[0] or (steps < 0).any() or positions[-1] != elements:
        raise CorruptError("output positions must ascend from 0 to the number of elements")
    splits = [0, *module.split_positions, elements]
    if splits != sorted(splits):
        raise CorruptError(
            "split positions must be in ascending order, up to the number of elements"
        )
    return positions


def decode(module: Module) -> list[Tensor]:
    """The weights of a module: BF16 tensors of one dimension.

    Raises :class:`CorruptError` if parts do not match each other, or if the stream does not match
    the gaps and output positions. The layout has no checksum. So wrong bits of sign or mantissa are
    never detected, and wrong bits of the stream are not always detected.
    """
    positions = _checked_positions(module)
    blocks = len(positions) - 1
    gaps = _unpack_gaps(module.gaps)
    out = room(len(module.sign_mantissa), "u2")
    results = np.empty(blocks, dtype=np.uint8)

    def decode_range(first: int, last: int) -> None:
        decode_blocks(
            module.encoded_exponent, module.luts, gaps, positions,
            module.sign_mantissa, first, last, out, results,
        )  # fmt: skip

    over_ranges(decode_range, blocks)
    bad = np.flatnonzero(results != GOOD)
    if len(bad):
        raise CorruptError(f"block {bad[0]} of {blocks}: {_REASONS[int(results[bad[0]])]}")
    combined = torch.from_numpy(out).view(torch.bfloat16)
    return list(torch.tensor_split(combined, module.split_positions))
