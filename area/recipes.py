"""The synthesis recipes: a fixed set that is tried for every format alike.

A recipe is an ABC script that minimises logic and maps it onto the cells of a technology. What
comes before it is common to all: the accumulator's and other plain additions become ripple-carry
chains of the library's full adders (the smallest adder, with no clock to meet), and tables and
multiplications become gates. Full adders inside the multiplications were tried and lost in every
format.
"""

from dataclasses import dataclass

__all__ = ["QUICK", "RECIPES", "SECOND_ARCHITECTURES", "Recipe", "recipes_for"]


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
# Many restarts of rewriting through lookup tables; bounded by counts, never by time, so that the
# same input gives the same netlist on any machine.
_DEEP = ("&get -n", "&deepsyn -I 2 -J 10", "&put")
# Area-oriented mapping with structural choices.
_MAP = ("dch", "amap -m", "topo")

# Into lookup tables, minimised with don't-cares, and back.
_DONT_CARES = ("if -K 4 -a", "mfs2 -a", "strash")

QUICK = Recipe(
    "resub", "resubstitution and rewriting, then area mapping", (*_CLEAN, *_RESUBSTITUTE, *_MAP)
)
DONT_CARE = Recipe(
    "dontcare",
    "three rounds through lookup tables with don't-cares and resubstitution",
    (*_CLEAN, *((*_DONT_CARES, *_RESUBSTITUTE) * 3), *_MAP),
)
DEEP = Recipe(
    "deep",
    "a search over restructurings, then resubstitution",
    (*_CLEAN, *_DEEP, *_RESUBSTITUTE, *_MAP),
)
RECIPES = (QUICK, DONT_CARE, DEEP)

# Every architecture is synthesised with the quick recipe, and of every format the best two then
# with the others.
SECOND_STAGE = (DONT_CARE, DEEP)
SECOND_ARCHITECTURES = 2
# A deep search takes 1 s on a MAC of 120 cells and over 10 s beyond this many.
MAX_DEEP_CELLS = 200


def recipes_for(cells: int) -> tuple[Recipe, ...]:
    """The second-stage recipes for a netlist that has ``cells`` cells after the first."""
    return tuple(recipe for recipe in SECOND_STAGE if recipe is not DEEP or cells <= MAX_DEEP_CELLS)
