"""Write evaluations as files: a chart of losses with their intervals, a CSV and a JSON file.

The loss of a measure, such as bits per byte, says how much worse a format makes the model.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes

from halfbyte.accuracy.evaluation import Evaluation
from halfbyte.accuracy.ranking import rank
from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.base import write_atomically
from halfbyte.base.figures import picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.strict_json import Json
from halfbyte.base.tables import csv_text, write_json

__all__ = ["draw_losses", "write_evaluations"]

_COLOUR = "#0072B2"


def draw_losses(axes: Axes, records: Sequence[EvaluationRecord], measure: str) -> None:
    """Draw the relative loss of each format in one measure, with its 95 % interval.

    The best format is on top.

    A format without a relative loss has no point.

    Parameters
    ----------
    axes : Axes
        Where to draw. The loss in per cent is on the horizontal axis.
    records : sequence of EvaluationRecord
        Records of :func:`halfbyte.accuracy.evaluate`, best first.
    measure : str
        The name of the measure.
    """
    figures = [record.measures[measure] for record in records]
    rows = range(len(records))
    drawn = [(row, each) for row, each in enumerate(figures) if each.loss is not None]
    axes.errorbar(
        [100 * (each.loss or 0.0) for _, each in drawn],
        [row for row, _ in drawn],
        xerr=_reach([each for _, each in drawn]),
        fmt="o",
        color=_COLOUR,
        ecolor="#888888",
        capsize=scaled(3),
        markersize=scaled(6),
    )
    axes.set_ylim(-0.5, len(records) - 0.5)
    axes.set_yticks(list(rows), [record.format for record in records])
    axes.invert_yaxis()
    axes.axvline(0, color="#000000", linewidth=scaled(0.8))
    axes.set_xlabel(f"relative loss in {figures[0].title}, % (less is better)")
    axes.grid(visible=True, axis="x", color="#e6e6e6", linewidth=scaled(0.6))
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _reach(figures: Sequence[MeasureRecord]) -> list[list[float]]:
    """Lengths of the error bars to the left and right of each loss, in per cent; 0 if unknown."""
    down, up = [], []
    for each in figures:
        loss = each.loss or 0.0
        low, high = (loss if end is None else end for end in (each.loss_low, each.loss_high))
        down.append(100 * max(0.0, loss - low))
        up.append(100 * max(0.0, high - loss))
    return [down, up]


def write_evaluations(
    evaluations: Sequence[Evaluation], folder: Path, look: Look = OWN_LOOK
) -> list[Path]:
    """Write a chart (PNG, SVG, PDF, and its caption as TXT), a CSV and a JSON file.

    All files are named after the recipe. Returns their paths.
    """
    records = [place.evaluation.record for place in rank(evaluations)]
    path = folder / records[0].recipe
    written = _write_chart(records, path, look)
    table = path.with_name(f"{path.name}.csv")
    write_atomically(table, csv_text([_row(record) for record in records]))
    listed = [record.as_json() for record in records]
    return [*written, table, write_json(path.with_name(f"{path.name}.json"), listed)]


def _write_chart(records: Sequence[EvaluationRecord], path: Path, look: Look) -> list[Path]:
    first, measures = records[0], list(records[0].measures)
    title = f"Relative loss of {first.model} by format, recipe {first.recipe}"
    caption = (
        "Loss: how much worse the quantized model is, relative to the unquantized one. Bars: 95 % "
        f"intervals from a paired bootstrap over {first.items} {first.item}; "
        f"torch {first.versions['torch']}"
    )
    size = 5.2 * len(measures), 1.3 + 0.28 * len(records)
    with picture(*size, title=title, caption=caption, look=look) as drawn:
        panels = drawn.figure.subplots(1, len(measures), squeeze=False)[0]
        for axes, measure in zip(panels, measures, strict=True):
            draw_losses(axes, records, measure)
        return drawn.save(path)


def _row(record: EvaluationRecord) -> dict[str, Json]:
    """The row of a record in the CSV file."""
    keys = ("value", "low", "high", "baseline", "loss", "loss_low", "loss_high")
    return {
        "format": record.format,
        "model": record.model,
        "recipe": record.recipe,
        "bits_per_weight": record.bits_per_weight,
        "sqnr_db": record.sqnr_db,
        **{
            f"{name}_{key}": asdict(measure)[key]
            for name, measure in record.measures.items()
            for key in keys
        },
    }
