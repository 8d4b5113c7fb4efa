"""Lists the final adders and recipes with which a dot-product unit may meet a clock.

A recipe is an ABC script with a kind of adder and a delay target for ABC.

A unit consists of *lanes*, which multiply one pair of codes each, a tree of full adders that adds
the products, a final adder, and in an FP32 unit a rounding stage. ABC sees neither the lanes nor
the full-adder cells of the tree. In an integer unit it times only the final adder, which is about a
third of the longest path. In an FP32 unit it times nearly all of the path. So the first delay
target is a smaller part of the clock period for integer units. The recipes of the best netlists are
tried again with other delay targets. Only our own timing analysis decides which netlist is the
best, as for MACs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.clocked import FINALISTS, named_recipe, retargeted
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.rtl.dot import DotSpec, FinalAdder

__all__ = ["NEAR", "DotWay", "first_ways", "other_ways"]

# ABC's first delay target as a part of the clock period: for integer units, for FP32 units, and for
# libraries without a full adder, where ABC also sees the tree.
_FINAL_ADDER_SHARE, _STAGE_SHARE, _WHOLE_SHARE = 0.35, 0.8, 0.95
# If a netlist misses the clock but its delay is at most this many clock periods, its recipe is
# tried again with other delay targets.
NEAR = 1.25
_SCRIPTS, _ADDER = ("sized", "level", "swift"), "sklansky"


@dataclass(frozen=True)
class DotWay:
    """A way to build a unit: the kind of its final adder, and the recipe."""

    final: FinalAdder
    recipe: Recipe


def _share(spec: DotSpec, technology: Technology) -> float:
    """ABC's delay target in the first recipes, as a part of the clock period."""
    if technology.full_adder is None:
        return _WHOLE_SHARE
    return _STAGE_SHARE if spec.is_fp32 else _FINAL_ADDER_SHARE


def first_ways(spec: DotSpec, technology: Technology) -> list[DotWay]:
    """The ways that are tried first: both kinds of fast final adder, each with every script."""
    share = _share(spec, technology)
    return [
        DotWay(final, named_recipe(script, _ADDER, share))
        for final in (FinalAdder.PREFIX, FinalAdder.BALANCED)
        for script in _SCRIPTS
    ]


def other_ways(best: Sequence[DotWay], near: Sequence[DotWay]) -> list[DotWay]:
    """The first few ways of both lists, without repetitions, each with several delay targets.

    ``best`` are all ways with a recipe for a clock that were tried so far, the best first. ``near``
    are the ways whose netlists miss the clock but need at most ``NEAR`` clock periods, those with
    the smallest netlists first.
    """
    chosen = dict.fromkeys((*best[:FINALISTS], *near[:FINALISTS]))
    return [DotWay(way.final, recipe) for way in chosen for recipe in retargeted(way.recipe)]
