"""Makes walks: sequences of products that lead a sum to an accumulator's limits, and beyond."""

from collections.abc import Iterator
from dataclasses import dataclass

from halfbyte.golden import scalar
from halfbyte.rtl import MacSpec

__all__ = ["MAX_CYCLES", "Step", "expected_after", "walk_to_limits"]

# A walk leaves out a limit that is more than this many of the largest products away. So many
# products of two INT4 or two E2M1 operands reach the limits of a 32-bit accumulator. The walk takes
# seconds in Verilator, and minutes in Icarus Verilog.
MAX_CYCLES = 2**26


@dataclass(frozen=True)
class Step:
    """Inputs that are held for ``cycles`` clock cycles; with ``clear``, only for one cycle."""

    w: int
    a: int
    clear: bool = False
    cycles: int = 1


def walk_to_limits(spec: MacSpec, max_cycles: int = MAX_CYCLES) -> list[Step]:
    """A walk to the upper limit and beyond it, then one to the lower limit in the same way.

    The last steps before a limit add the smallest product with the sign of the limit. So the sum
    comes closer to the limit than one such product, and then passes it by at most one such product.
    After two large products, one small product of the opposite sign leads back. A limit is left out
    if no product has its sign, or if it is more than ``max_cycles`` of the largest products away.
    """
    half = 1 << (spec.width - 1)
    steps: list[Step] = []
    for limit, sign in ((half - 1, 1), (half, -1)):
        steps += _walk(spec, limit, sign, max_cycles)
    return steps


def _walk(spec: MacSpec, limit: int, sign: int, max_cycles: int) -> Iterator[Step]:
    """The walk to the limit with this magnitude and sign, and beyond it."""
    pairs = _pairs_by_magnitude(spec, sign)
    if not pairs:
        return
    (small, least), (large, most) = pairs[0], pairs[-1]
    strides, rest = divmod(limit, most)
    if strides > max_cycles:
        return
    walk = [(large, strides), (small, rest // least), (small, 1), (large, 2)]
    walk += [(pair, 1) for pair, _ in _pairs_by_magnitude(spec, -sign)[:1]]
    clear = True
    for (w, a), cycles in walk:
        if cycles and clear:
            yield Step(w, a, clear=True)
            cycles, clear = cycles - 1, False
        if cycles:
            yield Step(w, a, cycles=cycles)


def _pairs_by_magnitude(spec: MacSpec, sign: int) -> list[tuple[tuple[int, int], int]]:
    """A pair of codes for each magnitude that products of one sign have, the smallest first.

    Each entry is the pair (w, a) and the magnitude.
    """
    found: dict[int, tuple[int, int]] = {}
    for w, weight in enumerate(spec.weight.integers):
        for a, activation in enumerate(spec.activation.integers):
            product = sign * weight * activation
            if product > 0:
                found.setdefault(product, (w, a))
    return [(pair, product) for product, pair in sorted(found.items())]


def expected_after(spec: MacSpec, steps: list[Step]) -> list[int]:
    """The golden model's accumulator after each step.

    All products of a step have the same sign. So wrapping or saturating the sum after each product
    gives the same result as doing so once, after all products of the step.
    """
    acc, seen = 0, []
    for step in steps:
        product = scalar.product(step.w, step.a, spec.weight, spec.activation)
        acc = scalar.mac(
            acc,
            product * step.cycles,
            clear=step.clear,
            acc_width=spec.width,
            overflow=spec.overflow,
        )
        seen.append(acc)
    return seen
