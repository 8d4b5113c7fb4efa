"""Meeting a clock with a dot-product unit: which last adders and recipes are tried, in which order.

ABC sees neither the lanes nor the full-adder cells of the tree. In an integer unit it times only
the final adder, about a third of the longest path. In an FP32 unit it times nearly all of the path.
So the first delay target is a smaller part of the clock for integer units. The best netlists are
tried again with other targets. As for MACs, only our own timing analysis decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.clocked import FINALISTS, named_recipe, retargeted
from halfbyte.area.synthesis.recipes import Recipe
from halfbyte.rtl.dot import DotSpec, FinalAdder

__all__ = ["NEAR", "DotWay", "first_ways", "other_ways"]

# The part of the clock that is left for the logic which ABC times.
_FINAL_ADDER_SHARE, _STAGE_SHARE, _WHOLE_SHARE = 0.35, 0.8, 0.95
# Netlists that need at most this many clock periods may meet the clock by another delay target.
NEAR = 1.25
_SCRIPTS, _ADDER = ("sized", "level", "swift"), "sklansky"


@dataclass(frozen=True)
class DotWay:
    """A way to build a unit: the last adder of its sums, and the recipe."""

    final: FinalAdder
    recipe: Recipe


def _share(spec: DotSpec, technology: Technology) -> float:
    """The part of the clock that the first recipes give to ABC."""
    if technology.full_adder is None:
        return _WHOLE_SHARE
    return _STAGE_SHARE if spec.is_fp32 else _FINAL_ADDER_SHARE


def first_ways(spec: DotSpec, technology: Technology) -> list[DotWay]:
    """The ways that are tried first: both kinds of a fast last adder, with each script."""
    share = _share(spec, technology)
    return [
        DotWay(final, named_recipe(script, _ADDER, share))
        for final in (FinalAdder.PREFIX, FinalAdder.BALANCED)
        for script in _SCRIPTS
    ]


def other_ways(best: Sequence[DotWay], near: Sequence[DotWay]) -> list[DotWay]:
    """The first ways of both lists with other delay targets, each once.

    ``best`` are the best so far. ``near`` gave smaller netlists that miss the clock by less than
    ``NEAR``, the smallest first.
    """
    chosen = dict.fromkeys((*best[:FINALISTS], *near[:FINALISTS]))
    return [DotWay(way.final, recipe) for way in chosen for recipe in retargeted(way.recipe)]
