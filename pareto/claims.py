"""Check the claims of Dotzel et al. (2024), *the paper*, against this project's results.

The paper compares MACs. The same questions are answered for dot-product units and arrays. Their
areas are given per lane, that is, per product of a cycle. SR (super-range) and SP (super-precision)
are variants of E2M1. In both, the code of negative zero has a value of its own: 8 in SR, 5 in SP.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area import SynthesisRecord
from halfbyte.pareto.axes import LANE_AREA, MAC_AREA, Axis
from halfbyte.pareto.frontier import Point, dominator, frontier
from halfbyte.pareto.hardware import (
    HardwareRecord,
    area_parts,
    area_per_mac,
    scale_of,
    unit_title,
)
from halfbyte.pareto.paper import PAPER_TERMS, paper_chip, published, w4a4_accuracy
from halfbyte.pareto.quality import Quality
from halfbyte.pareto.records import Claim

__all__ = ["PAPER_FRONTIER", "claims", "points_of"]

# The frontier of MAC area against W4A4 accuracy (4-bit weights and activations) in the paper.
PAPER_FRONTIER = ("int4", "e2m1", "e2m1_sr", "e2m1_sp")
# Two area ratios of the same MACs, from different technologies and tools, agree if they differ by
# at most this.
_AGREEMENT = 0.03
Records = Mapping[str, HardwareRecord]


@dataclass(frozen=True)
class _Quality:
    """One measure of accuracy, and a point (area, accuracy) for each format.

    ``certainty`` says how wide the confidence intervals of the measure are.
    """

    name: str
    points: list[Point]
    certainty: str = ""


def points_of(
    areas: Records, qualities: Mapping[str, float | None], axis: Axis = MAC_AREA
) -> list[Point]:
    """Points of the formats that have both a cost and a quality."""
    costs = {name: axis.cost(areas[name]) for name in qualities if name in areas}
    return [
        Point(name, cost, quality)
        for name, quality in qualities.items()
        if (cost := costs.get(name)) is not None and quality is not None
    ]


def claims(areas: Records, quality: Quality | None) -> list[Claim]:
    """The claims that these records can check.

    The list is empty if INT4 or E2M1 is missing, since areas are compared with theirs.

    Parameters
    ----------
    areas : mapping of format name to record
        Synthesis records of one kind of hardware: MACs, dot-product units or arrays.
    quality : Quality or None
        The quality that was measured on a model; None if it was not measured.
    """
    if not {"int4", "e2m1"} <= set(areas):
        return []
    measures = _qualities(areas, quality)
    supernormals = (("e2m1_sr", "SR (+8)"), ("e2m1_sp", "SP (+5)"))
    return [
        *(_frontier_claim(areas, each) for each in measures if each.points),
        *(_supernormal_cost(areas, name, title) for name, title in supernormals if name in areas),
        *(_table_format(areas, measures, name) for name in areas if _is_sf4(name)),
    ]


def _is_sf4(name: str) -> bool:
    return name == "sf4" or name.startswith("sf4_lut")


def _qualities(areas: Records, quality: Quality | None) -> list[_Quality]:
    """The published and the measured quality, for the paper's formats and variants of SF4."""
    shown = [name for name in areas if name in published()["w4a4_delta_percent"]["plain"]]
    found = []
    if scale_of(areas["int4"]) is None:  # the paper's scales have full precision
        paper = w4a4_accuracy(shown)
        name = f"published W4A4 accuracy ({', '.join(paper.models)})"
        found.append(_Quality(name, points_of(areas, paper.by_format, LANE_AREA)))
    if quality:
        measured = {
            name: value for name, value in quality.values.items() if name in shown or _is_sf4(name)
        }
        certainty = f"the 95 % intervals are at most {quality.widest:.2g} wide"
        found.append(_Quality(quality.title, points_of(areas, measured, LANE_AREA), certainty))
    return found


def _frontier_claim(areas: Records, quality: _Quality) -> Claim:
    """The claim about the frontier: whether the paper's formats are on the frontier here."""
    names = _names(frontier(quality.points))
    expected = [name for name in PAPER_FRONTIER if name in _names(quality.points)]
    missing = [name for name in expected if name not in names]
    added = [name for name in names if name not in expected]
    reasons = [_standing(name, quality.points) for name in missing]
    reasons += [
        f"{name} is on the frontier too: its {_unit(areas)} is {_difference(areas, name, 'int4')} "
        "than int4's"
        for name in added
    ]
    if missing or added:
        reasons.append(
            "with the paper's own areas, for the formats that the paper synthesized, the frontier "
            f"would be {_with_paper_areas(quality.points)}"
        )
        reasons += [quality.certainty] if quality.certainty else []
    return Claim(
        question=(
            f"Is the frontier INT4, E2M1, E2M1+SR/SP{_within(areas)}? Our area, {quality.name}"
        ),
        paper=", ".join(PAPER_FRONTIER),
        ours=", ".join(names),
        verdict="differs" if missing or added else "holds",
        why="; ".join(reasons),
    )


def _with_paper_areas(points: Sequence[Point]) -> str:
    """The frontier with the paper's areas, for the formats that the paper synthesized."""
    areas = published()["mac_area_28nm"]
    theirs = [
        Point(point.format, areas[point.format]["mac"], point.quality)
        for point in points
        if point.format in areas
    ]
    return ", ".join(_names(frontier(theirs)))


def _unit(areas: Records) -> str:
    """The hardware that is compared, in one word, such as ``MAC`` or ``unit``."""
    return unit_title(areas["e2m1"]).partition(" ")[0]


def _within(areas: Records) -> str:
    """The hardware as part of a question, such as ``in a unit of 32 lanes``; empty for MACs."""
    title = unit_title(areas["e2m1"])
    return "" if title == "MAC" else f" in {'an' if title.startswith('array') else 'a'} {title}"


def _names(points: Iterable[Point]) -> list[str]:
    return [point.format for point in points]


def _standing(name: str, points: Sequence[Point]) -> str:
    """Whether a format is on the frontier, or which format dominates it, in words."""
    (point,) = (each for each in points if each.format == name)
    better = dominator(point, points)
    if better is None:
        return f"{name} is on the frontier"
    return f"{name} is dominated by {better.format}, which is no larger and no less accurate"


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)


def _difference(areas: Records, name: str, other: str) -> str:
    percent = _percent(area_per_mac(areas[name]) / area_per_mac(areas[other]))
    return f"{abs(percent):.1f} % {'larger' if percent > 0 else 'smaller'}"


def _supernormal_cost(areas: Records, name: str, title: str) -> Claim:
    """The claim about the extra area over E2M1, of the hardware and of the chip."""
    theirs = published()["mac_area_28nm"]
    paper_ratio = theirs[name]["mac"] / theirs["e2m1"]["mac"]
    our_ratio = area_per_mac(areas[name]) / area_per_mac(areas["e2m1"])
    return Claim(
        question=f"What does {title} cost over E2M1{_within(areas)}?",
        paper=_cost(paper_ratio, "MAC"),
        ours=_cost(our_ratio, _unit(areas)),
        verdict="holds" if abs(our_ratio - paper_ratio) <= _AGREEMENT else "differs",
        why="; ".join(_causes(areas, name)),
    )


def _cost(ratio: float, unit: str) -> str:
    chip = paper_chip().overhead_percent(ratio)
    return f"{_percent(ratio):+.1f} % of the {unit}, {chip:+.1f} % of the chip"


def _causes(areas: Records, name: str) -> list[str]:
    """What explains the extra area over E2M1, in the paper and here, as a list of texts."""
    theirs = published()["mac_area_28nm"]
    record, baseline = areas[name], areas["e2m1"]
    paper_parts = {
        part: (theirs[name][part], theirs["e2m1"][part]) for part in ("multiplier", "accumulator")
    }
    causes = [
        f"the paper's cost: {_shares(paper_parts, theirs['e2m1']['mac'])}",
        f"ours: {_shares(_both_parts(record, baseline), area_per_mac(baseline))}",
    ]
    if isinstance(record, SynthesisRecord):
        if record.terms != PAPER_TERMS:
            causes.append(f"ours is for {record.terms} terms, the paper's for {PAPER_TERMS}")
        elif theirs[name]["acc_bits"] != record.acc_width:
            causes.append(
                f"the paper's accumulator has {theirs[name]['acc_bits']} bits, ours "
                f"{record.acc_width}, lossless for {record.terms} terms"
            )
    ours = f"our smallest architecture is {record.architecture} (E2M1: {baseline.architecture})"
    return [*causes, ours, "the paper states no architecture"]


def _both_parts(record: HardwareRecord, baseline: HardwareRecord) -> dict[str, tuple[float, float]]:
    """For each part whose area both records give, the two areas, per MAC or per lane."""
    others = area_parts(baseline)
    return {
        part: (area, other)
        for part, area in area_parts(record).items()
        if area is not None and (other := others[part]) is not None
    }


def _shares(parts: Mapping[str, tuple[float, float]], whole: float) -> str:
    """The extra area of each part over the baseline, in % of the baseline's whole area."""
    return ", ".join(
        f"{part} {100 * (area - baseline) / whole:+.1f} %"
        for part, (area, baseline) in parts.items()
    )


def _table_format(areas: Records, measures: Sequence[_Quality], name: str) -> Claim:
    """The claim about the area and accuracy of SF4, which the paper did not synthesize."""
    record, baseline = areas[name], areas["int4"]
    ratio = area_per_mac(record) / area_per_mac(baseline)
    chip = paper_chip().overhead_percent(ratio)
    standings = [
        f"{each.name}: {_standing(name, each.points)}"
        for each in measures
        if name in _names(each.points)
    ]
    parts = [
        f"{part} {area:,.0f} µm² (INT4: {other:,.0f})"
        for part, (area, other) in _both_parts(record, baseline).items()
    ]
    width = f"accumulator of {record.acc_width} bits (INT4: {baseline.acc_width})"
    return Claim(
        question=f"Where does {name} stand{_within(areas)}?",
        paper="not synthesized",
        ours=f"{ratio:.2f} times INT4's {_unit(areas)}, {_difference(areas, name, 'e2m1')} than "
        f"E2M1; {chip:+.1f} % of the chip over INT4",
        verdict="new",
        why="; ".join([*standings, ", ".join([width, *parts])]),
    )
