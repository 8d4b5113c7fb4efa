"""Plot the area and the slack of each format's MACs against the clock, and write the data."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from halfbyte.area import SynthesisRecord
from halfbyte.base import UserError
from halfbyte.base.figures import picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.tables import write_rows
from halfbyte.pareto.labels import Label, place_labels

__all__ = ["draw_area", "draw_slack", "write_curve"]

SIZE_INCHES = (9.0, 6.8)
MARGIN = 1.12  # the horizontal axis reaches this factor beyond the longest and shortest time
# Okabe and Ito's colours, which colour-blind readers can tell apart; reused with dashed lines.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_DASHES = ("-", "--", ":")
_TICKS_NS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)
_COLUMNS = (
    *("format", "activation", "clock_ps", "area_um2", "delay_ps", "slack_ps", "wns_ps"),
    *(
        "energy_fj",
        "glitch_energy_fj",
        "leakage_nw",
        "architecture",
        "recipe",
        "technology",
        "corner",
        "terms",
    ),
)


def _by_format(records: Sequence[SynthesisRecord]) -> list[tuple[str, list[SynthesisRecord]]]:
    return [(name, list(group)) for name, group in groupby(records, key=lambda each: each.pair)]


def _label(name: str, record: SynthesisRecord, titles: Mapping[str, str]) -> str:
    """The title of the weight's format, with the activation's format if it differs."""
    title = titles.get(record.format, name)
    return title if record.activation == record.format else f"{title} x {record.activation}"


class _Line(TypedDict):
    """How a line is drawn; keyword arguments of matplotlib."""

    color: str
    linestyle: str
    linewidth: float


def _line(place: int) -> _Line:
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _DASHES[place // len(_COLOURS) % len(_DASHES)],
        "linewidth": scaled(1.8),
    }


def draw_area(
    axes: Axes, records: Sequence[SynthesisRecord], titles: Mapping[str, str]
) -> list[Label]:
    """Draw, for each format, the least area that meets each clock, as a staircase.

    A ring marks the fastest netlist of each format. Returns the labels of the rings, to be placed
    when the limits of the axes are final.

    Parameters
    ----------
    axes : Axes
        Where to draw. The horizontal axis is the clock period in ns, logarithmic.
    records : sequence of SynthesisRecord
        Results of ``area.sweep_clocks``.
    titles : mapping of str
        The displayed name of each format.
    """
    labels = []
    for place, (name, group) in enumerate(_by_format(records)):
        colour = _line(place)["color"]
        points = sorted({(_delay(each) / 1e3, each.area_um2) for each in group}, reverse=True)
        front = [points[0]]
        for delay, area in points[1:]:
            if delay < front[-1][0]:
                front.append((delay, area))
        right = MARGIN * max(map(_clock, group)) / 1e3
        delays, areas = zip(*front, strict=True)
        axes.step(
            (max(right, delays[0]), *delays),
            (areas[0], *areas),
            where="pre",
            label=_label(name, group[0], titles),
            **_line(place),
        )
        axes.plot(delays, areas, "o", markersize=scaled(4.5), color=colour)
        axes.plot(
            delays[-1],
            areas[-1],
            "o",
            markersize=scaled(11),
            markerfacecolor="none",
            color=colour,
        )
        labels.append(Label(f"{delays[-1]:.2f} ns", delays[-1], areas[-1], colour, False))
    axes.set_ylabel("MAC area, µm²")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.legend(frameon=False, loc="upper right", fontsize=scaled(10))
    axes.margins(y=0.12)
    return labels


def draw_slack(axes: Axes, records: Sequence[SynthesisRecord]) -> list[Label]:
    """Draw the slack of each record, in % of its clock period, against this period.

    Below zero, the clock is not met. Returns a label for each format that misses a clock, at its
    worst slack in %. The labels are to be placed when the limits of the axes are final.
    """
    labels = []
    for place, (_, group) in enumerate(_by_format(records)):
        clocks = [_clock(each) / 1e3 for each in group]
        slacks = [100 * (each.slack_ps or 0.0) / _clock(each) for each in group]
        axes.plot(clocks, slacks, marker="o", markersize=scaled(4.5), **_line(place))
        worst = min(range(len(group)), key=lambda index: slacks[index])
        if slacks[worst] < 0:
            text = f"WNS {group[worst].wns_ps:,.0f} ps"
            labels.append(Label(text, clocks[worst], slacks[worst], _line(place)["color"], False))
    axes.axhline(0, color="#555555", linewidth=scaled(0.9))
    low, high = axes.get_ylim()
    low = min(low, -1) * MARGIN
    axes.axhspan(low, 0, color="#D55E00", alpha=0.07, linewidth=0)
    axes.text(
        0.99,
        0.03,
        "clock not met",
        transform=axes.transAxes,
        horizontalalignment="right",
        fontsize=scaled(8.5),
        color="#8a3d00",
    )
    axes.set_ylim(low, high)
    axes.set_ylabel("slack, % of the clock")
    axes.set_xlabel("clock period, ns (less is faster)")
    return labels


def _lines(axes: Axes) -> list[list[tuple[float, float]]]:
    """Corners of the coloured lines and staircases."""
    colours = [_line(place)["color"] for place in range(len(_COLOURS))]
    drawn = [line for line in axes.lines if line.get_color() in colours]
    return [[(float(x), float(y)) for x, y in np.asarray(line.get_xydata())] for line in drawn]


def _tidy(axes: Axes, periods: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with limits and ticks that suit ``periods`` in ns."""
    axes.set_xscale("log")
    low, high = min(periods), max(periods)
    axes.set_xlim(low / MARGIN, high * MARGIN)
    ticks = [tick for tick in _TICKS_NS if low / MARGIN <= tick <= high * MARGIN]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(visible=True, color="#e6e6e6", linewidth=scaled(0.6), zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _caption(records: Sequence[SynthesisRecord]) -> str:
    """How the plotted netlists were synthesized and timed."""
    first = records[0]
    versions = ", ".join(f"{tool} {version}" for tool, version in first.versions.items())
    return (
        f"{first.technology}, {first.corner}, accumulators lossless for {first.terms} products. "
        "Steps: the smallest netlist found that meets a clock; rings: the fastest netlist found, "
        "with its delay. Delay: the longest path to a register, from another register or from an "
        "input that changes with the clock, with setup time, from the library's tables, without "
        "wires. WNS: worst negative slack, the time by which the slowest path misses the clock. "
        f"Netlists without a proof are left out. {versions}"
    )


def write_curve(
    records: Sequence[SynthesisRecord],
    titles: Mapping[str, str],
    folder: Path,
    look: Look = OWN_LOOK,
) -> list[Path]:
    """Write the plot and its data (CSV, JSON) to ``folder``; returns the files.

    Records that are not proved are in the data only. Raises UserError if no record is proved, or if
    a proved record lacks its clock or its delay.

    Parameters
    ----------
    records : sequence of SynthesisRecord
        Results of ``area.sweep_clocks``, sorted by format.
    titles : mapping of str
        The displayed name of each format.
    folder : Path
        Created if missing; existing files are replaced as a whole.
    look : Look
        How the plot is saved.
    """
    others = dict.fromkeys(each.activation for each in records if each.activation != each.format)
    operands = "".join(f"_x_{name}" for name in others)
    path = folder / f"area_clock_{records[0].technology}{operands}"
    proved = [record for record in records if record.is_proved]
    if not proved:
        raise UserError("No netlist of the curve is proved: there is nothing to plot")
    title = f"Area against clock, {records[0].technology}"
    with picture(*SIZE_INCHES, title=title, caption=_caption(proved), look=look) as drawn:
        upper, lower = drawn.figure.subplots(2, 1, sharex=True, height_ratios=(2.3, 1))
        labels = [(upper, draw_area(upper, proved, titles)), (lower, draw_slack(lower, proved))]
        periods = [time / 1e3 for each in proved for time in (_clock(each), _delay(each))]
        for axes, _ in labels:
            _tidy(axes, periods)
        for axes, texts in labels:
            place_labels(axes, texts, *_lines(axes))
        written = drawn.save(path)
    listed = [record.as_json() for record in records]
    return [*written, *write_rows(path, [{key: each[key] for key in _COLUMNS} for each in listed])]


def _clock(record: SynthesisRecord) -> float:
    """The clock period in ps; raises UserError if the record lacks it."""
    if record.clock_ps is None:
        raise UserError(f"The record of {record.format} has no clock: sweep clocks first")
    return record.clock_ps


def _delay(record: SynthesisRecord) -> float:
    """The delay in ps; raises UserError if the record lacks it."""
    if record.delay_ps is None:
        raise UserError(f"The record of {record.format} has no delay: {record.not_measured}")
    return record.delay_ps
