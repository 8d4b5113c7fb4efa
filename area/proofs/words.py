"""Words in an and-inverter graph, for writing specifications.

A literal is a node of the graph (:class:`Aig`) or its inverse. A word is a list of literals, the
least significant first. *Modulo the range* means modulo 2 to the power of the word's width. Each
operation follows its definition: a specification must be easy to read, not small.
"""

from collections.abc import Sequence

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig

__all__ = ["Words"]

Word = Sequence[int]


class Words:
    """Arithmetic on words of ``aig``."""

    def __init__(self, aig: Aig) -> None:
        self.aig = aig

    @staticmethod
    def constant(value: int, width: int) -> list[int]:
        """``value`` in ``width`` bits, modulo the range."""
        return [value >> place & 1 for place in range(width)]

    @staticmethod
    def extended(word: Word, width: int, *, signed: bool = False) -> list[int]:
        """``word`` truncated or extended to ``width`` bits.

        It is extended with zeros, or with its sign bit if ``signed``.
        """
        above = word[-1] if signed and word else FALSE
        return [*word, *[above] * (width - len(word))][:width]

    def any(self, word: Word) -> int:
        """Whether at least one bit is 1."""
        found = FALSE
        for literal in word:
            found = self.aig.disjunction(found, literal)
        return found

    def all(self, word: Word) -> int:
        """Whether all bits are 1."""
        return self.any([literal ^ 1 for literal in word]) ^ 1

    def masked(self, word: Word, mask: int) -> list[int]:
        """``word`` where ``mask`` is 1, else 0."""
        return [self.aig.conjunction(literal, mask) for literal in word]

    def chosen(self, select: int, high: Word, low: Word) -> list[int]:
        """``high`` where ``select`` is 1, else ``low``."""
        return [self.aig.choose(select, *bits) for bits in zip(high, low, strict=True)]

    def merged(self, words: Sequence[Word]) -> list[int]:
        """The OR of words of equal width, of which at most one is not 0."""
        return [self.any(bits) for bits in zip(*words, strict=True)]

    def sum(self, one: Word, other: Word, carry: int = FALSE) -> list[int]:
        """The sum modulo the range."""
        return self.aig.add(one, other, carry)

    def difference(self, one: Word, other: Word) -> list[int]:
        """``one - other`` modulo the range."""
        return self.aig.add(one, [literal ^ 1 for literal in other], TRUE)

    def negated_if(self, condition: int, word: Word) -> list[int]:
        """``-word`` where ``condition`` is 1, modulo the range."""
        flipped = [self.aig.exclusive(literal, condition) for literal in word]
        return self.aig.add(flipped, self.constant(0, len(word)), condition)

    def is_equal(self, word: Word, value: int) -> int:
        """Whether ``word`` equals the constant ``value``, modulo its range."""
        bits = self.constant(value, len(word))
        return self.all([literal ^ bit ^ 1 for literal, bit in zip(word, bits, strict=True)])

    def is_less(self, one: Word, other: Word) -> int:
        """Whether ``one < other``, both in two's complement and of equal width."""
        wide = len(one) + 1
        return self.difference(
            self.extended(one, wide, signed=True), self.extended(other, wide, signed=True)
        )[-1]

    def product(self, one: Word, other: Word) -> list[int]:
        """The product of two unsigned words; its width is the sum of their widths."""
        width = len(one) + len(other)
        total = self.constant(0, width)
        for place, literal in enumerate(other):
            row = [*[FALSE] * place, *self.masked(one, literal)]
            total = self.sum(total, self.extended(row, width))
        return total
