"""Runs the loops of layout 1, in C++ if they can be compiled here, else in numba.

The loops in both languages give the same results. The arguments are those of
:mod:`halfbyte.golden.dfloat11.kernels`, which also says what chunks and segments are. A range
``first`` up to ``last`` does not include ``last``. All arrays are contiguous.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.golden.dfloat11 import kernels
from halfbyte.golden.dfloat11.code_table import CodeTable
from halfbyte.golden.dfloat11.native import address, library

__all__ = ["count_symbols", "crc32c", "decode_chunks", "encode_chunks", "measure_chunks"]

_Array = NDArray[Any]


def crc32c(data: _Array) -> int:
    """CRC-32C of bytes (uint8); 0 if empty."""
    native = library()
    if native is None:
        return int(kernels.crc32c(data, 0, len(data)))
    return int(native.hb_crc32c(address(data), len(data)))


def count_symbols(words: _Array, shift: int, first: int, last: int) -> NDArray[np.int64]:
    """(256,): how often each symbol occurs in elements ``first`` up to ``last``."""
    native = library()
    if native is None:
        several = np.zeros((kernels.COUNTERS, 256), dtype=np.int64)
        kernels.count_symbols(words, shift, first, last, several)
        total: NDArray[np.int64] = several.sum(axis=0)
        return total
    counts = np.zeros(256, dtype=np.int64)
    native.hb_count(address(words), shift, first, last, address(counts))
    return counts


def measure_chunks(
    words: _Array, shift: int, table: CodeTable, first: int, last: int, lengths: _Array
) -> None:
    """Write to ``lengths`` how many bits each segment of chunks ``first`` up to ``last`` has."""
    native = library()
    if native is None:
        kernels.measure_chunks(words, shift, table.encoder[1], first, last, lengths)
        return
    code = table.words
    native.hb_prefix_measure(
        address(words), shift, address(code), len(words), first, last, address(lengths)
    )


def encode_chunks(
    words: _Array,
    shift: int,
    table: CodeTable,
    first: int,
    last: int,
    starts: _Array,
    lengths: _Array,
    stream: _Array,
    raw: _Array,
    crcs: _Array,
) -> None:
    """Write the streams, raw bytes and CRCs of chunks ``first`` up to ``last``."""
    native = library()
    if native is None:
        values, bits = table.encoder
        kernels.encode_chunks(
            words, shift, values, bits, first, last, starts, lengths, stream, raw, crcs
        )
        return
    code = table.words
    native.hb_prefix_encode(
        address(words), shift, address(code), len(words), first, last, address(starts),
        address(lengths), address(stream), address(raw), address(crcs),
    )  # fmt: skip


def decode_chunks(
    stream: _Array,
    raw: _Array,
    table: CodeTable,
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
    """Decode chunks ``first`` up to ``last`` to ``out``; ``results`` gets the result of each."""
    native = library()
    if native is None:
        kernels.decode_chunks(
            stream, raw, table.lookup, table.max_length, shift, starts, lengths, crcs,
            first, last, check, out, results,
        )  # fmt: skip
        return
    native.hb_prefix_decode(
        address(stream), address(raw), address(table.lookup), table.max_length,
        address(table.several), shift, address(starts), len(stream) // 4, address(lengths),
        address(crcs), first, last, check, len(out), address(out), address(results),
    )  # fmt: skip
