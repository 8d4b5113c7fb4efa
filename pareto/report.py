"""The report: two plots with their data, and the table of claims, as files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halfbyte.area import is_proved
from halfbyte.base import UserError, write_atomically
from halfbyte.formats import Format
from halfbyte.pareto.axes import MAC_AREA, Axis
from halfbyte.pareto.claims import Claim, claims, points_of
from halfbyte.pareto.frontier import Point, frontier
from halfbyte.pareto.lossless import TITLE, lossless_note, lossless_point
from halfbyte.pareto.paper import published, w4a4_accuracy
from halfbyte.pareto.plot import draw_frontier
from halfbyte.pareto.quality import Quality, measured_quality

__all__ = ["write_report"]

SIZE_INCHES, DPI = (9.0, 6.2), 160
# The user's own settings of matplotlib must not change the plots; with a salt of its own the same
# figure gives the same SVG.
STYLE: list[str | Path | dict[str, Any]] = ["default", {"svg.hashsalt": "halfbyte"}]
CAPTION_WIDTH = 150  # letters in a line
CAPTION_LINE = 0.019  # of the figure's height
TITLE_WIDTH = 78  # letters at full size
# Wider formats stay in the tables: their areas would squeeze the 4-bit ones into a corner.
MAX_PLOTTED_BITS = 5


def write_report(
    formats: Sequence[Format],
    area_records: Sequence[Mapping[str, Any]],
    accuracy_records: Sequence[Mapping[str, Any]],
    folder: Path,
    axis: Axis = MAC_AREA,
    lossless: Mapping[str, Any] | None = None,
) -> tuple[list[Claim], list[Path]]:
    """Write plots (PNG, SVG), their data (CSV, JSON) and the claims (Markdown, JSON) to ``folder``.

    Parameters
    ----------
    formats : sequence of Format
        The formats of the records.
    area_records, accuracy_records : sequence of record
        As ``area.synthesize`` and ``accuracy.evaluate`` give them, one of each per format.
    folder : Path
        Made if need be; files are replaced whole.
    axis : Axis
        What is drawn to the right. The claims are about MAC areas, whatever is drawn.

    lossless : record, optional
        As ``pareto.lossless.lossless_record`` gives it: a point beside those of the formats.

    Returns the claims and the files. Raises UserError if a netlist has no proof.
    """
    if not area_records:
        raise UserError("A Pareto plot needs at least one format")
    shown = [*area_records, *([lossless] if lossless else [])]
    unproved = [str(record["format"]) for record in shown if not is_proved(record)]
    if unproved:
        raise UserError(
            f"Only proved netlists are plotted; not proved: {', '.join(unproved)} "
            "(halfbyte prove FORMAT tells more)"
        )
    areas = {record["format"]: record for record in area_records}
    accuracies = {record["format"]: record for record in accuracy_records}
    quality = measured_quality(accuracy_records)
    # If there are only wide ones, they are not in the way of others.
    plotted = [fmt for fmt in formats if fmt.bits <= MAX_PLOTTED_BITS] or formats
    written = []
    for plot in _plots(plotted, quality):
        points = points_of(areas, plot.qualities, axis)
        beyond = lossless_point(lossless, plot.lossless, axis) if lossless else None
        if points:
            suffix = "" if axis is MAC_AREA else f"_by_{axis.name}"
            path = folder / f"{plot.name}{suffix}"
            written += _write_plot(path, plot, axis, plotted, areas, points, lossless, beyond)
            known = {**areas, beyond.format: lossless} if lossless and beyond else areas
            both = [*points, *([beyond] if beyond else [])]
            written += _write_data(path, plot, axis, known, accuracies, both)
    answered = claims(areas, quality)
    written += _write_claims(folder / "claims", answered)
    return answered, written


class _Plot(NamedTuple):
    name: str
    title: str
    """What the cost is drawn against."""
    key: str
    """Column of the quality in the data beside the plot."""
    label: str
    qualities: Mapping[str, float | None]
    note: str
    intervals: Mapping[str, tuple[float, float]]
    lossless: float
    """The quality of what loses nothing."""


def _plots(plotted: Sequence[Format], quality: Quality | None) -> list[_Plot]:
    names = {fmt.name for fmt in plotted}
    plots: list[_Plot] = []
    if names & set(published()["w4a4_delta_percent"]["plain"]):
        paper = w4a4_accuracy(names)
        plots.append(
            _Plot(
                "published_accuracy",
                "published W4A4 accuracy",
                "published_w4a4_change_percent",
                "mean relative accuracy change, %",
                paper.by_format,
                f"accuracy: {paper.source}, Table 8, W4A4, block 128, mean over the models with a "
                f"figure for every format shown: {', '.join(paper.models)}"
                + _table_note([fmt for fmt in plotted if fmt.name in paper.by_format]),
                {},
                0.0,
            )
        )
    values = (
        {name: each for name, each in quality.values.items() if name in names} if quality else {}
    )
    if quality and values:
        plots.append(
            _Plot(
                f"measured_{quality.key}",
                quality.title,
                quality.key,
                quality.label,
                values,
                quality.note,
                quality.intervals,
                quality.lossless,
            )
        )
    return plots


def _table_note(shown: Sequence[Format]) -> str:
    """How the hardware's quantile formats differ from those whose accuracy was published."""
    tables = [
        f"{fmt.title} ({fmt.integer_width} bits)" for fmt in shown if fmt.family == "quantile"
    ]
    return f"; real values there, tables here: {', '.join(tables)}" if tables else ""


def _area_caption(areas: Mapping[str, Mapping[str, Any]], points: Sequence[Point]) -> str:
    shown = [areas[point.format] for point in points]
    first = shown[0]
    recipes = sorted({record["recipe"] for record in shown})
    versions = ", ".join(f"{tool} {version}" for tool, version in first["versions"].items())
    return (
        f"area: {first['technology']}, {first['corner']}, lossless for {first['terms']} terms, no "
        f"timing constraint, best of recipes {', '.join(recipes)}; {versions}"
    )


def _title(fmt: Format) -> str:
    return fmt.title if fmt.bits == 4 else f"{fmt.title}, {fmt.bits} bits"


def _write_plot(
    path: Path,
    plot: _Plot,
    axis: Axis,
    formats: Sequence[Format],
    areas: Mapping[str, Mapping[str, Any]],
    points: Sequence[Point],
    lossless: Mapping[str, Any] | None,
    beyond: Point | None,
) -> list[Path]:
    written = []
    with style.context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, dpi=DPI)
        FigureCanvasAgg(figure)
        ours = lossless_note(lossless) if lossless and beyond else ""
        notes = filter(None, (_area_caption(areas, points), axis.note, plot.note, ours))
        lines = [line for note in notes for line in wrap(note, CAPTION_WIDTH)]
        bottom = max(0.17, 0.105 + CAPTION_LINE * len(lines))
        axes = figure.add_axes((0.09, bottom, 0.88, 0.9 - bottom))
        title = f"{axis.title} against {plot.title}"
        size = min(12.0, 12.0 * TITLE_WIDTH / len(title))
        axes.set_title(title, loc="left", fontsize=size, fontweight="bold", pad=24)
        draw_frontier(
            axes,
            points,
            titles={
                **{fmt.name: _title(fmt) for fmt in formats},
                **({beyond.format: TITLE} if beyond else {}),
            },
            families={fmt.name: fmt.family for fmt in formats},
            cost_label=axis.label,
            quality_label=plot.label,
            intervals=plot.intervals,
            lossless=beyond,
        )
        figure.text(0.09, 0.015, "\n".join(lines), fontsize=7, color="#555555", va="bottom")
        for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], metadata=metadata)
            written.append(path.with_suffix(suffix))
            write_atomically(written[-1], buffer.getvalue())
    return written


def _write_data(
    path: Path,
    plot: _Plot,
    axis: Axis,
    areas: Mapping[str, Mapping[str, Any]],
    accuracies: Mapping[str, Mapping[str, Any]],
    points: Sequence[Point],
) -> list[Path]:
    best = frontier(points)
    rows = [
        {
            "format": point.format,
            "area_um2": areas[point.format]["area_um2"],
            "area_ge": areas[point.format]["area_ge"],
            axis.column: point.cost,
            plot.key: point.quality,
            "on_frontier": point in best,
            "architecture": areas[point.format]["architecture"],
            "recipe": areas[point.format]["recipe"],
            "acc_width": areas[point.format]["acc_width"],
            **_measured(accuracies.get(point.format)),
            "technology": areas[point.format]["technology"],
            "corner": areas[point.format]["corner"],
            "terms": areas[point.format]["terms"],
        }
        for point in sorted(points, key=lambda each: each.cost)
    ]
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path.with_suffix(".csv"), text.getvalue())
    write_atomically(path.with_suffix(".json"), json.dumps(rows, indent=2) + "\n")
    return [path.with_suffix(".csv"), path.with_suffix(".json")]


def _measured(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The figures of an evaluation in flat columns."""
    if record is None:
        return {}
    return {
        "sqnr_db": record["sqnr_db"],
        **{
            f"{name}_{key}": measure[key]
            for name, measure in record["measures"].items()
            for key in ("value", "low", "high", "loss", "loss_low", "loss_high")
        },
    }


def _write_claims(path: Path, answered: Sequence[Claim]) -> list[Path]:
    lines = ["| question | paper | here | verdict | why |", "|---|---|---|---|---|"]
    lines += [
        f"| {claim.question} | {claim.paper} | {claim.ours} | {claim.verdict} | {claim.why} |"
        for claim in answered
    ]
    write_atomically(path.with_suffix(".md"), "\n".join(lines) + "\n")
    data = [claim.as_dict() for claim in answered]
    write_atomically(path.with_suffix(".json"), json.dumps(data, indent=2) + "\n")
    return [path.with_suffix(".md"), path.with_suffix(".json")]
