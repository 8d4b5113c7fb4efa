"""Defines eight fixed codes for exponents of BF16 weights; a decoder needs no table for them.

Trained weights differ in scale, but hardly in the shape of their distribution. Below the most
common exponent, each exponent is about half as frequent as the next higher one. Above the most
common exponent, only two exponents occur, rarely three. So a code counts down from its *highest*
exponent, which can be any exponent. Three bits give the shape of the code. One of them selects how
the lengths of the codes begin: with 2, 2, 2, 3, or in the *flat* shape with 2, 2, 3, 3, 3. The
other two select the length of the highest exponent's code: 4, 5, 6 or 7 bits. All exponents without
a code share the *escape*, which is followed by the exponent itself.

Each code is also a code table (:class:`CodeTable`), so every reader of layout 1 decodes it.
``rtl.dfloat11.fixed`` decodes it without the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from halfbyte.golden.checks import check_integer
from halfbyte.golden.dfloat11.code_table import ESCAPE, ESCAPED_BITS, SYMBOLS, CodeTable

__all__ = ["FIXED_CODES", "FixedCode"]

FIXED_CODES = 8
_ONES = 8  # A code that starts with eight ones has a second part.
_FIRST_TURN = 4  # least length of the highest exponent's code
# Lengths of the first codes, without and with the flat shape. The codes after them have 3 to 8
# bits.
_FIRST_LENGTHS = {False: (2, 2, 2), True: (2, 2, 3, 3)}
# How far the exponents of these codes are below the highest exponent.
_FIRST_STEPS = {False: (2, 3, 1), True: (2, 3, 1, 4)}
# Lengths of the second parts after eight ones: for the next two lower exponents, for the exponent
# above the highest, for two more lower exponents, and for the escape.
_REST = (2, 2, 2, 3, 4)
_REST_ESCAPE = 4


@dataclass(frozen=True)
class FixedCode:
    """One of the eight codes, with the exponent from which it counts down.

    Parameters
    ----------
    number : int
        0 to 7. Bits 1 and 0 hold the length of the highest exponent's code, minus 4. Bit 2 selects
        the flat shape.
    highest : int
        The exponent from which the code counts down, 0 to 255. One exponent above it also has a
        code. Exponents wrap around: 0 follows 255.

    Raises
    ------
    TypeError, ValueError
        The number or the exponent is out of range.
    """

    number: int
    highest: int

    def __post_init__(self) -> None:
        check_integer("number", self.number, 0, FIXED_CODES - 1)
        check_integer("highest", self.highest, 0, SYMBOLS - 1)

    @cached_property
    def lengths(self) -> dict[int, int]:
        """Bits of each code. The key says how far its exponent is below the highest one.

        The key is -1 for the exponent above the highest.
        """
        is_flat = self.number >= FIXED_CODES // 2
        turn = _FIRST_TURN + self.number % (FIXED_CODES // 2)
        steps = list(_FIRST_STEPS[is_flat])
        lengths = dict(zip(steps, _FIRST_LENGTHS[is_flat], strict=True))
        below = len(steps) + 1
        for length in range(3, _ONES + 1):
            lengths[0 if length == turn else below] = length
            below += length != turn
        rest = (below, below + 1, -1, below + 2, below + 3)
        return lengths | {step: _ONES + bits for step, bits in zip(rest, _REST, strict=True)}

    @cached_property
    def table(self) -> CodeTable:
        """The code as a table."""
        rows = [(self.highest - step) % SYMBOLS for step in self.lengths]
        return CodeTable((*rows, ESCAPE), (*self.lengths.values(), _ONES + _REST_ESCAPE))

    @property
    def of_zeros(self) -> int:
        """The exponent whose code is 00."""
        return self.table.rows[0]

    def bits(self, counts: Sequence[int]) -> int:
        """Bits of the stream for exponents that occur ``counts`` times, (256,)."""
        escaped = _ONES + _REST_ESCAPE + ESCAPED_BITS
        saved = sum(
            (escaped - length) * int(counts[(self.highest - step) % SYMBOLS])
            for step, length in self.lengths.items()
        )
        return sum(map(int, counts)) * escaped - saved

    @classmethod
    def best(cls, counts: Sequence[int]) -> "FixedCode":
        """The code with the shortest stream for exponents that occur ``counts`` times, (256,)."""
        # Tries highest exponents from 1 below to 5 above the most common exponent. With any other
        # highest exponent, frequent exponents would have long codes.
        common = max(range(SYMBOLS), key=lambda symbol: counts[symbol])
        candidates = (
            cls(number, (common + above) % SYMBOLS)
            for number in range(FIXED_CODES)
            for above in range(-1, 6)
        )
        return min(candidates, key=lambda code: code.bits(counts))

    @classmethod
    def of(cls, table: CodeTable) -> "FixedCode | None":
        """The fixed code that ``table`` holds; None if it holds another code."""
        if len(table.rows) < 3:
            return None
        # The third row of any fixed code holds the exponent just below the highest one.
        highest = (table.rows[2] + 1) % SYMBOLS
        candidates = (cls(number, highest) for number in range(FIXED_CODES))
        return next((code for code in candidates if code.table == table), None)
