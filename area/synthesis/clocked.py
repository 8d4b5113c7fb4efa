"""Lists the recipes that synthesis tries in order to meet a clock; they trade area for speed.

A recipe consists of an ABC script, a kind of adder and a delay target for ABC. A search has three
rounds. The first maps every promising multiplier architecture with a few recipes. The second tries
the best architecture with more scripts and adders. The third repeats the best two results with
other delay targets, since ABC's timing differs a little from our own timing analysis. If no netlist
meets the clock, and the accumulator wraps around on overflow, three more rounds try carry-save
accumulators (:class:`halfbyte.rtl.Mac`), for the best architecture only.

Only our own analysis decides which netlist is the best: the smallest that meets the clock, or the
fastest if none meets it.
"""

from halfbyte.area.synthesis.adders import CELLS, GATES, TREES
from halfbyte.area.synthesis.recipes import CLEAN, QUICK, RESUBSTITUTE, Recipe

__all__ = [
    "FINALISTS",
    "FIRST",
    "SAVED",
    "SECOND",
    "SEGMENTS",
    "STRUCTURES",
    "named_recipe",
    "rank",
    "retargeted",
]

# Insert buffers at high fan-outs; then use stronger cells where the clock needs them, and weaker
# cells elsewhere.
_SIZE = ("topo", "buffer -c", "upsize {clock}", "dnsize {clock}")
# Reduce the logic depth (by SOP balancing), then give the mapper several structures to choose from.
_SHORTEN = ("if -g", "strash", "dch -f")
_SCRIPTS = {
    "sized": ("area mapping, then sizing", (*CLEAN, *RESUBSTITUTE, "dch", "amap -m", *_SIZE)),
    "balanced": (
        "reduction of the logic depth, then area mapping and sizing",
        (*CLEAN, *_SHORTEN, *_SHORTEN, "amap -m", *_SIZE),
    ),
    "level": (
        "resubstitution, depth reduction, timing-driven mapping and sizing",
        (*CLEAN, *RESUBSTITUTE, *_SHORTEN, "map -B 0.9 {clock}", *_SIZE),
    ),
    "swift": (
        "two depth reductions, timing-driven mapping and sizing",
        (*CLEAN, *_SHORTEN, *_SHORTEN, "map -B 0.9 {clock}", *_SIZE),
    ),
}
# ABC's delay target as a part of the clock period. The other 5 % are for the setup time and for
# what ABC's timing omits.
_SHARE = 0.95
# The delay target if the adder is a chain of library cells, also as a part of the clock period. ABC
# does not see the chain, and the logic around the chain has little time left.
_SHARE_AROUND_CELLS = 0.15
# The third round multiplies the delay target by these factors.
_OTHER_SHARES = (1.1, 0.8, 0.65)
# The number of best architectures that enter the second round, and of best results that enter the
# third. In the rounds with carry-save accumulators, the first number is that of pairs of an
# architecture and one of `SEGMENTS`.
STRUCTURES, FINALISTS = 1, 2


def named_recipe(script: str, adder: str, share: float | None = None) -> Recipe:
    """The recipe with an ABC script and an adder, both given by name.

    ABC's delay target is ``share`` clock periods; without ``share``, it depends on the adder.
    """
    description, abc = _SCRIPTS[script]
    if share is None:
        share = _SHARE_AROUND_CELLS if adder == CELLS else _SHARE
    return Recipe(f"{script}_{adder}", f"{description}; adder: {adder}", abc, adder, share)


# The recipes of the first round.
FIRST = (
    named_recipe("sized", "brent_kung"),
    named_recipe("level", "sklansky"),
    named_recipe("swift", "kogge_stone"),
)
# For carry-save accumulators: the numbers of bits after which a carry is saved, and the recipes of
# the first round. The adders between saved carries are short, so `QUICK`, which minimizes only
# area, may be fast enough.
SEGMENTS = (1, 2, 4, 8)
SAVED = (QUICK, *FIRST)
# The recipes of the second round.
SECOND = (
    named_recipe("sized", CELLS),
    *(named_recipe("sized", adder) for adder in (GATES, *TREES)),
    *(named_recipe("balanced", adder) for adder in ("sklansky", "kogge_stone")),
    *(named_recipe(script, adder) for script in ("level", "swift") for adder in (GATES, *TREES)),
)


def retargeted(recipe: Recipe) -> list[Recipe]:
    """The recipe with other delay targets for ABC; an empty list for a recipe without a clock."""
    if recipe.share is None:
        return []
    return [
        Recipe(
            f"{recipe.name}_{round(100 * factor)}",
            f"{recipe.description}; target {factor:g} times as long",
            recipe.abc,
            recipe.adder,
            round(recipe.share * factor, 4),
        )
        for factor in _OTHER_SHARES
    ]


def rank(area_um2: float, delay_ps: float, clock_ps: float) -> tuple[bool, float, float]:
    """Sort key: netlists that meet the clock, smallest first; then the others, fastest first."""
    return (False, area_um2, delay_ps) if delay_ps <= clock_ps else (True, delay_ps, area_um2)
