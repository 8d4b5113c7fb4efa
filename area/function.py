"""Boolean functions of library cells: Liberty's expressions and their truth tables."""

import re
from collections.abc import Sequence
from itertools import permutations

from halfbyte.base import UserError

__all__ = ["canonical_table", "normalised", "truth_table"]

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_\[\]]*|[01]|[!'()&*|+^])")


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    text = expression.strip().strip('"').strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UserError(f"Not a Liberty function: {expression[:80]!r}")
        tokens.append(match[1])
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent; each level gives an integer that holds one bit per input row.

    Precedence from strong to weak: ``!`` and ``'``, ``^``, ``&`` (also ``*`` and juxtaposition),
    ``|`` (also ``+``): Liberty User Guide, "function" attribute.
    """

    def __init__(self, expression: str, inputs: Sequence[str]) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        rows = 2 ** len(inputs)
        self.ones = (1 << rows) - 1
        self.columns = {
            name: sum(1 << row for row in range(rows) if row >> place & 1)
            for place, name in enumerate(inputs)
        }

    def parse(self) -> int:
        table = self._or()
        if self.tokens:
            self._fail()
        return table

    def _fail(self) -> None:
        raise UserError(f"Not a Liberty function: {self.expression[:80]!r}")

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _or(self) -> int:
        table = self._and()
        while self._next() in ("|", "+"):
            self.tokens.pop(0)
            table |= self._and()
        return table

    def _and(self) -> int:
        table = self._xor()
        while self._next() not in ("", ")", "|", "+"):
            if self._next() in ("&", "*"):
                self.tokens.pop(0)
            table &= self._xor()
        return table

    def _xor(self) -> int:
        table = self._unary()
        while self._next() == "^":
            self.tokens.pop(0)
            table ^= self._unary()
        return table

    def _unary(self) -> int:
        if self._next() == "!":
            self.tokens.pop(0)
            return self.ones ^ self._unary()
        table = self._atom()
        while self._next() == "'":
            self.tokens.pop(0)
            table ^= self.ones
        return table

    def _atom(self) -> int:
        token = self.tokens.pop(0) if self.tokens else ""
        if token == "(":
            table = self._or()
            if self._next() != ")":
                self._fail()
            self.tokens.pop(0)
            return table
        if token in ("0", "1"):
            return self.ones if token == "1" else 0
        if token not in self.columns:
            self._fail()
        return self.columns[token]


def truth_table(expression: str, inputs: Sequence[str]) -> int:
    """The function as an integer: bit ``row`` is its value where input ``i`` is ``row >> i & 1``.

    Raises UserError if ``expression`` is no function of ``inputs``.
    """
    return _Parser(expression, inputs).parse()


def normalised(expression: str) -> str:
    """The expression with one spelling of the operators and single spaces."""
    return " ".join(_tokens(expression))


def canonical_table(table: int, inputs: int) -> tuple[int, int]:
    """``(inputs, table)``, equal for functions that differ by a permutation of inputs only."""
    rows = range(2**inputs)
    tables = (
        sum(
            (table >> sum((row >> place & 1) << order[place] for place in range(inputs)) & 1) << row
            for row in rows
        )
        for order in permutations(range(inputs))
    )
    return inputs, min(tables)
