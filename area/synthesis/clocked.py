"""Meeting a clock: the recipes that trade area for speed, and the order of trying them.

First every multiplier architecture is mapped in a few ways. The best architecture is then tried
with more scripts and adders. The best two of these results are tried again with other delay targets
for ABC, since ABC's timing differs a little from our own analysis. If no netlist meets the clock,
the same is done with carry-save accumulators (:class:`halfbyte.rtl.Mac`). Only our own analysis
decides: the smallest netlist that meets the clock is the best. If no netlist meets it, the fastest
is the best.
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

# Buffers for high fan-outs; then stronger cells where the clock needs them, weaker elsewhere.
_SIZE = ("topo", "buffer -c", "upsize {clock}", "dnsize {clock}")
# Restructure for depth (SOP balancing), with structural choices for the mapper.
_SHORTEN = ("if -g", "strash", "dch -f")
_SCRIPTS = {
    "sized": ("area mapping, then sizing", (*CLEAN, *RESUBSTITUTE, "dch", "amap -m", *_SIZE)),
    "balanced": (
        "depth first, then area mapping and sizing",
        (*CLEAN, *_SHORTEN, *_SHORTEN, "amap -m", *_SIZE),
    ),
    "level": (
        "resubstitution, depth, timing-driven mapping and sizing",
        (*CLEAN, *RESUBSTITUTE, *_SHORTEN, "map -B 0.9 {clock}", *_SIZE),
    ),
    "swift": (
        "depth twice, timing-driven mapping and sizing",
        (*CLEAN, *_SHORTEN, *_SHORTEN, "map -B 0.9 {clock}", *_SIZE),
    ),
}
# ABC gets this part of the clock period. The rest is for setup and for what ABC's timing omits.
_SHARE = 0.95
# ABC does not see a chain of adder cells, and the logic around it has little time left.
_SHARE_AROUND_CELLS = 0.15
_OTHER_SHARES = (1.1, 0.8, 0.65)
# The number of structures in the second round, and of recipes then tried with other targets.
STRUCTURES, FINALISTS = 1, 2


def named_recipe(script: str, adder: str, share: float | None = None) -> Recipe:
    """A recipe by its ABC script and its adder; ABC gets ``share`` of the clock period."""
    description, abc = _SCRIPTS[script]
    if share is None:
        share = _SHARE_AROUND_CELLS if adder == CELLS else _SHARE
    return Recipe(f"{script}_{adder}", f"{description}; adder: {adder}", abc, adder, share)


FIRST = (
    named_recipe("sized", "brent_kung"),
    named_recipe("level", "sklansky"),
    named_recipe("swift", "kogge_stone"),
)
# Saved carries make adders short, so mapping for area alone may be fast enough.
SEGMENTS = (1, 2, 4, 8)
SAVED = (QUICK, *FIRST)
SECOND = (
    named_recipe("sized", CELLS),
    *(named_recipe("sized", adder) for adder in (GATES, *TREES)),
    *(named_recipe("balanced", adder) for adder in ("sklansky", "kogge_stone")),
    *(named_recipe(script, adder) for script in ("level", "swift") for adder in (GATES, *TREES)),
)


def retargeted(recipe: Recipe) -> list[Recipe]:
    """The recipe with other delay targets for ABC; nothing for a recipe without a clock."""
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
    """Sort key for netlists at a clock: the smallest that meet it first, then the fastest."""
    return (False, area_um2, delay_ps) if delay_ps <= clock_ps else (True, delay_ps, area_um2)
