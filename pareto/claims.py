"""What the paper claims of its formats, beside this project's figures; decided by the figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from halfbyte.pareto.frontier import Point, frontier
from halfbyte.pareto.published import SystemModel, published, w4a4_accuracy

__all__ = ["PAPER_FRONTIER", "Claim", "claims", "points_of"]

# Dotzel et al., 2024: the frontier of MAC area against W4A4 accuracy.
PAPER_FRONTIER = ("int4", "e2m1", "e2m1_sr", "e2m1_sp")
# Two technologies and tools agree on the ratio of two MACs if they differ by no more than this.
_AGREEMENT = 0.03
Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Claim:
    """A question with the paper's answer, this project's, and whether they agree."""

    question: str
    paper: str
    ours: str
    verdict: str
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """Plain data."""
        return asdict(self)


def points_of(areas: Records, qualities: Mapping[str, float]) -> list[Point]:
    """Points of the formats that have both an area and a quality."""
    return [
        Point(name, areas[name]["area_um2"], quality)
        for name, quality in qualities.items()
        if name in areas
    ]


def claims(areas: Records, accuracies: Records) -> list[Claim]:
    """The claims that these records can answer.

    Parameters
    ----------
    areas, accuracies : mapping of format name to record
        Synthesis and accuracy records of the same formats.
    """
    found = []
    if {"int4", "e2m1"} <= set(areas):
        found += _frontiers(areas, accuracies)
        found += [
            _supernormal_cost(areas, name, title)
            for name, title in (("e2m1_sr", "SR (+8)"), ("e2m1_sp", "SP (+5)"))
            if name in areas
        ]
        found += [_table_format(areas, name) for name in ("sf4", "sf4_lut6") if name in areas]
    return found


def _frontiers(areas: Records, accuracies: Records) -> list[Claim]:
    shown = [name for name in areas if name in published()["w4a4_delta_percent"]["plain"]]
    paper = w4a4_accuracy(shown)
    measured = {name: record["fidelity"] for name, record in accuracies.items() if name in shown}
    axes = (
        (f"published W4A4 accuracy ({', '.join(paper.models)})", paper.by_format),
        ("measured embedding fidelity, weight-only", measured),
    )
    return [_frontier_claim(areas, what, qualities) for what, qualities in axes if qualities]


def _frontier_claim(areas: Records, what: str, qualities: Mapping[str, float]) -> Claim:
    points = points_of(areas, qualities)
    names = [point.format for point in frontier(points)]
    expected = [name for name in PAPER_FRONTIER if name in areas]
    missing = [name for name in expected if name not in names]
    added = [name for name in names if name not in expected]
    reasons = [_dominated_by(name, points) for name in missing]
    reasons += [f"{name} joins it ({_difference(areas, name, 'int4')} than int4)" for name in added]
    return Claim(
        question=f"Is the frontier INT4, E2M1, E2M1+SR/SP? Our area, {what}",
        paper=", ".join(PAPER_FRONTIER),
        ours=", ".join(names),
        verdict="differs" if missing or added else "holds",
        why="; ".join(reasons),
    )


def _dominated_by(name: str, points: Sequence[Point]) -> str:
    (point,) = (each for each in points if each.format == name)
    better = min(
        (
            each
            for each in points
            if each.area_um2 <= point.area_um2 and each.quality >= point.quality and each != point
        ),
        key=lambda each: each.area_um2,
    )
    return f"{name} is dominated by {better.format}, which is smaller and at least as accurate"


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)


def _difference(areas: Records, name: str, other: str) -> str:
    percent = _percent(areas[name]["area_um2"] / areas[other]["area_um2"])
    return f"{abs(percent):.1f} % {'larger' if percent > 0 else 'smaller'}"


def _supernormal_cost(areas: Records, name: str, title: str) -> Claim:
    """Cost over E2M1 of the MAC and of the chip, in the paper's 28 nm and here."""
    theirs = published()["mac_area_28nm"]
    model = SystemModel.of_paper()

    paper_ratio = theirs[name]["mac"] / theirs["e2m1"]["mac"]
    our_ratio = areas[name]["area_um2"] / areas["e2m1"]["area_um2"]
    paper_width, our_width = theirs[name]["acc_bits"], areas[name]["acc_width"]
    why = [f"multiplier architecture: ours is {areas[name]['architecture']}, theirs is not stated"]
    if paper_width != our_width:
        why.insert(
            0,
            f"accumulator: the paper's has {paper_width} bits, the value set needs {our_width}",
        )
    return Claim(
        question=f"What does {title} cost over E2M1?",
        paper=_cost(model, paper_ratio),
        ours=_cost(model, our_ratio),
        verdict="holds" if abs(our_ratio - paper_ratio) <= _AGREEMENT else "differs",
        why="; ".join(why),
    )


def _cost(model: SystemModel, ratio: float) -> str:
    return (
        f"{_percent(ratio):+.1f} % of the MAC, {model.overhead_percent(ratio):+.1f} % of the chip"
    )


def _table_format(areas: Records, name: str) -> Claim:
    model = SystemModel.of_paper()
    ratio = areas[name]["area_um2"] / areas["int4"]["area_um2"]
    return Claim(
        question=f"Where does {name} stand?",
        paper="not synthesised",
        ours=f"{ratio:.2f} times INT4's MAC, {_difference(areas, name, 'e2m1')} than E2M1; "
        f"{model.overhead_percent(ratio):+.1f} % of the chip",
        verdict="new",
        why=f"accumulator of {areas[name]['acc_width']} bits, "
        f"multiplier {areas[name]['multiplier_um2']:,.0f} µm²",
    )
