"""And-inverter graphs: logic made of two-input ANDs and inversions, where equal ANDs are shared."""

from collections.abc import Mapping, Sequence

__all__ = ["FALSE", "TRUE", "Aig"]

FALSE, TRUE = 0, 1


class Aig:
    """Logic over variables, as a list of numbered nodes.

    A *literal* stands for a node or its inverse: it is ``2 * node``, plus 1 for the inverse. The
    methods that build logic take and return literals. Node 0 is the constant false, so the literals
    0 and 1 are false and true. Any other node is a variable, the AND of two literals (its fan-ins),
    or a *table*. A table is a function of some variables, the bits of the operands' codes, and is
    stored as one bit for each combination of their values. Fan-ins have smaller node numbers than
    their AND.
    """

    def __init__(self) -> None:
        self.ands: list[tuple[int, int] | None] = [None]
        self.tables: dict[int, int] = {}
        self.variables: list[int] = []
        self._built: dict[tuple[int, int], int] = {}
        self._tabled: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.ands)

    def _node(self, fanins: tuple[int, int] | None = None) -> int:
        self.ands.append(fanins)
        return 2 * (len(self.ands) - 1)

    def variable(self) -> int:
        """The literal of a new variable."""
        literal = self._node()
        self.variables.append(literal // 2)
        return literal

    def word(self, width: int) -> list[int]:
        """The literals of ``width`` new variables, the least significant first."""
        return [self.variable() for _ in range(width)]

    def table(self, values: int) -> int:
        """The literal of a table: its value is bit ``i`` of ``values`` where the codes are ``i``.

        The codes are read as one binary number. The caller decides which variables are its bits
        (``codes`` of :meth:`evaluate`).
        """
        if values not in self._tabled:
            self._tabled[values] = self._node()
            self.tables[self._tabled[values] // 2] = values
        return self._tabled[values]

    def conjunction(self, left: int, right: int) -> int:
        """``left & right``."""
        left, right = min(left, right), max(left, right)
        if left == FALSE or left == right ^ 1:
            return FALSE
        if left in (TRUE, right):
            return right
        key = (left, right)
        if key not in self._built:
            self._built[key] = self._node(key)
        return self._built[key]

    def disjunction(self, left: int, right: int) -> int:
        """``left | right``."""
        return self.conjunction(left ^ 1, right ^ 1) ^ 1

    def exclusive(self, left: int, right: int) -> int:
        """``left ^ right``; inversions move to the output, so that XOR and XNOR share nodes."""
        inverted = (left & 1) ^ (right & 1)
        left, right = left & ~1, right & ~1
        both, neither = self.conjunction(left, right), self.conjunction(left ^ 1, right ^ 1)
        return self.conjunction(both ^ 1, neither ^ 1) ^ inverted

    def choose(self, select: int, high: int, low: int) -> int:
        """``high`` where ``select`` is 1, else ``low``."""
        if high == low:
            return high
        if high == low ^ 1:
            return self.exclusive(select, low)
        return self.disjunction(self.conjunction(select, high), self.conjunction(select ^ 1, low))

    def majority(self, first: int, second: int, third: int) -> int:
        """1 where at least two of the three are 1."""
        both = self.conjunction(first, second)
        return self.disjunction(both, self.conjunction(third, self.disjunction(first, second)))

    def lookup(self, table: int, selects: Sequence[int]) -> int:
        """The literal of one bit of the integer ``table``, a truth table.

        It is bit ``row``, where bit ``i`` of ``row`` is the value of ``selects[i]``. This builds
        ANDs, not a table node.
        """
        if not selects:
            return table & 1
        half = 1 << (len(selects) - 1)
        low, high = table & (1 << half) - 1, table >> half
        return self.choose(
            selects[-1], self.lookup(high, selects[:-1]), self.lookup(low, selects[:-1])
        )

    def add(self, left: Sequence[int], right: Sequence[int], carry: int = FALSE) -> list[int]:
        """The sum of two words of equal width by a ripple-carry chain, without the last carry."""
        total = []
        for one, other in zip(left, right, strict=True):
            total.append(self.exclusive(self.exclusive(one, other), carry))
            carry = self.majority(one, other, carry)
        return total

    def simulate(self, values: Mapping[int, int], count: int) -> list[int]:
        """The values of every node for ``count`` input patterns at once, one pattern per bit.

        ``values`` gives the values of variables and tables by node; missing values are 0.
        """
        ones, result = (1 << count) - 1, [0] * len(self)
        for node in range(1, len(self)):
            fanins = self.ands[node]
            if fanins is None:
                result[node] = values.get(node, 0)
            else:
                left, right = fanins
                one = result[left >> 1] ^ ones if left & 1 else result[left >> 1]
                other = result[right >> 1] ^ ones if right & 1 else result[right >> 1]
                result[node] = one & other
        return result

    def evaluate(
        self, words: Sequence[Sequence[int]], model: Mapping[int, int], codes: Sequence[int]
    ) -> list[int]:
        """The unsigned numbers that ``words`` have for given values of the variables.

        A word is a list of literals, the least significant first. ``model`` gives the values of
        variables by their literals; missing values are 0. ``codes`` are the literals of the
        variables that the tables depend on, the least significant bit first.
        """
        row = sum(model.get(literal, 0) << place for place, literal in enumerate(codes))
        values = {literal // 2: value for literal, value in model.items()}
        values |= {node: table >> row & 1 for node, table in self.tables.items()}
        nodes = self.simulate(values, 1)
        return [
            sum((nodes[literal >> 1] ^ literal & 1) << place for place, literal in enumerate(word))
            for word in words
        ]
