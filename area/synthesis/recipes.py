"""The synthesis recipes: a fixed set, the same for every format.

A recipe minimizes the logic of the addend (multiplier and sign) and maps it onto the cells of a
technology. It uses an ABC script, and may anneal the result. The logic around the addend is the
same in all recipes. The accumulator's addition becomes a ripple-carry chain of the library's full
adders, the smallest adder when there is no clock to meet. The rest gets the quick recipe.
"""

import math
from dataclasses import dataclass, replace

from halfbyte.area.synthesis.adders import CELLS

__all__ = [
    "ANNEAL",
    "CLEAN",
    "CLOSE_RATIO",
    "DEEP",
    "FINALISTS",
    "HOPELESS_RATIO",
    "LONG",
    "MAX_ANNEALED_BITS",
    "QUICK",
    "RECIPES",
    "RESUBSTITUTE",
    "SECOND_ARCHITECTURES",
    "SKETCH",
    "Recipe",
    "annealing",
    "recipes_for",
]


@dataclass(frozen=True)
class Recipe:
    """A way to synthesize.

    Parameters
    ----------
    name : str
        Name in the record.
    description : str
        One line that describes it.
    abc : tuple of str
        Lines of the ABC script; ``{clock}`` is replaced by the target delay.
    adder : str
        The adder of the accumulator (:mod:`halfbyte.area.synthesis.adders`).
    share : float, optional
        For recipes with a clock: ABC's target delay as a fraction of the clock period.
    moves : int
        Moves of the annealing (:mod:`halfbyte.area.synthesis.annealing`) after the script; 0 for no
        annealing.
    seeds : int
        Number of annealings, each of ``moves`` moves; the best result is taken.
    """

    name: str
    description: str
    abc: tuple[str, ...]
    adder: str = CELLS
    share: float | None = None
    moves: int = 0
    seeds: int = 1

    @property
    def clocked(self) -> bool:
        """Whether there is a clock to meet."""
        return self.share is not None

    def script(self, clock_ps: float | None) -> str:
        """The ABC script; raises ValueError if it lacks the clock that it needs."""
        if self.share is None:
            return "\n".join(self.abc) + "\n"
        if clock_ps is None:
            raise ValueError(f"Recipe {self.name} needs a clock")
        target = f"-D {self.share * clock_ps:.1f}"
        return "\n".join(self.abc).replace("{clock}", target) + "\n"


# Merge equivalent nodes first, so that the next commands start from a clean AIG.
CLEAN = ("strash", "ifraig", "scorr", "dc2", "strash")
# The area-oriented script known as compress2rs: balance, resubstitute with growing cuts, rewrite,
# refactor.
RESUBSTITUTE = (
    "balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l",
    "resub -K 8 -l; balance -l; resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l",
    "rewrite -z -l; resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; refactor -z -l",
    "resub -K 12 -N 2 -l; rewrite -z -l; balance -l",
)
# Area-oriented mapping with structural choices.
_MAP = ("dch", "amap -m", "topo")

QUICK = Recipe(
    "resub", "resubstitution and rewriting, then area mapping", (*CLEAN, *RESUBSTITUTE, *_MAP)
)
# Every search is bounded by counts and has a fixed seed, never a time limit: the same input gives
# the same netlist on any machine.
# A longer search takes ten times as long, and annealing ends no lower.
_RESTRUCTURE = ("&get -n", "&deepsyn -I 1 -J 4", "&put")


def _rewire(iterations: int, seed: int) -> tuple[str, ...]:
    """Random rewirings that keep the function, accepted if they lower the *mapped* area.

    They work on truth tables over all inputs, which is possible only for a small block such as the
    addend.
    """
    return ("&get -n", f"&rewire -M 2 -I {iterations} -S {seed} -V 0", "&put", "strash")


DEEP = Recipe(
    "deep",
    "a search over restructurings, then resubstitution and random rewiring",
    (*CLEAN, *_RESTRUCTURE, *RESUBSTITUTE, *_rewire(25, 1), *_MAP),
)
BRIEF = Recipe(
    "brief",
    "resubstitution, then a few random rewirings, for large netlists",
    (*CLEAN, *RESUBSTITUTE, *_rewire(6, 3), *_MAP),
)
# This recipe leaves out rewiring: annealing does the same better, and rewiring can crash on so few
# cells.
ANNEAL = Recipe(
    "anneal",
    "a search over restructurings, then annealing of the cells",
    (*CLEAN, *_RESTRUCTURE, *RESUBSTITUTE, *_MAP),
    moves=100_000,
)
# A short annealing predicts the result of a long one better than mapping does.
SKETCH = replace(
    ANNEAL,
    name="sketch",
    description="a search over restructurings, then a short annealing of the cells",
    moves=15_000,
)
# The best of all is annealed once more, for longer: most gain by it, and some only then.
LONG = replace(
    ANNEAL,
    name="anneal_long",
    description="a search over restructurings, then a long annealing of the cells",
    moves=200_000,
)
RECIPES = (QUICK, DEEP, BRIEF, SKETCH, ANNEAL, LONG)

# MACs are annealed if both codes together have at most this many bits. Two bits more mean four
# times as many rows. A sketch is made of the addend of every likely architecture, and the best is
# annealed. A second one is annealed, too, if its sketch is at most this many times as large. The
# smaller of the two is annealed for longer.
MAX_ANNEALED_BITS = 8
FINALISTS = 2
CLOSE_RATIO = 1.04
# Other MACs are synthesized in every architecture with the quick recipe. The best two of each
# format then get a longer one; the second only if it is at most this many times as large as the
# first. For shipped formats, it became the better one where it was at most 1.03 times as large.
SECOND_ARCHITECTURES = 2
HOPELESS_RATIO = 1.05
# Beyond this many cells the deep search takes over 10 seconds.
MAX_SEARCHED_CELLS = 200


def recipes_for(cells: int) -> tuple[Recipe, ...]:
    """The second-stage recipes for a netlist that has ``cells`` cells after the first."""
    return (DEEP,) if cells <= MAX_SEARCHED_CELLS else (BRIEF,)


def annealing(recipe: Recipe, effort: int) -> Recipe:
    """``recipe`` with ``effort`` times as many moves in total.

    A longer annealing finds more, but the gain grows at most with the square root of the effort.
    Several annealings from different seeds find more than one very long annealing.
    """
    if effort == 1:
        return recipe
    seeds = math.isqrt(effort)
    moves = recipe.moves * effort // seeds
    return replace(recipe, name=f"{recipe.name}_{effort}", moves=moves, seeds=seeds)
