"""Write the Pareto report: plots with their data, and a table of the paper's claims.

*The paper* is Dotzel et al. (2024); :mod:`.paper` holds its numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from halfbyte.accuracy.record import EvaluationRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import Json, UserError, write_atomically
from halfbyte.base.figures import picture
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.tables import write_json, write_rows
from halfbyte.formats import Format
from halfbyte.pareto.axes import MAC_AREA, Axis
from halfbyte.pareto.claims import claims, points_of
from halfbyte.pareto.frontier import Point, frontier
from halfbyte.pareto.hardware import (
    UNIT_KEYS,
    HardwareRecord,
    file_tag,
    other_operands,
    scale_of,
    unit_title,
)
from halfbyte.pareto.lossless import TITLE, lossless_note, lossless_point
from halfbyte.pareto.paper import published, w4a4_accuracy
from halfbyte.pareto.plot import draw_frontier
from halfbyte.pareto.quality import Quality, measured_quality
from halfbyte.pareto.records import Claim, LosslessRecord

__all__ = ["measured_frontier", "write_report"]

SIZE_INCHES = (9.0, 6.2)
# Wider formats are only in the tables that the command prints: in the plot they would squeeze the
# 4-bit formats into a corner.
MAX_PLOTTED_BITS = 5


def write_report(
    formats: Sequence[Format],
    area_records: Sequence[HardwareRecord],
    accuracy_records: Sequence[EvaluationRecord],
    folder: Path,
    axis: Axis = MAC_AREA,
    lossless: LosslessRecord | None = None,
    look: Look = OWN_LOOK,
) -> tuple[list[Claim], list[Path]]:
    """Write plots, their data (CSV, JSON) and the claims (Markdown, JSON) to ``folder``.

    A plot is a PNG, an SVG and a PDF, with its title and caption in a text file.

    Parameters
    ----------
    formats : sequence of Format
        The formats of the records.
    area_records : sequence of record
        Results of ``area.synthesize``, or those of dot-product units or arrays; one for each
        format.
    accuracy_records : sequence of EvaluationRecord
        Results of ``accuracy.evaluate``, one for each format.
    folder : Path
        Created if missing; existing files are replaced as a whole.
    axis : Axis
        The horizontal axis of the plots. The claims are always about area: that of a MAC, or the
        area per lane of a unit or array.
    lossless : LosslessRecord, optional
        Result of ``pareto.lossless.lossless_record``, drawn as an extra point.
    look : Look
        How the plots are saved.

    Returns the claims and the files. Raises UserError if ``area_records`` is empty, or if a netlist
    is not proved.
    """
    if not area_records:
        raise UserError("A Pareto plot needs at least one format")
    shown: list[HardwareRecord | LosslessRecord] = [*area_records]
    shown += [lossless] if lossless else []
    unproved = [record.format for record in shown if not record.is_proved]
    if unproved:
        raise UserError(
            f"Only proved netlists are plotted; not proved: {', '.join(unproved)} "
            "(halfbyte prove FORMAT tells more)"
        )
    areas = {record.format: record for record in area_records}
    accuracies = {record.format: record for record in accuracy_records}
    quality = measured_quality(accuracy_records)
    plotted = _plotted(formats)
    # File names get a suffix such as ``_x_int8`` if activations have their own format, and
    # ``_dot32`` for a unit of 32 lanes. The paper's accuracies are for one format in both operands
    # and scales of full precision, so they do not apply to other hardware.
    operands = "".join(f"_x_{name}" for name in other_operands(area_records))
    tag = file_tag(area_records[0])
    compares = not operands and scale_of(area_records[0]) is None
    plots = [plot for plot in _plots(plotted, quality) if plot.is_measured or compares]
    written = []
    for plot in plots:
        points = points_of(areas, plot.qualities, axis)
        beyond = lossless_point(lossless, plot.lossless, axis) if lossless else None
        if points:
            suffix = "" if axis is MAC_AREA else f"_by_{axis.name}"
            path = folder / f"{plot.name}{suffix}{operands}{f'_{tag}' * bool(tag)}"
            wide = [fmt for fmt in formats if fmt not in plotted]
            caption = _caption(areas, points, axis, plot, wide, lossless if beyond else None)
            written += _write_plot(path, plot, axis, plotted, points, beyond, caption, look)
            known: dict[str, HardwareRecord | LosslessRecord] = {**areas}
            if lossless and beyond:
                known[beyond.format] = lossless
            both = [*points, *([beyond] if beyond else [])]
            written += _write_data(path, plot, axis, known, accuracies, both)
    answered = [] if operands else claims(areas, quality)
    if not operands:
        written += _write_claims(folder / "claims", answered)
    return answered, written


def measured_frontier(
    formats: Sequence[Format],
    area_records: Sequence[HardwareRecord],
    accuracy_records: Sequence[EvaluationRecord],
    axis: Axis = MAC_AREA,
) -> list[str]:
    """Names of the formats on the frontier of the plot of measured quality, by ascending cost.

    The parameters are those of :func:`write_report`. Formats that are too wide for the plot are
    left out. The list is empty without accuracy records.
    """
    quality = measured_quality(accuracy_records)
    if quality is None:
        return []
    names = {fmt.name for fmt in _plotted(formats)}
    values = {name: value for name, value in quality.values.items() if name in names}
    points = points_of({record.format: record for record in area_records}, values, axis)
    return [point.format for point in frontier(points)]


def _plotted(formats: Sequence[Format]) -> Sequence[Format]:
    """The formats that are drawn; wide ones only if all are wide."""
    return [fmt for fmt in formats if fmt.bits <= MAX_PLOTTED_BITS] or formats


class _Plot(NamedTuple):
    """What a plot draws against the cost: the quality of each format, from one source."""

    name: str
    title: str
    """The name of the quality, as part of the plot's title."""
    key: str
    """Column of the quality in the data beside the plot."""
    label: str
    qualities: Mapping[str, float | None]
    note: str
    intervals: Mapping[str, tuple[float, float]]
    lossless: float
    """The quality of the unquantized model."""
    is_loss: bool = False
    """Whether the qualities are negated losses."""

    @property
    def is_measured(self) -> bool:
        """Whether the quality was measured by this project, not published by others."""
        return self.name.startswith("measured_")


def _plots(plotted: Sequence[Format], quality: Quality | None) -> list[_Plot]:
    """The plots to draw: one of the published and one of the measured quality, if known."""
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
                f"number for every format shown: {', '.join(paper.models)}"
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
                f"{quality.key}_loss_percent" if quality.is_loss else quality.key,
                quality.label,
                values,
                quality.note,
                quality.intervals,
                quality.lossless,
                quality.is_loss,
            )
        )
    return plots


def _operands(records: Iterable[HardwareRecord]) -> str:
    """The operands of the hardware, for a caption."""
    others = other_operands(records)
    return f"activations in {', '.join(others)}" if others else "both operands in the format"


def _table_note(shown: Sequence[Format]) -> str:
    """A note on how the hardware's quantile formats differ from the published ones; or empty."""
    tables = [
        f"{fmt.title} (to {fmt.integer_width} bits)" for fmt in shown if fmt.family == "quantile"
    ]
    return f"; rounded here but not in the paper: {', '.join(tables)}" if tables else ""


def _area_caption(areas: Mapping[str, HardwareRecord], points: Sequence[Point]) -> str:
    """How the areas were synthesized.

    The ``terms`` of a record are the number of products that its accumulator adds without loss.
    They are None for an FP32 accumulator.
    """
    shown = [areas[point.format] for point in points]
    first = shown[0]
    recipes = sorted({record.recipe for record in shown})
    versions = ", ".join(f"{tool} {version}" for tool, version in first.versions.items())
    sums = f"lossless for {first.terms} products" if first.terms else "FP32 accumulator"
    unit = f"{unit_title(first)}, " if isinstance(first, DotRecord) else ""
    return (
        f"area: {unit}{first.technology}, {first.corner}, {_operands(shown)}, {sums}, "
        f"no timing constraint, best of recipes {', '.join(recipes)}; {versions}"
    )


def _title(fmt: Format) -> str:
    return fmt.title if fmt.bits == 4 else f"{fmt.title}, {fmt.bits} bits"


def _caption(
    areas: Mapping[str, HardwareRecord],
    points: Sequence[Point],
    axis: Axis,
    plot: _Plot,
    wide: Sequence[Format],
    lossless: LosslessRecord | None,
) -> str:
    left_out = ", ".join(fmt.title for fmt in wide if fmt.name in areas)
    notes = [
        _area_caption(areas, points),
        axis.note,
        plot.note,
        lossless_note(lossless) if lossless else "",
        f"only in the tables, because they have more than {MAX_PLOTTED_BITS} bits: {left_out}"
        if left_out
        else "",
    ]
    return ". ".join(note[0].upper() + note[1:] for note in notes if note) + "."


def _write_plot(
    path: Path,
    plot: _Plot,
    axis: Axis,
    formats: Sequence[Format],
    points: Sequence[Point],
    beyond: Point | None,
    caption: str,
    look: Look,
) -> list[Path]:
    title = f"{axis.title} against {plot.title}"
    with picture(*SIZE_INCHES, title=title, caption=caption, look=look) as drawn:
        draw_frontier(
            drawn.figure.add_subplot(),
            points,
            titles={
                **{fmt.name: _title(fmt) for fmt in formats},
                **({beyond.format: TITLE} if beyond else {}),
            },
            families={fmt.name: fmt.family for fmt in formats},
            cost_label=axis.label,
            cost_unit=axis.unit,
            quality_label=plot.label,
            intervals=plot.intervals,
            lossless=beyond,
            is_loss=plot.is_loss,
        )
        return drawn.save(path)


def _write_data(
    path: Path,
    plot: _Plot,
    axis: Axis,
    records: Mapping[str, HardwareRecord | LosslessRecord],
    accuracies: Mapping[str, EvaluationRecord],
    points: Sequence[Point],
) -> list[Path]:
    best = frontier(points)
    has_operand = bool(other_operands(records.values()))
    rows: list[dict[str, Json]] = []
    for point in sorted(points, key=lambda each: each.cost):
        record = records[point.format]
        rows.append(
            {
                "format": point.format,
                **({"activation": record.activation} if has_operand else {}),
                "area_um2": record.area_um2,
                "area_ge": record.area_ge,
                axis.column: point.cost,
                plot.key: 0 - point.quality if plot.is_loss else point.quality,
                "on_frontier": point in best,
                "architecture": record.architecture,
                "recipe": record.recipe,
                "acc_width": record.acc_width,
                **_unit_columns(record),
                **_measured(accuracies.get(point.format)),
                "technology": record.technology,
                "corner": record.corner,
                "terms": record.terms,
            }
        )
    return write_rows(path, rows)


def _unit_columns(record: HardwareRecord | LosslessRecord) -> dict[str, Json]:
    """The columns that only dot-product units and arrays have."""
    if not isinstance(record, DotRecord):
        return {}
    return {key: getattr(record, key) for key in ("unit", *UNIT_KEYS) if hasattr(record, key)}


def _measured(record: EvaluationRecord | None) -> dict[str, Json]:
    """The numbers of an evaluation, each in a column of its own."""
    if record is None:
        return {}
    return {
        "sqnr_db": record.sqnr_db,
        **{
            f"{name}_{key}": asdict(measure)[key]
            for name, measure in record.measures.items()
            for key in ("value", "low", "high", "loss", "loss_low", "loss_high")
        },
    }


def _write_claims(path: Path, answered: Sequence[Claim]) -> list[Path]:
    """Write the claims as a Markdown table and as JSON, beside each other; returns the files."""
    lines = ["| question | paper | here | verdict | why |", "|---|---|---|---|---|"]
    lines += [
        f"| {claim.question} | {claim.paper} | {claim.ours} | {claim.verdict} | {claim.why} |"
        for claim in answered
    ]
    text = path.with_name(f"{path.name}.md")
    write_atomically(text, "\n".join(lines) + "\n")
    listed = [claim.as_json() for claim in answered]
    return [text, write_json(path.with_name(f"{path.name}.json"), listed)]
