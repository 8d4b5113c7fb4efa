"""The synthesis recipes: a fixed set that is tried for every format and architecture alike.

A recipe turns RTL into gates in two steps: Yosys passes that decide how additions are built, and
an ABC script that minimises the logic around them and maps it onto the cells of a technology.
"""

import enum
from dataclasses import dataclass

__all__ = ["DEEP_CANDIDATES", "RECIPES", "Adders", "Recipe", "deep_recipe", "quick_recipes"]


class Adders(enum.Enum):
    """Which additions get the library's full adders. All additions are ripple-carry: the smallest,
    with no clock to meet. Where a library has no full adder, both leave the bits to ABC.
    """

    ACCUMULATOR = "accumulator"
    """The accumulator's and other plain additions; multiplications become gates."""

    ALL = "all"
    """Those inside multiplications as well."""


@dataclass(frozen=True)
class Recipe:
    """A way to synthesise.

    Parameters
    ----------
    name : str
        Goes into the record.
    description : str
        One line for people.
    adders : Adders
        Which additions get full-adder cells.
    abc : tuple of str
        Lines of the ABC script.
    deep : bool
        Whether the recipe is a slow one, tried on the best candidates of its quick twin only.
    """

    name: str
    description: str
    adders: Adders
    abc: tuple[str, ...]
    deep: bool = False


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
_DEEP = ("&get -n", "&deepsyn -I 2 -J 20", "&put")
# Area-oriented mapping with structural choices.
_MAP = ("dch", "amap -m", "topo")

RECIPES: tuple[Recipe, ...] = tuple(
    Recipe(
        name=f"{effort}_{adders.value}",
        description=f"{what}; full adders: {adders.value}",
        adders=adders,
        abc=(*_CLEAN, *steps, *_RESUBSTITUTE, *_MAP),
        deep=effort == "deep",
    )
    for effort, what, steps in (
        ("resub", "resubstitution and rewriting, area mapping", ()),
        ("deep", "the same after a search over restructurings", _DEEP),
    )
    for adders in Adders
)
# The slow recipes run on so many of the best pairs of architecture and adders, for every format.
DEEP_CANDIDATES = 3


def quick_recipes() -> tuple[Recipe, ...]:
    """The recipes that are tried with every architecture."""
    return tuple(recipe for recipe in RECIPES if not recipe.deep)


def deep_recipe(quick: Recipe) -> Recipe:
    """The slow twin of a quick recipe."""
    (twin,) = (recipe for recipe in RECIPES if recipe.deep and recipe.adders is quick.adders)
    return twin
