"""Evaluations as files: a chart of the losses with their intervals, CSV and JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halfbyte.accuracy.evaluation import Evaluation
from halfbyte.accuracy.ranking import rank
from halfbyte.base import write_atomically

__all__ = ["draw_losses", "write_evaluations"]

_COLOUR, _DPI = "#0072B2", 160


def draw_losses(axes: Axes, records: Sequence[Mapping[str, Any]], measure: str) -> None:
    """Draw one measure's relative loss of each format, best on top, with its 95 % interval.

    A format without a relative loss has no point.

    Parameters
    ----------
    axes : Axes
        Where to draw; the loss in per cent goes to the right.
    records : sequence of mapping
        Records of :func:`halfbyte.accuracy.evaluate`, best first.
    measure : str
        Which of their measures.
    """
    figures = [record["measures"][measure] for record in records]
    rows = range(len(records))
    drawn = [(row, each) for row, each in enumerate(figures) if each["loss"] is not None]
    axes.errorbar(
        [100 * each["loss"] for _, each in drawn],
        [row for row, _ in drawn],
        xerr=_reach([each for _, each in drawn]),
        fmt="o",
        color=_COLOUR,
        ecolor="#888888",
        capsize=3,
    )
    axes.set_ylim(-0.5, len(records) - 0.5)
    axes.set_yticks(list(rows), [str(record["format"]) for record in records])
    axes.invert_yaxis()
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_xlabel(f"relative loss in {figures[0]['title']}, % (less is better)")
    axes.grid(visible=True, axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _reach(figures: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """How far the intervals of losses reach down and up, in per cent; 0 where there is none."""
    ends = [
        (each["loss"],) * 2 if each["loss_low"] is None else (each["loss_low"], each["loss_high"])
        for each in figures
    ]
    losses = [each["loss"] for each in figures]
    down = [100 * max(0.0, x - low) for x, (low, _) in zip(losses, ends, strict=True)]
    up = [100 * max(0.0, high - x) for x, (_, high) in zip(losses, ends, strict=True)]
    return [down, up]


def write_evaluations(evaluations: Sequence[Evaluation], folder: Path) -> list[Path]:
    """Write ``RECIPE.png``, ``.svg``, ``.csv`` and ``.json`` to ``folder``; returns the files."""
    records = [place.evaluation.record for place in rank(evaluations)]
    path = folder / str(records[0]["recipe"])
    files = [path.with_name(f"{path.name}{suffix}") for suffix in (".png", ".svg", ".csv", ".json")]
    for file in files[:2]:
        write_atomically(file, _picture(records, file.suffix[1:]))
    write_atomically(files[2], _as_csv(records))
    write_atomically(files[3], json.dumps(records, indent=2, allow_nan=False) + "\n")
    return files


def _picture(records: Sequence[Mapping[str, Any]], kind: str) -> bytes:
    measures = list(records[0]["measures"])
    figure = Figure(figsize=(5.2 * len(measures), 1.8 + 0.28 * len(records)), dpi=_DPI)
    FigureCanvasAgg(figure)
    first = records[0]
    note = (
        f"{first['model']}, recipe {first['recipe']}; 95 % intervals, paired bootstrap over "
        f"{first['items']} {first['item']}; torch {first['versions']['torch']}"
    )
    for axes, measure in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures):  # noqa: B905
        draw_losses(axes, records, measure)
    figure.suptitle("\n".join(wrap(note, 50 * len(measures))), fontsize=9, color="#555555")
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()


def _as_csv(records: Sequence[Mapping[str, Any]]) -> str:
    keys = ("value", "low", "high", "baseline", "loss", "loss_low", "loss_high")
    rows = [
        {
            "format": record["format"],
            "model": record["model"],
            "recipe": record["recipe"],
            "bits_per_weight": record["bits_per_weight"],
            "sqnr_db": record["sqnr_db"],
            **{
                f"{name}_{key}": measure[key]
                for name, measure in record["measures"].items()
                for key in keys
            },
        }
        for record in records
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
