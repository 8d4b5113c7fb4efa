"""Plot the area of each format in MACs, in dot-product units and in arrays.

The plot shows how the ranking of the formats changes between these kinds of hardware. Each kind is
a *level*. An area is given per lane, that is, per product of a cycle, and compared with the area of
E2M1 at the same level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy.optimize import isotonic_regression

from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.base import Json, UserError
from halfbyte.base.figures import picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.tables import write_rows
from halfbyte.formats import Format
from halfbyte.pareto.hardware import HardwareRecord, area_per_mac, unit_title
from halfbyte.rtl.array import Dataflow

__all__ = ["BASELINE", "Level", "level_rows", "spread", "write_levels"]

BASELINE = "e2m1"
# Wider formats are only in the tables: in the plot they would squeeze the 4-bit formats.
_MOST_BITS = 4
_SIZE_INCHES = (9.6, 6.4)
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#777777")
_STYLES = ("-", "--", ":")
# The least distance between two labels, as a share of the height from the lowest to the highest
# line.
_LEAST_GAP = 0.036
_MARGIN = 0.05
# The distance from a line's end to its label, and to the edge; 1 is the distance between levels.
_BESIDE, _ROOM = 0.07, 0.85


@dataclass(frozen=True)
class Level:
    """The records of one kind of hardware, one for each format.

    Parameters
    ----------
    name : str
        Name in data files, such as ``mac``.
    title : str
        Name under a plot, with line breaks.
    records : tuple of record
        A record for each format, in the same order at every level.
    """

    name: str
    title: str
    records: tuple[HardwareRecord, ...]

    @property
    def areas(self) -> dict[str, float]:
        """Area per product of a cycle, in um^2, by format."""
        return {record.format: area_per_mac(record) for record in self.records}

    @property
    def relative(self) -> dict[str, float]:
        """The ratio of each area to the area of E2M1. Raises UserError if E2M1 is missing."""
        areas = self.areas
        if BASELINE not in areas:
            raise UserError(f"Areas are compared with {BASELINE}: add it to the formats")
        return {name: area / areas[BASELINE] for name, area in areas.items()}


def level_rows(levels: Sequence[Level]) -> list[dict[str, Json]]:
    """A row for each format, with its area and the ratio to E2M1's area at every level."""
    rows: list[dict[str, Json]] = []
    for record in levels[0].records:
        row: dict[str, Json] = {"format": record.format, "activation": record.activation}
        for level in levels:
            row[f"{level.name}_um2_per_lane"] = level.areas[record.format]
            row[f"{level.name}_over_{BASELINE}"] = round(level.relative[record.format], 4)
        rows.append({**row, **_dataflow(levels), **_measured_with(record)})
    return rows


def _measured_with(record: HardwareRecord) -> dict[str, Json]:
    """The library, the number of products per sum, and the tool versions of a record."""
    named = {"technology": record.technology, "corner": record.corner, "terms": record.terms}
    return {**named, **{f"{tool}_version": text for tool, text in record.versions.items()}}


def write_levels(
    levels: Sequence[Level], formats: Sequence[Format], folder: Path, look: Look = OWN_LOOK
) -> list[Path]:
    """Write the plot and its data (CSV, JSON) to ``folder``; returns the files.

    File names contain the technology, and ``weight`` for weight-stationary arrays.

    Raises UserError if a netlist is not proved, or if E2M1 is missing.
    """
    unproved = [each.format for level in levels for each in level.records if not each.is_proved]
    if unproved:
        raise UserError(f"Only proved netlists are plotted; not proved: {', '.join(unproved)}")
    technology = levels[0].records[0].technology
    dataflow = _dataflow(levels).get("dataflow")
    suffix = "_weight" if dataflow == Dataflow.WEIGHT.value else ""
    path = folder / f"levels_{technology}{suffix}"
    drawn_formats = [fmt for fmt in formats if fmt.bits <= _MOST_BITS] or list(formats)
    title = "Area per lane, divided by that of E2M1"
    with picture(*_SIZE_INCHES, title=title, caption=_caption(levels), look=look) as drawn:
        _draw(drawn.figure.add_subplot(), levels, drawn_formats)
        written = drawn.save(path)
    return [*written, *write_rows(path, level_rows(levels))]


def _dataflow(levels: Sequence[Level]) -> dict[str, Json]:
    """Dataflow and depth of the arrays; empty if no level has arrays."""
    for level in levels:
        first = level.records[0]
        if isinstance(first, ArrayRecord):
            return {"dataflow": first.dataflow, "depth": first.depth}
    return {}


def _caption(levels: Sequence[Level]) -> str:
    first = levels[0].records[0]
    versions = ", ".join(f"{tool} {version}" for tool, version in first.versions.items())
    kinds = "; ".join(dict.fromkeys(unit_title(level.records[0]) for level in levels))
    return (
        f"{first.technology}, {first.corner}, both operands in the format, no timing constraint, "
        f"without wires. {kinds}. Integer accumulators are lossless for {first.terms} products; "
        f"units with scales have FP32 accumulators. Every netlist is proved; {versions}"
    )


def _draw(axes: Axes, levels: Sequence[Level], formats: Sequence[Format]) -> None:
    """Draw a line for each format, labelled at both ends."""
    places = range(len(levels))
    ratios = {fmt.name: [level.relative[fmt.name] for level in levels] for fmt in formats}
    titles = {fmt.name: fmt.title for fmt in formats}
    order = sorted(ratios, key=lambda name: ratios[name][-1])
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(order)}
    for place, name in enumerate(order):
        axes.plot(
            places, ratios[name], _STYLES[place // len(_COLOURS) % len(_STYLES)], marker="o",
            markersize=scaled(4), linewidth=scaled(2.4 if name == BASELINE else 1.5),
            color=colours[name],
        )  # fmt: skip
    every = [ratio for of_format in ratios.values() for ratio in of_format]
    span = max(every) / min(every)
    axes.set_yscale("log")
    axes.set_ylim(min(every) / span**_MARGIN, max(every) * span**_MARGIN)
    axes.set_xlim(-_ROOM, len(levels) - 1 + _ROOM)
    axes.set_xticks(list(places), [level.title for level in levels])
    axes.set_yticks([step / 10 for step in range(1, 60) if _is_inside(axes, step / 10)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:.1f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("area divided by E2M1's (less is better)")
    axes.grid(visible=True, color="#e6e6e6", linewidth=scaled(0.6))
    axes.spines[["top", "right"]].set_visible(False)
    for end, step, side in ((0, -1, "right"), (len(levels) - 1, 1, "left")):
        heights = {name: log(ratios[name][end]) for name in order}
        least = _LEAST_GAP * log(span)
        for name, height in spread(heights, least).items():
            axes.text(
                end + step * _BESIDE, exp(height), f"{titles[name]}  {ratios[name][end]:.2f}",
                color=colours[name], fontsize=scaled(9), ha=side, va="center",
                fontweight="bold" if name == BASELINE else "normal",
            )  # fmt: skip


def _is_inside(axes: Axes, ratio: float) -> bool:
    low, high = axes.get_ylim()
    return low <= ratio <= high


def spread(heights: Mapping[str, float], least: float) -> dict[str, float]:
    """Move heights until they are at least ``least`` apart.

    They stay in order, and the sum of the squared moves is as small as possible.
    """
    order = sorted(heights, key=lambda name: heights[name])
    steps = least * np.arange(len(order))
    moved = isotonic_regression(np.array([heights[name] for name in order]) - steps).x + steps
    return dict(zip(order, map(float, moved), strict=True))
