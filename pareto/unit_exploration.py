"""Find the best number of lanes and the best block size of dot-product units, for each format.

A unit has one *lane* for each product of a cycle. The values of a *block* share a scale. The unit
applies the scales itself, or the scales stay *outside*: the unit does not apply them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden.scales import ScaleFormat
from halfbyte.pareto.frontier import Point, frontier

__all__ = ["SCALE_RULES", "UnitCandidate", "best_blocks", "find_units", "on_frontier"]

# The rule that chooses the scales of each type. For units without scales, FP32 scales stay outside.
SCALE_RULES = {
    None: ScaleFormat.FP32,
    "e8m0": ScaleFormat.E8M0_RCEIL,
    "e4m3": ScaleFormat.E4M3,
    "ue5m3": ScaleFormat.UE5M3,
}
# Block size of scales that stay outside.
PLAIN_BLOCK = 128
# One more bit per value halves the steps between values, which gains 20 log10(2) dB.
DB_PER_BIT = 6.02
# Areas per lane that differ by at most this share count as equal.
TOLERANCE = 0.02

# A function of a format, a block size and a rule for scales. It gives the signal-to-noise ratio of
# the results of a model's layers, in dB.
Accuracy = Callable[[Format, int, ScaleFormat], float]


@dataclass(frozen=True, eq=False)
class UnitCandidate:
    """A format with a scale type and a block size, in units of any number of lanes.

    Parameters
    ----------
    format : Format
        Format of both operands.
    scale : str or None
        Type of the scales; None if they stay outside of the unit.
    block : int
        Number of products that share a scale.
    sqnr_db : float
        Signal-to-noise ratio of layers' results, in dB.
    areas : mapping of int to float
        Area per lane in um^2 by the number of lanes.
    """

    format: Format
    scale: str | None
    block: int
    sqnr_db: float
    areas: Mapping[int, float]

    @property
    def scale_bits(self) -> float:
        """Bits of scales stored for each value."""
        return SCALE_RULES[self.scale].bits / self.block

    @property
    def net_db(self) -> float:
        """``sqnr_db`` minus what the bits of the scales would gain if they lengthened the codes."""
        return self.sqnr_db - DB_PER_BIT * self.scale_bits

    @property
    def lanes(self) -> int:
        """The number of lanes with the least area per lane."""
        return min(self.areas, key=lambda lanes: (self.areas[lanes], lanes))

    @property
    def um2_per_lane(self) -> float:
        """The least area per lane."""
        return self.areas[self.lanes]

    @property
    def enough_lanes(self) -> int:
        """The fewest lanes whose area per lane is within 2 % of the least."""
        limit = (1 + TOLERANCE) * self.um2_per_lane
        return min(lanes for lanes, area in self.areas.items() if area <= limit)


def find_units(
    formats: Sequence[Format], records: Sequence[DotRecord], accuracy: Accuracy
) -> list[UnitCandidate]:
    """A candidate for each format, scale type and block size of the records.

    If a candidate has several records with the same number of lanes, the smallest area is used.
    Raises UserError if the list of records is empty, if technologies or numbers of terms (products
    per sum) differ, or if a unit has operands in two formats.
    """
    if not records:
        raise UserError("A report needs at least one unit that was synthesized")
    if len({record.technology for record in records}) > 1:
        raise UserError("A report compares units in one technology: explore only one at a time")
    if len({record.terms for record in records} - {None}) > 1:
        raise UserError(
            "A report compares units with the same number of terms: explore only one at a time"
        )
    if any(record.activation != record.format for record in records):
        raise UserError(
            "A report compares units whose operands share a format: write `activations: [same]`"
        )
    areas: dict[tuple[str, str | None, int], dict[int, float]] = {}
    for record in records:
        place = (record.format, record.scale, record.block or PLAIN_BLOCK)
        of_lanes = areas.setdefault(place, {})
        known = of_lanes.get(record.lanes, record.um2_per_lane)
        of_lanes[record.lanes] = min(known, record.um2_per_lane)
    by_name = {fmt.name: fmt for fmt in formats}
    return [
        UnitCandidate(
            by_name[name],
            scale,
            block,
            round(accuracy(by_name[name], block, SCALE_RULES[scale]), 3),
            of_lanes,
        )
        for (name, scale, block), of_lanes in areas.items()
    ]


def best_blocks(candidates: Sequence[UnitCandidate]) -> list[UnitCandidate]:
    """For each format and scale type, the candidate with the greatest ``net_db``."""
    best: dict[tuple[str, str | None], UnitCandidate] = {}
    for each in candidates:
        place = (each.format.name, each.scale)
        if place not in best or each.net_db > best[place].net_db:
            best[place] = each
    return list(best.values())


def on_frontier(candidates: Sequence[UnitCandidate]) -> list[UnitCandidate]:
    """The candidates on the frontier of ``um2_per_lane`` and ``net_db``, by ascending area."""
    points = {
        str(place): Point(str(place), each.um2_per_lane, each.net_db)
        for place, each in enumerate(candidates)
    }
    return [candidates[int(point.format)] for point in frontier(list(points.values()))]
