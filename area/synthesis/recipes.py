"""Defines the synthesis recipes for units without a clock to meet, the same for every format.

The *addend* is everything in a MAC before the accumulator's adder: the multiplier, and the gates
that invert the multiplier's output if it must be negated. A recipe minimizes the addend and maps it
to the cells of a technology. It runs an ABC script. It may then anneal the result, which replaces
gates at random in many *moves* (:mod:`halfbyte.area.synthesis.annealing`). All recipes map the
other logic of a MAC in the same way. The accumulator's addition becomes a ripple-carry chain of
the library's full adders, the smallest kind of adder. Everything else is mapped with the script of
:data:`QUICK`.

Recipes for a clock are in :mod:`halfbyte.area.synthesis.clocked`.
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
    """An ABC script with an adder, and perhaps an annealing: a way to synthesize.

    Parameters
    ----------
    name : str
        The name that result records give.
    description : str
        One line that describes it.
    abc : tuple of str
        Lines of the ABC script. ``{clock}`` stands for the option with the target delay.
    adder : str
        The adder of the accumulator (:mod:`halfbyte.area.synthesis.adders`).
    share : float, optional
        For recipes with a clock: ABC's target delay as a fraction of the clock period.
    moves : int
        Number of moves of the annealing that follows the script; 0 for no annealing.
    seeds : int
        Number of annealings, each of ``moves`` moves; the best result is used.
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
        """The text of the ABC script; ValueError if a recipe with a clock gets no ``clock_ps``."""
        if self.share is None:
            return "\n".join(self.abc) + "\n"
        if clock_ps is None:
            raise ValueError(f"Recipe {self.name} needs a clock period (clock_ps), but it is None")
        target = f"-D {self.share * clock_ps:.1f}"
        return "\n".join(self.abc).replace("{clock}", target) + "\n"


# Merge equivalent nodes, so that the next commands start from a small and-inverter graph.
CLEAN = ("strash", "ifraig", "scorr", "dc2", "strash")
# The area-oriented script known as compress2rs: balance, resubstitute with growing cuts, rewrite,
# refactor.
RESUBSTITUTE = (
    "balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l",
    "resub -K 8 -l; balance -l; resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l",
    "rewrite -z -l; resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; refactor -z -l",
    "resub -K 12 -N 2 -l; rewrite -z -l; balance -l",
)
# Map for area with `amap`; before this, `dch` gives the mapper several structures to choose from.
_MAP = ("dch", "amap -m", "topo")

QUICK = Recipe(
    "resub", "resubstitution and rewriting, then area mapping", (*CLEAN, *RESUBSTITUTE, *_MAP)
)
# Search over restructurings of the logic. A search that took ten times as long did not lead to
# smaller netlists after annealing. All searches are limited by counts, not by time, and have fixed
# seeds. So the same input gives the same netlist on any machine.
_RESTRUCTURE = ("&get -n", "&deepsyn -I 1 -J 4", "&put")


def _rewire(iterations: int, seed: int) -> tuple[str, ...]:
    """ABC commands that try random rewirings, and keep those that lower the *mapped* area.

    Rewirings do not change the function. They work on truth tables over all inputs, which is
    possible only for a module with few inputs, such as the addend.
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
# This recipe leaves out rewiring: annealing gains more by similar changes, and ABC's rewiring can
# crash with the small set of cells from which an annealing starts.
ANNEAL = Recipe(
    "anneal",
    "a search over restructurings, then annealing of the cells",
    (*CLEAN, *_RESTRUCTURE, *RESUBSTITUTE, *_MAP),
    moves=100_000,
)
# A short annealing, to compare architectures. The area after it predicts the area after a long
# annealing better than the area after mapping does.
SKETCH = replace(
    ANNEAL,
    name="sketch",
    description="a search over restructurings, then a short annealing of the cells",
    moves=15_000,
)
# A search anneals its best architecture once more, for longer. This makes most netlists smaller.
LONG = replace(
    ANNEAL,
    name="anneal_long",
    description="a search over restructurings, then a long annealing of the cells",
    moves=200_000,
)
RECIPES = (QUICK, DEEP, BRIEF, SKETCH, ANNEAL, LONG)

# MACs are annealed if both codes together have at most this many bits. Each further bit would
# double the rows of the truth tables.
MAX_ANNEALED_BITS = 8
# First the addend of every likely multiplier architecture is annealed with `SKETCH`. At most this
# many architectures, those with the smallest addends, are then annealed with `ANNEAL`, and the best
# of these with `LONG`.
FINALISTS = 2
# An architecture is not annealed further if its addend after `SKETCH` is more than this many times
# as large as the smallest addend.
CLOSE_RATIO = 1.04
# MACs with wider codes are synthesized in every likely architecture with `QUICK`. At most this many
# of the architectures, the smallest ones, are then synthesized with a longer recipe
# (`recipes_for`).
SECOND_ARCHITECTURES = 2
# An architecture is not synthesized again if it is more than this many times as large as the
# smallest. For the shipped formats, the second-smallest architecture became the best only if this
# ratio was at most 1.03.
HOPELESS_RATIO = 1.05
# `DEEP` takes more than 10 seconds for netlists with more cells than this.
MAX_SEARCHED_CELLS = 200


def recipes_for(cells: int) -> tuple[Recipe, ...]:
    """The longer recipes for a netlist that has ``cells`` cells after :data:`QUICK`."""
    return (DEEP,) if cells <= MAX_SEARCHED_CELLS else (BRIEF,)


def annealing(recipe: Recipe, effort: int) -> Recipe:
    """``recipe`` with about ``effort`` times as many moves in total.

    The moves are divided among several annealings with different seeds, since these find smaller
    netlists than a single, very long annealing. The number of annealings is the square root of
    ``effort``, rounded down.
    """
    if effort == 1:
        return recipe
    seeds = math.isqrt(effort)
    moves = recipe.moves * effort // seeds
    return replace(recipe, name=f"{recipe.name}_{effort}", moves=moves, seeds=seeds)
