"""The dot-product units of a space: all combinations of lane counts, scale types and block sizes.

A space is a set of designs, read from a YAML file. A lane multiplies one pair of codes in a cycle.
A block is a group of products that share a scale.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from halfbyte.base import UserError
from halfbyte.formats import Format, ScaleCode, find_scale_code
from halfbyte.rtl.dot import Accumulator, DotSpec
from halfbyte.rtl.dot.numbers import MAX_LANES

__all__ = ["DOT", "MAC", "UNIT_KEYS", "UnitAxes", "unit_axes"]

MAC, DOT = "mac", "dot"
UNIT_KEYS = ("units", "lanes", "scales", "blocks", "effort")
# In a list of block sizes, this entry stands for a block of as many products as the unit has lanes.
LANES = "lanes"
NO_SCALE = "none"
MAX_EFFORT = 1000

Read = Callable[[Any], Any]
# A function that reads one list of a space. It gets the space's YAML data, the list's key, a
# default list, and a function that reads an entry.
ReadAxis = Callable[[Mapping[Any, Any], str, list[Any], Read], tuple[Any, ...]]


@dataclass(frozen=True)
class UnitAxes:
    """The axes for the dot-product units of a space.

    Parameters
    ----------
    lanes : tuple of int
        The numbers of lanes to try.
    scales : tuple of ScaleCode or None
        Types of the blocks' scales; None means an integer accumulator, without scales.
    blocks : tuple of int or None
        Block sizes in products; None means as many products as lanes. A size gives no unit for
        numbers of lanes that do not divide it.
    effort : float
        Multiplies the length of the annealing, a random search for a smaller lane.
    """

    lanes: tuple[int, ...]
    scales: tuple[ScaleCode | None, ...]
    blocks: tuple[int | None, ...]
    effort: float = 1.0

    def designs(self, weight: Format, activation: Format, terms: int) -> Iterator[DotSpec]:
        """The units for two formats, each once; impossible combinations are left out."""
        for scale in self.scales:
            for lanes in self.lanes:
                sizes = [None] if scale is None else [block or lanes for block in self.blocks]
                for block in dict.fromkeys(sizes):
                    if block is None or block % lanes == 0:
                        yield from _design(weight, activation, lanes, scale, block, terms)


def _design(
    weight: Format,
    activation: Format,
    lanes: int,
    scale: ScaleCode | None,
    block: int | None,
    terms: int,
) -> Iterator[DotSpec]:
    """Yield the unit, or nothing if it is impossible, for example because a format is too wide."""
    kind = Accumulator.FP32 if scale else Accumulator.INTEGER
    try:
        yield DotSpec(
            weight, activation, lanes, accumulator=kind, scale=scale, block=block, terms=terms
        )
    except UserError:
        return


def unit_axes(data: Mapping[Any, Any], read_axis: ReadAxis) -> tuple[bool, UnitAxes | None]:
    """Whether a space has MACs, and the axes of its units; None if it has no units.

    Raises UserError for a wrong value, or for axes of units in a space without units.
    """
    kinds = read_axis(data, "units", [MAC], _kind)
    if DOT not in kinds:
        given = [key for key in UNIT_KEYS[1:] if key in data]
        if given:
            raise UserError(f"{given[0]} is for dot-product units: add `units: [{DOT}]`")
        return True, None
    axes = UnitAxes(
        lanes=read_axis(data, "lanes", [32], _lanes),
        scales=read_axis(data, "scales", [NO_SCALE], _scale),
        blocks=read_axis(data, "blocks", [LANES], _block),
        effort=_effort(data.get("effort", 1)),
    )
    return MAC in kinds, axes


def _kind(entry: object) -> str:
    if entry not in (MAC, DOT):
        raise UserError(f"units must be {MAC} or {DOT}, not {entry!r:.60}")
    return str(entry)


def _lanes(entry: object) -> int:
    if type(entry) is not int or not 1 <= entry <= MAX_LANES:
        raise UserError(f"lanes must be 1 to {MAX_LANES}, not {entry!r:.60}")
    return entry


def _scale(entry: object) -> ScaleCode | None:
    return None if entry in (NO_SCALE, None) else find_scale_code(str(entry), optional=True)


def _block(entry: object) -> int | None:
    if entry == LANES:
        return None
    if type(entry) is not int or entry < 1:
        raise UserError(
            f"A block size must be a positive number of products or the word `{LANES}`, "
            f"not {entry!r:.60}"
        )
    return entry


def _effort(value: object) -> float:
    if type(value) not in (int, float) or not 0 < float(str(value)) <= MAX_EFFORT:
        raise UserError(f"effort must be above 0 and at most {MAX_EFFORT}, not {value!r:.60}")
    return float(str(value))
