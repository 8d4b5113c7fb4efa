"""The synthesis recipes: a fixed set that is tried for every format alike.

A recipe is an ABC script that minimises the logic of the addend (multiplier and sign) and maps it
onto the cells of a technology. What goes around it is common to all: the accumulator's addition
becomes a ripple-carry chain of the library's full adders (the smallest adder, with no clock to
meet), and what else there is gets the quick recipe.
"""

from dataclasses import dataclass

__all__ = ["HOPELESS_RATIO", "QUICK", "RECIPES", "SECOND_ARCHITECTURES", "Recipe", "recipes_for"]


@dataclass(frozen=True)
class Recipe:
    """A way to synthesise.

    Parameters
    ----------
    name : str
        Goes into the record.
    description : str
        One line for people.
    abc : tuple of str
        Lines of the ABC script.
    """

    name: str
    description: str
    abc: tuple[str, ...]


# Merge equivalent nodes first; what follows starts from a clean AIG.
_CLEAN = ("strash", "ifraig", "scorr", "dc2", "strash")
# The area-oriented script known as compress2rs: balance, resubstitute with growing cuts, rewrite,
# refactor.
_RESUBSTITUTE = (
    "balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l",
    "resub -K 8 -l; balance -l; resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l",
    "rewrite -z -l; resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; refactor -z -l",
    "resub -K 12 -N 2 -l; rewrite -z -l; balance -l",
)
# Area-oriented mapping with structural choices.
_MAP = ("dch", "amap -m", "topo")

QUICK = Recipe(
    "resub", "resubstitution and rewriting, then area mapping", (*_CLEAN, *_RESUBSTITUTE, *_MAP)
)
# Every search is bounded by counts and has a fixed seed, never a time limit: the same input gives
# the same netlist on any machine.
_RESTRUCTURE = ("&get -n", "&deepsyn -I 2 -J 10", "&put")


def _rewire(iterations: int, seed: int) -> tuple[str, ...]:
    """Random rewirings that keep the function, accepted if they lower the *mapped* area.

    They work on truth tables over all inputs, which only a small block such as the addend has.
    """
    return ("&get -n", f"&rewire -M 2 -I {iterations} -S {seed} -V 0", "&put", "strash")


REWIRE = Recipe(
    "rewire",
    "resubstitution, then random rewiring for mapped area",
    (*_CLEAN, *_RESUBSTITUTE, *_rewire(25, 3), *_MAP),
)
DEEP = Recipe(
    "deep",
    "a search over restructurings, then resubstitution and random rewiring",
    (*_CLEAN, *_RESTRUCTURE, *_RESUBSTITUTE, *_rewire(25, 1), *_MAP),
)
BRIEF = Recipe(
    "brief",
    "resubstitution, then a few random rewirings, for large netlists",
    (*_CLEAN, *_RESUBSTITUTE, *_rewire(6, 3), *_MAP),
)
RECIPES = (QUICK, REWIRE, DEEP, BRIEF)

# Every architecture is synthesised with the quick recipe; of every format the best two then with
# the others, the second only if it is not hopeless: at most so many times as large as the first.
SECOND_ARCHITECTURES = 2
HOPELESS_RATIO = 2.0
# Beyond this many cells 25 rewirings take seconds and the deep search over 10.
MAX_SEARCHED_CELLS = 200


def recipes_for(cells: int) -> tuple[Recipe, ...]:
    """The second-stage recipes for a netlist that has ``cells`` cells after the first."""
    return (REWIRE, DEEP) if cells <= MAX_SEARCHED_CELLS else (BRIEF,)
