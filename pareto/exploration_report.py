"""An exploration as files: plots, the table of the best, formats to go on with, CSV and JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halfbyte.area.proofs.record import is_proved
from halfbyte.base import UserError, write_atomically
from halfbyte.formats import Format, bundled
from halfbyte.pareto.exploration import Candidate, Findings
from halfbyte.pareto.exploration_plot import draw_area_by_value, draw_cloud, draw_gain_by_value
from halfbyte.pareto.report import STYLE

__all__ = ["summary_rows", "write_exploration"]

_DPI = 160
_LETTERS_PER_INCH = 17  # of a caption
_CAPTION_LINE_INCHES = 0.125
_CAPTION_COLOUR = "#555555"


def write_exploration(
    title: str, findings: Findings, records: Sequence[Mapping[str, Any]], folder: Path
) -> list[Path]:
    """Write what an exploration says to ``folder``; returns the files.

    Plots as PNG and SVG: ``frontier`` and, if there are supernormal values, ``supernormal``. As CSV
    and JSON: ``candidates`` with a row for each format, ``designs`` with one for each record. The
    frontier and the shipped formats as a table in ``frontier.md``; and the formats of the frontier
    as files under ``formats``, for the other commands.

    Raises UserError if a netlist that is shown by name has no proof; the other formats are a
    background without names.
    """
    unproved = [each.format.name for each in findings.shown if not is_proved(each.record)]
    if unproved:
        raise UserError(f"Only proved netlists are shown; not proved: {', '.join(unproved)}")
    named = _shipped_titles(findings)
    with style.context(STYLE):
        written = _save(_frontier_figure(title, findings, named), folder / "frontier")
        if groups := _groups(findings):
            figure = _supernormal_figure(title, findings, groups, named)
            written += _save(figure, folder / "supernormal")
    rows = [_row(findings, each) for each in findings.candidates]
    written += _write_rows(folder / "candidates", rows)
    written += _write_rows(folder / "designs", [_flat(record) for record in records])
    written.append(folder / "frontier.md")
    write_atomically(written[-1], _markdown(findings))
    for each in findings.frontier:
        if each.format.name not in named:
            written.append(folder / "formats" / f"{each.format.name}.yaml")
            write_atomically(written[-1], _format_file(each.format))
    return written


def _shipped_titles(findings: Findings) -> dict[str, str]:
    """Titles of the candidates with the values of a shipped format, by candidate's name."""
    shipped = {fmt.values: fmt.title for fmt in reversed(bundled())}
    return {
        each.format.name: shipped[each.format.values]
        for each in findings.candidates
        if each.format.values in shipped
    }


def _groups(findings: Findings) -> list[list[Candidate]]:
    """The candidates of each base that has supernormal variants, the base with them."""
    groups: dict[str, list[Candidate]] = {}
    for each in findings.candidates:
        if each.base is not None:
            groups.setdefault(each.base.name, []).append(each)
    return [group for group in groups.values() if len(group) > 1]


def summary_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the frontier and the shipped formats, by ascending area.

    Columns that start with ``>`` are right-aligned.
    """
    named = _shipped_titles(findings)
    columns = ["format", ">quantum", ">acc", ">area µm²", ">over base", "architecture"]
    columns += [f">dB, {parent.name}" for parent in findings.parents]
    columns += ["no larger and no less accurate", "proof"]
    rows = []
    for each in findings.shown:
        better = findings.dominator(each)
        rows.append(
            [
                named.get(each.format.name, each.format.title),
                str(each.format.quantum),
                str(each.record["acc_width"]),
                f"{each.area_um2:,.1f}",
                _over_base(findings, each),
                str(each.record["architecture"]),
                *(f"{each.distances[parent.name]:.3f}" for parent in findings.parents),
                named.get(better.format.name, better.format.title) if better else "frontier",
                str(each.record["proof"]["status"]),
            ]
        )
    return columns, rows


def _over_base(findings: Findings, candidate: Candidate) -> str:
    if candidate.base is None or candidate.base is candidate.format:
        return "-"
    (base,) = (each for each in findings.candidates if each.format is candidate.base)
    return f"{100 * (candidate.area_um2 / base.area_um2 - 1):+.1f} %"


def _markdown(findings: Findings) -> str:
    columns, rows = summary_rows(findings)
    titles = [column.removeprefix(">") for column in columns]
    marks = ["--:" if column.startswith(">") else "---" for column in columns]
    text = [f"| {' | '.join(line)} |\n" for line in (titles, *rows)]
    return "".join([text[0], f"|{'|'.join(marks)}|\n", *text[1:]])


def _caption(findings: Findings, note: str) -> str:
    record = findings.candidates[0].record
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    recipes = ", ".join(sorted({each.record["recipe"] for each in findings.candidates}))
    return (
        f"Area: {record['technology']}, {record['corner']}, both operands in the format, lossless "
        f"for {record['terms']} terms, no timing constraint, the smallest architecture with recipe "
        f"{recipes}; {versions}. SQNR: blocks of {findings.block}, scaled to the highest value, "
        f"beside the best levels there are for {findings.parents[0].title}. Netlists of the named "
        f"formats are proved, those of the small dots are not.{note}"
    )


def _figure(width: float, height: float, title: str, caption: str) -> tuple[Figure, float]:
    """A figure with its title and caption; also where, from the bottom, the caption ends."""
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    lines = wrap(caption, int(_LETTERS_PER_INCH * width))
    left, margin = 0.75 / width, 0.12
    figure.text(left, 1 - 0.32 / height, title, fontsize=13, fontweight="bold", va="center")
    figure.text(
        left, margin / height, "\n".join(lines), fontsize=7, color=_CAPTION_COLOUR, va="bottom"
    )
    return figure, (margin + _CAPTION_LINE_INCHES * len(lines)) / height


def _frontier_figure(title: str, findings: Findings, named: Mapping[str, str]) -> Figure:
    note = " 0000 formats lie outside."  # as long as the note that follows
    for _ in range(2):
        figure, end = _figure(10.0, 6.8, title, _caption(findings, note))
        bottom = end + 0.62 / 6.8
        axes = figure.add_axes((0.075, bottom, 0.9, 0.885 - bottom))
        outside = draw_cloud(axes, findings, named)
        note = f" {outside} of {len(findings.candidates)} formats lie outside." if outside else ""
    return figure


def _supernormal_figure(
    title: str, findings: Findings, groups: Sequence[Sequence[Candidate]], named: Mapping[str, str]
) -> Figure:
    width, height = max(10.0, 6.0 * len(groups)), 7.6
    figure, end = _figure(width, height, title, _caption(findings, ""))
    grid = figure.add_gridspec(
        2, len(groups), left=0.75 / width, right=1 - 0.2 / width, bottom=end + 0.6 / height,
        top=1 - 0.95 / height, hspace=0.09, wspace=0.16,
    )  # fmt: skip
    for column, group in enumerate(groups):
        upper = figure.add_subplot(grid[0, column])
        lower = figure.add_subplot(grid[1, column], sharex=upper)
        draw_gain_by_value(upper, group, findings, named)
        draw_area_by_value(lower, group, named)
        upper.tick_params(labelbottom=False)
        if column == 0:
            upper.legend(loc="lower center", fontsize=8, frameon=True, framealpha=0.9,
                         edgecolor="none")  # fmt: skip
    return figure


def _save(figure: Figure, path: Path) -> list[Path]:
    written = []
    for kind, metadata in (("png", {}), ("svg", {"Date": None})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata)
        written.append(path.with_suffix(f".{kind}"))
        write_atomically(written[-1], buffer.getvalue())
    return written


def _row(findings: Findings, candidate: Candidate) -> dict[str, Any]:
    fmt, record = candidate.format, candidate.record
    value = candidate.supernormal
    return {
        "format": fmt.name,
        "title": fmt.title,
        "base": candidate.base.name if candidate.base else None,
        "supernormal": None if value is None else float(value),
        "quantum": str(fmt.quantum),
        "integer_width": fmt.integer_width,
        **{
            key: record[key]
            for key in (
                "area_um2", "area_ge", "architecture", "recipe", "terms", "acc_width",
                "technology", "corner", "delay_ps", "proof",
            )
        },
        **{
            f"distance_db_{parent.name}": round(candidate.distances[parent.name], 4)
            for parent in findings.parents
        },
        "on_frontier": candidate in findings.frontier,
    }  # fmt: skip


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its versions as columns."""
    versions = {f"version_{name}": version for name, version in record["versions"].items()}
    return {**{key: value for key, value in record.items() if key != "versions"}, **versions}


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path.with_suffix(".csv"), text.getvalue())
    write_atomically(path.with_suffix(".json"), json.dumps(list(rows), indent=1) + "\n")
    return [path.with_suffix(".csv"), path.with_suffix(".json")]


def _format_file(fmt: Format) -> str:
    """The format as a file that every command takes."""
    lines = {
        "name": fmt.name,
        "title": json.dumps(fmt.title),
        "bits": str(fmt.bits),
        "values": f"[{', '.join(map(str, fmt.values))}]",
        "ties": fmt.ties.value,
        "source": json.dumps(fmt.source),
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())
