"""Chooses which bits of an element layout 2 codes as a symbol, and makes the symbol table.

A symbol is the exponent with the upper bits of the mantissa, or all bits of 8-bit types. The rows
of a table are for neighbouring symbols, from a base on. Each row has a frequency out of 4096. The
last row may be the escape, which stands for all symbols without a row. Range coders turn rows into
bits (``native/joint_coders.h``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_WIDTH",
    "SCALE",
    "SCALE_BITS",
    "Fields",
    "SymbolTable",
    "choose",
    "entropy",
    "order_0",
    "widest",
]

SCALE_BITS = 12
SCALE = 1 << SCALE_BITS
"""Sum of a table's frequencies."""
MAX_ROWS = 256
MAX_WIDTH = 11
"""Bits of the longest symbol. 2048 counters fit the first-level cache."""
_ESCAPED_BITS = 16
_EXPONENT_BITS = {"BF16": 8, "F16": 5, "F32": 8}
# Shares to try. The table goes from the first to the last symbol that has more than such a share of
# all elements. Symbols outside of the table use the escape. The share that gives the lowest cost is
# used.
_RARE = (0.0, 2.0**-20, 2.0**-17, 2.0**-14)


@dataclass(frozen=True)
class Fields:
    """How an element's bits are split.

    Parameters
    ----------
    bits : int
        Bits of an element: 8, 16 or 32.
    width, shift : int
        Bits of the symbol, and the position of its lowest bit. The other bits are stored as they
        are (*raw*), except low bits that are zero in whole blocks.

    Raises
    ------
    ValueError
        The symbol does not fit in the element, or more bits stay raw than the loops can handle.
    """

    bits: int
    width: int
    shift: int

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH or self.shift + self.width > self.bits:
            raise ValueError("the symbol does not fit in the element")
        # A load of 64 bits begins at a whole byte, so up to 7 bits early. It must hold the raw bits
        # of 64 // bits elements.
        if self.raw_bits * (64 // self.bits) + 7 > 64:
            raise ValueError("too many bits of the element are outside the symbol")

    @property
    def raw_bits(self) -> int:
        """Bits of an element outside the symbol."""
        return self.bits - self.width


@dataclass(frozen=True)
class SymbolTable:
    """Rows and their frequencies.

    Parameters
    ----------
    base : int
        Symbol of the first row.
    frequencies : tuple of int
        By row, out of :data:`SCALE`; 0 for symbols that do not occur.
    escape : bool
        Whether the last row stands for all symbols without a row.

    Raises
    ------
    ValueError
        The base or a frequency is negative, the number of frequencies is not 1 to 256, or their sum
        is not :data:`SCALE`.
    """

    base: int
    frequencies: tuple[int, ...]
    escape: bool

    def __post_init__(self) -> None:
        if not 1 <= len(self.frequencies) <= MAX_ROWS:
            raise ValueError(f"a table must have 1 to {MAX_ROWS} rows, not {len(self.frequencies)}")
        if self.base < 0:
            raise ValueError(f"the first symbol of a table must be at least 0, not {self.base}")
        if sum(self.frequencies) != SCALE or min(self.frequencies) < 0:
            raise ValueError(f"the frequencies of the table do not sum to {SCALE}")

    @cached_property
    def slots(self) -> NDArray[np.uint32]:
        """(4096,), indexed by the low 12 bits of a coder's state: a row, and a place in the row.

        Bits: ``[31:24] row, [23:12] frequency - 1, [11:0] place``. A row has as many places as its
        frequency says.
        """
        found = np.zeros(SCALE, dtype=np.uint32)
        start = 0
        for row, frequency in enumerate(self.frequencies):
            places = np.arange(frequency, dtype=np.uint32)
            found[start : start + frequency] = places | (max(frequency, 1) - 1) << 12 | row << 24
            start += frequency
        return found

    @cached_property
    def array(self) -> NDArray[np.uint16]:
        """(rows,): the frequencies."""
        return np.array(self.frequencies, dtype=np.uint16)

    def to_bytes(self) -> bytes:
        """The frequencies in one or two bytes each: the low seven bits, then the others.

        Bit 7 of the first byte is 1 if there is a second byte.
        """
        raw = bytearray()
        for frequency in self.frequencies:
            if frequency > 0x7F:
                raw.append(0x80 | frequency & 0x7F)
            raw.append(frequency >> 7 if frequency > 0x7F else frequency)
        return bytes(raw)

    @classmethod
    def from_bytes(
        cls, data: bytes, base: int, rows: int, escape: bool
    ) -> tuple["SymbolTable", int]:
        """Read what :meth:`to_bytes` wrote; return the table, and how many bytes were read.

        Raises ValueError if the bytes are not a table.
        """
        found: list[int] = []
        place = 0
        while len(found) < rows:
            if place + 2 > len(data) and (place == len(data) or data[place] & 0x80):
                raise ValueError("the table is cut off")
            low = data[place]
            high = data[place + 1] if low & 0x80 else 0
            found.append(low & 0x7F | high << 7)
            place += 2 if low & 0x80 else 1
        return cls(base, tuple(found), escape), place

    def cost(self, counts: NDArray[np.int64]) -> float:
        """Bits of all symbols that occur ``counts`` times, and of the table."""
        rows = np.array(self.frequencies, dtype=np.float64)
        inside = counts[self.base : self.base + len(rows) - self.escape]
        outside = int(counts.sum() - inside.sum())
        used = inside > 0
        coded = float((inside[used] * (SCALE_BITS - np.log2(rows[: len(inside)][used]))).sum())
        if self.escape:
            coded += outside * (SCALE_BITS - float(np.log2(rows[-1])) + _ESCAPED_BITS)
        return coded + 8 * len(self.to_bytes())


def _quantized(counts: NDArray[np.int64]) -> tuple[int, ...]:
    """Frequencies that sum to SCALE, in proportion to ``counts``; 0 only for counts of 0."""
    shares = counts * (SCALE / counts.sum())
    found = np.where(counts > 0, np.maximum(1, np.rint(shares)), 0).astype(np.int64)
    left = SCALE - int(found.sum())
    while left:
        step = 1 if left > 0 else -1
        # Correct the sum where a change by one costs the fewest bits.
        able = found > 1 if step < 0 else counts > 0
        change = np.full(len(found), -np.inf)
        change[able] = counts[able] * np.log2((found[able] + step) / found[able])
        order = np.argsort(-change, kind="stable")[: max(1, abs(left) // 4)]
        order = order[able[order]]
        found[order] += step
        left -= step * len(order)
    return tuple(int(each) for each in found)


def _table(counts: NDArray[np.int64], rare: float) -> SymbolTable:
    """The table from the first to the last symbol whose share is more than ``rare``.

    If these are too many symbols, the table has the 255 neighbours that together occur most.
    """
    often = np.flatnonzero(counts > rare * counts.sum())
    first, last = int(often[0]), int(often[-1]) + 1
    if last - first > MAX_ROWS - 1 and not last - first == len(counts) == MAX_ROWS:
        sums = np.cumsum(np.concatenate([[0], counts]))
        most = MAX_ROWS - 1
        first = int(np.argmax(sums[most:] - sums[:-most]))
        last = first + most
    outside = int(counts[:first].sum() + counts[last:].sum())
    inside = counts[first:last]
    if not outside:
        return SymbolTable(first, _quantized(inside), False)
    if last == len(counts):  # base + rows, with the escape's, must not exceed len(counts)
        first, last = max(first - 1, 0), last - 1
        inside = counts[first:last]
        outside = int(counts.sum() - inside.sum())
    return SymbolTable(first, _quantized(np.append(inside, outside)), True)


def widest(kind: str, bits: int) -> Fields:
    """The fields with as many mantissa bits in the symbol as :data:`MAX_WIDTH` allows."""
    if kind not in _EXPONENT_BITS:
        return Fields(bits, bits, 0)
    width = min(MAX_WIDTH, _EXPONENT_BITS[kind] + 3 if bits > 16 or kind == "BF16" else MAX_WIDTH)
    return Fields(bits, width, bits - 1 - width)


def _candidates(
    kind: str, most: Fields, counts: NDArray[np.int64]
) -> Iterator[tuple[Fields, NDArray[np.int64]]]:
    """Fields with fewer and fewer mantissa bits, each with the counts of its symbols."""
    yield most, counts
    for width in range(most.width - 1, _EXPONENT_BITS.get(kind, most.width) - 1, -1):
        counts = counts.reshape(-1, 2).sum(axis=1)
        yield Fields(most.bits, width, most.bits - 1 - width), counts


def order_0(counts: NDArray[np.int64]) -> float:
    """The entropy, in bits per symbol, of independent symbols that occur ``counts`` times."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0  # no negative zero


def entropy(counts: NDArray[np.int64]) -> float:
    """Bits of all symbols together, plus those of their table, estimated at 11 bits a row."""
    used = counts[counts > 0]
    return float((used * np.log2(used.sum() / used)).sum()) + 11.0 * len(used)


def choose(
    kind: str, most: Fields, counts: NDArray[np.int64], zeros: int = 0
) -> tuple[Fields, SymbolTable, float]:
    """The cheapest fields and table, and how many bits the elements then cost.

    Parameters
    ----------
    kind : str
        Element type, by its name in safetensors.
    most : Fields
        The result of :func:`widest`.
    counts : array
        (2^width,) int64, for the symbols of ``most``.
    zeros : int
        How many low bits are zero in all elements. They cost nothing.
    """
    total = int(counts.sum())
    options = list(_candidates(kind, most, counts))
    fields, found = min(
        options, key=lambda each: entropy(each[1]) + total * max(each[0].shift - zeros, 0)
    )
    tables = [_table(found, rare) for rare in _RARE]
    best = min(dict.fromkeys(tables), key=lambda table: table.cost(found))
    return fields, best, best.cost(found) + total * (fields.raw_bits - min(zeros, fields.shift))
