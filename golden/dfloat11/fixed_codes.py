"""Eight codes for the exponents of BF16 weights that a decoder knows without being told a table.

Trained weights differ in scale, but hardly in shape: below the most common exponent each next one
is about half as frequent, and above it there are two, seldom three. So a code counts down from a
highest exponent, which is all that is chosen freely. Of the shape, three bits say the rest: whether
the first lengths are 2, 2, 2, 3 or, flat, 2, 2, 3, 3, 3, and how late the highest exponent has its
turn, in a code of 4 to 7 bits.

Every such code is a code table like any other (:class:`CodeTable`), so that every reader of the
layout decodes it. ``rtl.dfloat11.fixed`` decodes it without the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from halfbyte.golden.checks import check_integer
from halfbyte.golden.dfloat11.code_table import ESCAPE, ESCAPED_BITS, SYMBOLS, CodeTable

__all__ = ["FIXED_CODES", "FixedCode"]

FIXED_CODES = 8
_ONES = 8  # of a code that goes on with a rest
_FIRST_TURN = 4  # bits of the highest exponent's code, if its turn is early
# Lengths of the ranks that come first; from then on each next one is a bit longer.
_FIRST_LENGTHS = {False: (2, 2, 2), True: (2, 2, 3, 3)}
# Steps below the highest exponent, in the order of the codes: of the ranks that come first.
_FIRST_STEPS = {False: (2, 3, 1), True: (2, 3, 1, 4)}
# Lengths of what comes behind eight ones: two exponents further down, the one above the highest,
# two further down again; and of the escape.
_REST = (2, 2, 2, 3, 4)
_REST_ESCAPE = 4


@dataclass(frozen=True)
class FixedCode:
    """One of the eight codes, at a highest exponent.

    Parameters
    ----------
    number : int
        0 to 7: bits 1 and 0 say how late the highest exponent has its turn, bit 2 is the flat
        shape.
    highest : int
        The highest exponent but for the one above it, 0 to 255. Exponents below 0 are those
        from 255 on.

    Raises
    ------
    TypeError, ValueError
        No such number or exponent.
    """

    number: int
    highest: int

    def __post_init__(self) -> None:
        check_integer("number", self.number, 0, FIXED_CODES - 1)
        check_integer("highest", self.highest, 0, SYMBOLS - 1)

    @cached_property
    def lengths(self) -> dict[int, int]:
        """Bits of a code by steps below the highest exponent; -1 is the one above it."""
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
        """Bits of the stream for exponents that occur ``counts`` times ((256,))."""
        escaped = _ONES + _REST_ESCAPE + ESCAPED_BITS
        saved = sum(
            (escaped - length) * int(counts[(self.highest - step) % SYMBOLS])
            for step, length in self.lengths.items()
        )
        return sum(map(int, counts)) * escaped - saved

    @classmethod
    def best(cls, counts: Sequence[int]) -> "FixedCode":
        """The code with the shortest stream for exponents that occur ``counts`` times ((256,))."""
        # No other highest exponent gives a common exponent a short code.
        common = max(range(SYMBOLS), key=lambda symbol: counts[symbol])
        candidates = (
            cls(number, (common + above) % SYMBOLS)
            for number in range(FIXED_CODES)
            for above in range(-1, 6)
        )
        return min(candidates, key=lambda code: code.bits(counts))

    @classmethod
    def of(cls, table: CodeTable) -> "FixedCode | None":
        """The fixed code that ``table`` is; None if it is another one."""
        if len(table.rows) < 3:
            return None
        # The third row of any fixed code is one step below the highest exponent.
        highest = (table.rows[2] + 1) % SYMBOLS
        candidates = (cls(number, highest) for number in range(FIXED_CODES))
        return next((code for code in candidates if code.table == table), None)
