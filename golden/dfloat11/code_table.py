"""Makes code tables, which say which symbols have a code of their own, and what the codes are.

A symbol is the coded part of an element: the exponent of a BF16 number, for example. A *row* of a
table holds a symbol and its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from halfbyte.golden.dfloat11.native import address, library
from halfbyte.golden.dfloat11.package_merge import canonical_codes, code_lengths

__all__ = ["ESCAPE", "ESCAPED_BITS", "LENGTH_LIMIT", "SYMBOLS", "CodeTable"]

SYMBOLS = 256
ESCAPE = 256
"""Stands for the *escape*, a row for all symbols that have no row of their own. Such a symbol is
written as the escape's code, followed by the eight bits of the symbol."""
ESCAPED_BITS = 8
LENGTH_LIMIT = 12
"""The most bits of a code. With this limit, twelve comparators find the length of a code, and a
look-up table has 4096 entries. On normally distributed weights, the limit costs less than 0.003
bits per weight."""
_NO_ESCAPE = 0xFFFF  # stored in place of the escape's row if there is none


@dataclass(frozen=True)
class CodeTable:
    """A canonical prefix code: the lengths determine the codes.

    Parameters
    ----------
    rows : tuple of int
        Symbols (0 to 255, or :data:`ESCAPE`) in the order of their codes.
    lengths : tuple of int
        Bits of each code, 1 to :data:`LENGTH_LIMIT`, ascending.

    Raises
    ------
    ValueError
        ``rows`` is empty, ``rows`` and ``lengths`` differ in length, a symbol occurs twice, or
        the lengths are out of range, do not ascend or do not make a complete prefix code. A single
        row with a code of one bit is allowed, although this code is not complete.
    """

    rows: tuple[int, ...]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("a code table needs at least one row")
        if len(self.rows) != len(self.lengths):
            raise ValueError(
                f"a code table needs a length for every row, not {len(self.lengths)} lengths for "
                f"{len(self.rows)} rows"
            )
        if len(set(self.rows)) != len(self.rows):
            raise ValueError("a symbol has two codes")
        if list(self.lengths) != sorted(self.lengths):
            raise ValueError("code lengths must ascend")
        if not 1 <= self.lengths[0] <= self.lengths[-1] <= LENGTH_LIMIT:
            raise ValueError(f"code lengths must be 1 to {LENGTH_LIMIT}")
        room = sum(1 << (LENGTH_LIMIT - length) for length in self.lengths)  # Kraft's sum
        if room != 1 << LENGTH_LIMIT and self.lengths != (1,):
            state = "not prefix-free" if room > 1 << LENGTH_LIMIT else "not complete"
            raise ValueError(f"the code is {state}")

    @classmethod
    def from_counts(
        cls, counts: Sequence[int], *, max_rows: int = SYMBOLS, max_length: int = LENGTH_LIMIT
    ) -> "CodeTable":
        """The shortest code for symbols that occur ``counts`` times, in at most ``max_rows`` rows.

        If more symbols occur, the rarest share the escape. Raises UserError if ``max_length`` bits
        are too few for the rows. At least one count must be positive.
        """
        present = [symbol for symbol, count in enumerate(counts) if count]
        weights = {symbol: int(counts[symbol]) for symbol in present}
        if len(present) > max_rows:
            present.sort(key=lambda symbol: (-counts[symbol], symbol))
            rare = present[max_rows - 1 :]
            weights = {symbol: int(counts[symbol]) for symbol in sorted(present[: max_rows - 1])}
            weights[ESCAPE] = sum(int(counts[symbol]) for symbol in rare)
        lengths = code_lengths(list(weights.values()), max_length)
        ordered = sorted(zip(lengths, weights, strict=True))
        return cls(tuple(row for _, row in ordered), tuple(length for length, _ in ordered))

    @property
    def max_length(self) -> int:
        """Bits of the longest code, without the symbol after an escape."""
        return self.lengths[-1]

    @cached_property
    def codes(self) -> tuple[int, ...]:
        """Value of each row's code, its first bit most significant."""
        return tuple(canonical_codes(self.lengths))

    @cached_property
    def encoder(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Two arrays, (256,), indexed by symbol: the bits to write, and how many they are.

        A symbol without a row is written as the escape's code and its own eight bits. The number of
        bits is 0 if the table has no code for the symbol and no escape.
        """
        values = np.zeros(SYMBOLS, dtype=np.int64)
        bits = np.zeros(SYMBOLS, dtype=np.int64)
        if ESCAPE in self.rows:
            row = self.rows.index(ESCAPE)
            values[:] = (self.codes[row] << ESCAPED_BITS) | np.arange(SYMBOLS)
            bits[:] = self.lengths[row] + ESCAPED_BITS
        for symbol, code, length in zip(self.rows, self.codes, self.lengths, strict=True):
            if symbol != ESCAPE:
                values[symbol], bits[symbol] = code, length
        return values, bits

    @cached_property
    def lookup(self) -> NDArray[np.uint16]:
        """(2^max_length,), indexed by the next bits of a stream: ``symbol + 512 * length``.

        The symbol may be :data:`ESCAPE`. The entry is 0 if the bits do not begin with a code.
        """
        table = np.zeros(1 << self.max_length, dtype=np.uint16)
        for symbol, code, length in zip(self.rows, self.codes, self.lengths, strict=True):
            spare = self.max_length - length
            table[code << spare : (code + 1) << spare] = symbol + 512 * length
        return table

    @cached_property
    def words(self) -> NDArray[np.uint32]:
        """(256, 2): the arrays of :attr:`encoder` side by side, for the loops in C++."""
        return np.ascontiguousarray(np.stack(self.encoder, axis=1).astype(np.uint32))

    @cached_property
    def several(self) -> NDArray[np.uint8]:
        """(4096, 6), indexed by the next 12 bits: what the C++ loops decode in one step.

        An entry is the structure ``Several`` in ``prefix.h``. Without a C++ compiler, all entries
        are 0.
        """
        table = np.zeros((1 << LENGTH_LIMIT, 6), dtype=np.uint8)
        native = library()
        if native is not None:
            native.hb_prefix_table(address(self.lookup), self.max_length, address(table))
        return table

    def to_bytes(self) -> bytes:
        """The table as bytes, little-endian.

        First come 14 numbers of 16 bits: the number of rows, the escape's row (65535 without an
        escape), and how many codes have 1, 2, ... 12 bits. Then each row has one byte: its symbol,
        or 0 in the escape's row.
        """
        escape = self.rows.index(ESCAPE) if ESCAPE in self.rows else _NO_ESCAPE
        per_length = [self.lengths.count(length) for length in range(1, LENGTH_LIMIT + 1)]
        head = np.array([len(self.rows), escape, *per_length], dtype="<u2").tobytes()
        return head + bytes(0 if row == ESCAPE else row for row in self.rows)

    @property
    def numbers(self) -> list[int]:
        """The numbers that :meth:`to_bytes` writes; the hardware loads them in this order."""
        data = self.to_bytes()
        head = len(data) - len(self.rows)
        return [*np.frombuffer(data[:head], dtype="<u2").tolist(), *data[head:]]

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple["CodeTable", int]:
        """Read what :meth:`to_bytes` wrote; return the table, and how many bytes were read.

        Raises ValueError if the bytes are not a code table.
        """
        head_bytes = 2 * (2 + LENGTH_LIMIT)
        if len(data) < head_bytes:
            raise ValueError("the code table is cut off")
        count, escape, *per_length = np.frombuffer(data[:head_bytes], dtype="<u2").tolist()
        if sum(per_length) != count:
            raise ValueError(f"the code table has {count} rows, but {sum(per_length)} lengths")
        if not 1 <= count <= SYMBOLS + 1:
            raise ValueError(f"the code table must have 1 to {SYMBOLS + 1} rows, not {count}")
        end = head_bytes + count
        rows = list(data[head_bytes:end])
        if len(rows) != count:
            raise ValueError("the code table is cut off")
        if escape != _NO_ESCAPE:
            if escape >= count or rows[escape]:
                raise ValueError(
                    f"the escape must have a row below {count} with the symbol 0, not row {escape}"
                )
            rows[escape] = ESCAPE
        lengths = [n for n, times in enumerate(per_length, start=1) for _ in range(times)]
        return cls(tuple(rows), tuple(lengths)), end
