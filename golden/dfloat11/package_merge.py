"""Finds optimal prefix codes of bounded length.

The algorithm is package-merge: L. L. Larmore and D. S. Hirschberg, "A fast algorithm for optimal
length-limited Huffman codes", Journal of the ACM 37(3), 1990.
"""

from collections import Counter
from collections.abc import Sequence

from halfbyte.base import UserError

__all__ = ["canonical_codes", "code_lengths"]

# A coin is one symbol with its weight. A package joins two coins or packages. Both have this type:
# the weight, and the symbols, which may repeat.
_Package = tuple[int, tuple[int, ...]]


def code_lengths(weights: Sequence[int], limit: int) -> list[int]:
    """Lengths, each 1 to ``limit``, of the prefix code with the least sum of weight times length.

    A lone symbol gets one bit. Equal weights are ordered by position, so the arguments determine
    the result.

    Raises UserError if ``limit`` bits are too few for the number of symbols.
    """
    if len(weights) > 1 << limit:
        raise UserError(
            f"At most {1 << limit} symbols can have codes of at most {limit} bits, "
            f"not {len(weights)}"
        )
    if len(weights) == 1:
        return [1]
    coins: list[_Package] = sorted((weight, (symbol,)) for symbol, weight in enumerate(weights))
    packages: list[_Package] = []
    for _ in range(limit):
        merged = sorted([*coins, *packages])
        packages = [
            (left[0] + right[0], left[1] + right[1])
            for left, right in zip(merged[0::2], merged[1::2], strict=False)
        ]
    # For n symbols, the n - 1 lightest packages of the last round are the solution. The length of a
    # symbol's code is the number of times that the symbol is in these packages.
    taken = Counter(symbol for _, symbols in packages[: len(weights) - 1] for symbol in symbols)
    return [taken[symbol] for symbol in range(len(weights))]


def canonical_codes(lengths: Sequence[int]) -> list[int]:
    """Code values for ascending ``lengths``: each is the one before plus 1, shifted to its length.

    The first is all zeros; in a complete code the last is all ones.
    """
    codes: list[int] = []
    code = previous = 0
    for length in lengths:
        code <<= length - previous
        codes.append(code)
        code, previous = code + 1, length
    return codes
