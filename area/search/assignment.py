"""Code assignment: a search for the order of a format's values that gives the smallest MAC.

The codes of weights are permuted offline at no cost, so any order may be chosen. A permuted format
has the same values and is a format like any other: RTL, golden model, simulation and packing work
with it.
"""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.jobs import JobRunner
from halfbyte.area.search.synthesis_jobs import SynthesisJob
from halfbyte.area.synthesis.recipes import ANNEAL, QUICK
from halfbyte.base import Progress
from halfbyte.formats import Format, Ties
from halfbyte.formats.model import check_name
from halfbyte.rtl import MacSpec, applicable_architectures

__all__ = ["ROUNDS", "Assignment", "assign_codes", "permuted", "signed_orders"]

# For each round: the number of orders in it, and the length of the annealings that compare them.
# Annealing is a random search for a smaller netlist. Its length is counted in moves; each move
# tries one change. The results of short annealings scatter by a few percent, about as much as the
# areas of the orders differ. The later rounds have longer annealings, which rank the best orders
# more reliably.
ROUNDS = ((60, 40_000), (15, 160_000), (5, 640_000))


@dataclass(frozen=True)
class Assignment:
    """A permuted format, compared with the format in its given order.

    Parameters
    ----------
    fmt : Format
        The permuted format.
    area_um2, given_um2 : float
        Areas in um^2 of the MACs with the permuted and with the given format. Both come from
        annealings of the same length.
    architecture, given_architecture : str
        The multiplier architectures of these two MACs, chosen by quick syntheses. All orders that
        were tried have ``architecture``.
    moves : int
        Length of each of the two annealings, in moves.
    orders : int
        Number of orders that were tried.
    """

    fmt: Format
    area_um2: float
    architecture: str
    given_um2: float
    given_architecture: str
    moves: int
    orders: int


def permuted(fmt: Format, values: Sequence[Fraction], name: str) -> Format:
    """``fmt`` with its values in another order.

    The rule ``ties: even`` depends on the last bit of codes, which a permutation makes meaningless.
    So midpoints of the new format always round to the lower value. Raises ValueError if the values
    are not those of the format.
    """
    if sorted(values) != sorted(fmt.values):
        raise ValueError(f"Values must be those of {fmt.name}, in another order")
    return replace(
        fmt,
        name=check_name(name),
        title=f"{fmt.title}, codes permuted",
        values=tuple(values),
        ties=Ties.DOWN,
        source=f"{fmt.name}, codes permuted by halfbyte assign",
        family="values",
        nan_codes=(),
    )


def signed_orders(fmt: Format, seed: int) -> Iterator[tuple[Fraction, ...]]:
    """Yield, without end, orders of the values in which the top bit of a code is the sign.

    The codes of the lower half of the values have the top bit set. The codes of opposite values,
    one in each half, differ only in this bit. A value without an opposite in the other half (such
    as a single zero) is paired with another such value. The first order is by magnitude. All later
    orders are random permutations of these pairs.
    """
    ordered = sorted(fmt.values)
    half = len(ordered) // 2
    lower, upper = ordered[:half], ordered[half:]
    pairs = []
    for value in list(upper):
        if -value in lower:
            pairs.append((value, -value))
            upper.remove(value)
            lower.remove(-value)
    pairs += zip(upper, reversed(lower), strict=True)
    pairs.sort(key=lambda pair: (min(abs(value) for value in pair), pair))
    shuffle = random.Random(seed).shuffle  # noqa: S311 (not used for secrets)
    while True:
        yield (*(pair[0] for pair in pairs), *(pair[1] for pair in pairs))
        shuffle(pairs)


def assign_codes(
    fmt: Format,
    activation: Format,
    technology: Technology,
    *,
    name: str,
    terms: int = 256,
    seed: int = 1,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> Assignment:
    """Search for the order of the weight's values that gives the smallest MAC.

    The first round compares the order by magnitude and many random orders. Each later round keeps
    the best orders of the round before, and anneals their MACs for longer.

    Parameters
    ----------
    fmt, activation : Format
        The format of the weights, whose codes are permuted, and the format of the activations.
    technology : Technology
        The technology to whose cells the netlists are mapped.
    name : str
        Name of the permuted format.
    terms : int
        Number of products that the accumulator can add without loss.
    seed : int
        Seed of the random orders.
    jobs : int, optional
        Number of jobs that run at the same time; by default one for each core.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    FormatError
        ``name`` cannot be the name of a format.
    ToolError
        Yosys or ABC failed.
    """
    orders = signed_orders(fmt, seed)
    formats = list(dict.fromkeys(permuted(fmt, next(orders), name) for _ in range(ROUNDS[0][0])))
    runner = JobRunner("synth", jobs or os.cpu_count() or 1, on_progress)

    def smallest_first(designs: Sequence[MacSpec], moves: int) -> list[tuple[float, MacSpec]]:
        recipe = replace(ANNEAL, moves=moves) if moves else QUICK
        results = runner.run([SynthesisJob(design, recipe, technology) for design in designs])
        areas = [result.area_um2 for result in results]
        return sorted(zip(areas, designs, strict=True), key=lambda entry: entry[0])

    def first_architecture(weight: Format) -> str:
        """The architecture that gives the smallest MAC in a quick synthesis without annealing."""
        names = applicable_architectures(weight, activation)
        designs = [MacSpec(weight, activation, each, terms) for each in names]
        return smallest_first(designs, 0)[0][1].architecture

    try:
        architecture = first_architecture(formats[0])
        designs = [MacSpec(each, activation, architecture, terms) for each in formats]
        ranked: list[tuple[float, MacSpec]] = []
        for count, moves in ROUNDS:
            ranked = smallest_first(designs[:count], moves)
            designs = [design for _, design in ranked]
        given = MacSpec(fmt, activation, first_architecture(fmt), terms)
        ((given_area, _),) = smallest_first([given], ROUNDS[-1][1])
    finally:
        runner.end()
    area, best = ranked[0]
    return Assignment(
        best.weight,
        area,
        best.architecture,
        given_area,
        given.architecture,
        ROUNDS[-1][1],
        len(formats),
    )
