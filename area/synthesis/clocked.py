"""Meeting a clock: recipes that trade area for speed, and the order in which they are tried.

First every multiplier architecture is mapped in a few ways; the best goes on with all scripts and
all adders; then the best two of these again with other targets for ABC, whose own timing is not
quite ours. If none of them meets the clock, the same is done with carries that are saved after
every few bits (:class:`halfbyte.rtl.Mac`). What counts is our own analysis: of the netlists that
meet the clock the smallest is the best, and if none does, the fastest.
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
    "rank",
    "retargeted",
]

# Buffers for high fan-outs, then stronger cells where the clock needs them and weaker elsewhere.
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
# Of the clock ABC gets this part: the rest is the setup time and what its timing leaves out.
_SHARE = 0.95
# Around a chain of adder cells, which ABC does not see, the rest has little time left.
_SHARE_AROUND_CELLS = 0.15
_OTHER_SHARES = (1.1, 0.8, 0.65)
# Structures that go to the second round, and recipes that are then tried with other targets.
STRUCTURES, FINALISTS = 1, 2


def _recipe(script: str, adder: str) -> Recipe:
    description, abc = _SCRIPTS[script]
    share = _SHARE_AROUND_CELLS if adder == CELLS else _SHARE
    return Recipe(f"{script}_{adder}", f"{description}; adder: {adder}", abc, adder, share)


FIRST = (
    _recipe("sized", "brent_kung"),
    _recipe("level", "sklansky"),
    _recipe("swift", "kogge_stone"),
)
# Where carries are saved, adders are short, and area mapping alone may be quick enough.
SEGMENTS = (1, 2, 4, 8)
SAVED = (QUICK, *FIRST)
SECOND = (
    _recipe("sized", CELLS),
    *(_recipe("sized", adder) for adder in (GATES, *TREES)),
    *(_recipe("balanced", adder) for adder in ("sklansky", "kogge_stone")),
    *(_recipe(script, adder) for script in ("level", "swift") for adder in (GATES, *TREES)),
)


def retargeted(recipe: Recipe) -> list[Recipe]:
    """The recipe with other delays for ABC to reach."""
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
    """Sorts netlists at a clock, the best first: the smallest that meet it, then the fastest."""
    return (False, area_um2, delay_ps) if delay_ps <= clock_ps else (True, delay_ps, area_um2)
