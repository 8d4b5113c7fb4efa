"""Boolean functions of library cells: Liberty's expressions and their truth tables."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import permutations
from operator import and_, itemgetter, or_, xor
from typing import Any, NamedTuple

from halfbyte.base import UserError

__all__ = [
    "Sense",
    "canonical_table",
    "compiled",
    "literal",
    "normalized",
    "sense",
    "truth_table",
]

# Limits of an expression: its length in characters, and how deeply its brackets are nested.
MAX_LENGTH = 4000
MAX_DEPTH = 50
_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_\[\]]*|[01]|[!'()&*|+^])")
_OPERATORS = {"|": "|", "+": "|", "&": "&", "*": "&", "^": "^", "!": "!", "'": "'"}
# Operators from weak to strong. Two operands without an operator between them are ANDed (Liberty
# User Guide, "function").
_LEVELS = ("|", "&", "^")


class _Node(NamedTuple):
    """A part of an expression: ``kind`` is ``|``, ``&``, ``^``, ``!``, a pin or a constant."""

    kind: str
    operands: tuple["_Node", ...] = ()


def _tokens(expression: str) -> list[str]:
    text = expression.strip().strip('"').strip()
    if len(text) > MAX_LENGTH:
        raise UserError(
            f"Liberty function must have at most {MAX_LENGTH} characters, not {len(text)}: "
            f"{text[:40]!r}..."
        )
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UserError(f"{text[:80]!r} is not a valid Liberty function")
        tokens.append(match[1])
        position = match.end()
    return tokens


class _Parser:
    """A recursive-descent parser of a Boolean expression in Liberty's notation."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)[::-1]  # reversed: the next token is last

    def parse(self) -> _Node:
        node = self._binary(0, MAX_DEPTH)
        if self.tokens:
            raise self._error()
        return node

    def _error(self) -> UserError:
        return UserError(f"{self.expression[:80]!r} is not a valid Liberty function")

    def _next(self) -> str:
        """The next binary operator, which is ``&`` if an operand follows directly.

        Empty at the end of the expression, or of an expression in brackets.
        """
        if not self.tokens or self.tokens[-1] == ")":
            return ""
        return _OPERATORS.get(self.tokens[-1], "&").replace("!", "&")

    def _binary(self, level: int, depth: int) -> _Node:
        """Read operands that are joined by the operator ``_LEVELS[level]``.

        At most ``depth`` more brackets may be opened inside one another.
        """
        if level == len(_LEVELS):
            return self._unary(depth)
        operands = [self._binary(level + 1, depth)]
        while self._next() == _LEVELS[level]:
            if _OPERATORS.get(self.tokens[-1]) == _LEVELS[level]:
                self.tokens.pop()
            operands.append(self._binary(level + 1, depth))
        return operands[0] if len(operands) == 1 else _Node(_LEVELS[level], tuple(operands))

    def _unary(self, depth: int) -> _Node:
        """Read an operand with its inversions: ``!`` before it or ``'`` after it."""
        inversions = 0
        while self.tokens and self.tokens[-1] == "!":
            self.tokens.pop()
            inversions += 1
        node = self._atom(depth)
        while self.tokens and self.tokens[-1] == "'":
            self.tokens.pop()
            inversions += 1
        return _Node("!", (node,)) if inversions % 2 else node

    def _atom(self, depth: int) -> _Node:
        """Read a pin, a constant, or an expression in brackets."""
        token = self.tokens.pop() if self.tokens else ""
        if token == "(" and depth:
            node = self._binary(0, depth - 1)
            if not self.tokens or self.tokens.pop() != ")":
                raise self._error()
            return node
        if token in _OPERATORS or token in ("", "(", ")"):
            raise self._error()
        return _Node(token)


def _evaluate(node: _Node, columns: dict[str, int], ones: int) -> int:
    """The value of a node in every row of a truth table, one bit per row."""
    if not node.operands:
        if node.kind in ("0", "1"):
            return ones * int(node.kind)
        if node.kind not in columns:
            raise UserError(f"Liberty function names {node.kind!r}, which is not among the inputs")
        return columns[node.kind]
    first, *others = (_evaluate(operand, columns, ones) for operand in node.operands)
    if node.kind == "!":
        return first ^ ones
    for other in others:
        first = {"|": first | other, "&": first & other, "^": first ^ other}[node.kind]
    return first


def _write(node: _Node) -> str:
    """The expression of a node, as :func:`normalized` returns it."""
    if not node.operands:
        return node.kind
    inner = [
        f"({_write(operand)})" if operand.kind in _LEVELS else _write(operand)
        for operand in node.operands
    ]
    return f"!{inner[0]}" if node.kind == "!" else f" {node.kind} ".join(inner)


def truth_table(expression: str, inputs: Sequence[str]) -> int:
    """The function as an integer: bit ``row`` is its value where input ``i`` is ``row >> i & 1``.

    Raises UserError if ``expression`` is not a function of ``inputs``.
    """
    return _truth_table(expression, tuple(inputs))


@cache
def _truth_table(expression: str, inputs: tuple[str, ...]) -> int:
    rows = 2 ** len(inputs)
    columns = {
        name: sum(1 << row for row in range(rows) if row >> place & 1)
        for place, name in enumerate(inputs)
    }
    return _evaluate(_Parser(expression).parse(), columns, (1 << rows) - 1)


def compiled(
    expression: str, places: Mapping[str, int], ones: int
) -> Callable[[Sequence[Any]], Any]:
    """The expression as a function ``f(values)``; input ``name`` is ``values[places[name]]``.

    The function computes many cases at once, one in each bit of a value. A value is an integer or
    an array of unsigned integers. ``ones`` is the integer with all these bits set. Raises UserError
    if ``expression`` names an input that is not in ``places``, or is malformed.
    """
    return _compiled(_Parser(expression).parse(), places, ones)


def _compiled(node: _Node, places: Mapping[str, int], ones: int) -> Callable[[Sequence[Any]], Any]:
    if not node.operands:
        if node.kind in ("0", "1"):
            constant = ones * int(node.kind)
            return lambda values: constant
        if node.kind not in places:
            raise UserError(f"Liberty function names {node.kind!r}, which is not among the inputs")
        return itemgetter(places[node.kind])
    first, *others = (_compiled(operand, places, ones) for operand in node.operands)
    if node.kind == "!":
        return lambda values: first(values) ^ ones
    combine = {"|": or_, "&": and_, "^": xor}[node.kind]
    for other in others:
        first = _binary(combine, first, other)
    return first


def _binary(
    combine: Callable[[Any, Any], Any],
    left: Callable[[Sequence[Any]], Any],
    right: Callable[[Sequence[Any]], Any],
) -> Callable[[Sequence[Any]], Any]:
    """A function that combines the results of two others."""
    return lambda values: combine(left(values), right(values))


def normalized(expression: str) -> str:
    """The expression in one notation: operators ``! & | ^``, and brackets around inner operations.

    Tools disagree on the precedence of ``^``; with these brackets the precedence does not matter.
    Raises UserError for a malformed expression.
    """
    return _write(_Parser(expression).parse())


def literal(expression: str) -> tuple[str, bool] | None:
    """``(pin, whether inverted)`` if the expression is a single pin or its inverse; else None."""
    try:
        node = _Parser(expression).parse()
    except UserError:
        return None
    inverted = False
    while node.kind == "!":
        (node,) = node.operands
        inverted = not inverted
    return None if node.operands or node.kind in ("0", "1") else (node.kind, inverted)


class Sense(NamedTuple):
    """Whether a rising input can make the output rise, and whether it can make it fall."""

    rising: bool
    falling: bool


def sense(table: int, inputs: int, place: int) -> Sense:
    """The sense of the input at ``place`` in a function with ``inputs`` inputs."""
    rows = [row for row in range(2**inputs) if not row >> place & 1]
    steps = {(table >> (row | 1 << place) & 1) - (table >> row & 1) for row in rows}
    return Sense(1 in steps, -1 in steps)


def canonical_table(table: int, inputs: int) -> tuple[int, int]:
    """``(inputs, table)``, where ``table`` is the smallest truth table over all input orders.

    So functions that differ only by the order of their inputs give the same pair.
    """
    rows = range(2**inputs)
    tables = (
        sum(
            (table >> sum((row >> place & 1) << order[place] for place in range(inputs)) & 1) << row
            for row in rows
        )
        for order in permutations(range(inputs))
    )
    return inputs, min(tables)
