"""Write the findings of an exploration: plots, a table of the best formats, CSV and JSON.

A format is on the *frontier* if no other format is at least as small and as accurate, and better in
one of the two. *Shipped* formats come with halfbyte. A *base* is a format with a second zero; its
variants have a *supernormal* value instead. A *parent* is a distribution of values by which formats
are judged.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from halfbyte.area import SynthesisRecord
from halfbyte.base import Json, UserError, write_atomically
from halfbyte.base.figures import picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.tables import markdown_table, write_rows
from halfbyte.formats import bundled
from halfbyte.formats.writing import format_text
from halfbyte.pareto.exploration import Candidate, Findings
from halfbyte.pareto.exploration_plot import (
    count_outside,
    draw_area_by_value,
    draw_cloud,
    draw_gain_by_value,
)

__all__ = ["ACC_AND_BASE", "summary_rows", "write_exploration"]

ACC_AND_BASE = (
    "Acc: bits of the accumulator. Over base: the extra area over the same format with a second "
    "zero in place of its supernormal value."
)
"""What two columns of `summary_rows` mean."""
# What the columns of `summary_rows` mean, for the file with the table.
_COLUMNS_NOTE = (
    f"\nQuantum: the largest number that divides all values. {ACC_AND_BASE} dB: how far the "
    "signal-to-quantization-noise ratio is below that of the best possible values, for the "
    "distribution that the column names. No larger and no less accurate: the smallest format for "
    "which this is true, and which is better in one of the two; `frontier` if there is none.\n"
)


def write_exploration(
    title: str,
    findings: Findings,
    records: Sequence[SynthesisRecord],
    folder: Path,
    look: Look = OWN_LOOK,
) -> list[Path]:
    """Write the findings of an exploration to ``folder``; returns the files.

    The plots are ``frontier`` and, if there are supernormal values, ``supernormal``. The data are
    CSV and JSON: ``candidates`` has a row for each format, ``designs`` a row for each record.
    ``frontier.md`` is a table of the frontier and the shipped formats. The formats of the frontier
    that are not shipped are written as YAML files under ``formats``, for use by other commands.

    Raises UserError if a netlist of the frontier or of a shipped format is not proved. The plot
    ``frontier`` names only these formats; all others are small dots.
    """
    unproved = [each.format.name for each in findings.shown if not each.record.is_proved]
    if unproved:
        raise UserError(f"Only proved netlists are shown; not proved: {', '.join(unproved)}")
    named = _shipped_titles(findings)
    written = _draw_frontier(title, findings, named, folder / "frontier", look)
    if groups := _groups(findings):
        path = folder / "supernormal"
        written += _draw_supernormal(title, findings, groups, named, path, look)
    rows = [_row(findings, each) for each in findings.candidates]
    written += write_rows(folder / "candidates", rows)
    written += write_rows(folder / "designs", [_flat(record) for record in records])
    written.append(folder / "frontier.md")
    write_atomically(written[-1], markdown_table(*summary_rows(findings)) + _COLUMNS_NOTE)
    for each in findings.frontier:
        if each.format.name not in named:
            written.append(folder / "formats" / f"{each.format.name}.yaml")
            write_atomically(written[-1], format_text(each.format))
    return written


def _shipped_titles(findings: Findings) -> dict[str, str]:
    """For each candidate with the values of a shipped format, that format's title, by name."""
    shipped = {fmt.values: fmt.title for fmt in reversed(bundled())}
    return {
        each.format.name: shipped[each.format.values]
        for each in findings.candidates
        if each.format.values in shipped
    }


def _groups(findings: Findings) -> list[list[Candidate]]:
    """Groups of candidates; each group has a base and its variants."""
    groups: dict[str, list[Candidate]] = {}
    for each in findings.candidates:
        if each.base is not None:
            groups.setdefault(each.base.name, []).append(each)
    return [group for group in groups.values() if len(group) > 1]


def summary_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the frontier and the shipped formats, by ascending area.

    ``acc`` is the number of the accumulator's bits, ``over base`` the extra area over the base. The
    columns in dB say how far the SQNR (signal-to-quantization-noise ratio) is below that of the
    best possible values for a parent. The column before ``proof`` has the smallest format that is
    no larger, no less accurate, and better in one of the two, or ``frontier`` if there is none.

    Columns that start with ``>`` are right-aligned. In a narrow terminal, those that start with
    ``~`` are left out.
    """
    named = _shipped_titles(findings)
    columns = ["format", "~>quantum", "~>acc", ">area µm²", "~>over base", "~architecture"]
    columns += [f">dB,\n{parent.name}" for parent in findings.parents]
    columns += ["~no larger and no less accurate", "proof"]
    rows = []
    for each in findings.shown:
        better = findings.dominator(each)
        rows.append(
            [
                named.get(each.format.name, each.format.title),
                str(each.format.quantum),
                str(each.record.acc_width),
                f"{each.area_um2:,.1f}",
                _over_base(findings, each),
                each.record.architecture,
                *(f"{each.distances[parent.name]:.3f}" for parent in findings.parents),
                named.get(better.format.name, better.format.title) if better else "frontier",
                each.record.proof.status if each.record.proof else "-",
            ]
        )
    return columns, rows


def _over_base(findings: Findings, candidate: Candidate) -> str:
    """The extra area over the candidate's base, in %; a dash for a base, or without a base."""
    if candidate.base is None or candidate.base is candidate.format:
        return "-"
    (base,) = (each for each in findings.candidates if each.format is candidate.base)
    return f"{100 * (candidate.area_um2 / base.area_um2 - 1):+.1f} %"


def _caption(findings: Findings, quality: str, note: str) -> str:
    """The caption of a plot; ``quality`` says what its numbers in dB are."""
    record = findings.candidates[0].record
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    recipes = ", ".join(sorted({each.record.recipe for each in findings.candidates}))
    return (
        f"Area: {record.technology}, {record.corner}, both operands in the format, accumulators "
        f"lossless for {record.terms} products, no timing constraint, the smallest architecture "
        f"with recipe {recipes}; {versions}. {quality}, in blocks of {findings.block} "
        "values, whose largest magnitude becomes the format's highest value. SQNR: "
        "signal-to-quantization-noise ratio. Netlists of the named formats are proved, those of "
        f"the small dots are not.{note}"
    )


def _draw_frontier(
    title: str, findings: Findings, named: Mapping[str, str], path: Path, look: Look
) -> list[Path]:
    outside = count_outside(findings, named)
    note = f" Formats that lie outside: {outside} of {len(findings.candidates)}." if outside else ""
    quality = f"SQNR lost: against the best possible values for {findings.parents[0].title}"
    caption = _caption(findings, quality, note)
    with picture(10.0, 6.2, title=title, caption=caption, look=look) as drawn:
        draw_cloud(drawn.figure.add_subplot(), findings, named)
        return drawn.save(path)


def _draw_supernormal(
    title: str,
    findings: Findings,
    groups: Sequence[Sequence[Candidate]],
    named: Mapping[str, str],
    path: Path,
    look: Look,
) -> list[Path]:
    size = max(10.0, 6.0 * len(groups)), 7.0
    quality = "Gain in SQNR: over the same format with a second zero, for each distribution"
    note = " Quantum: the largest number that divides all values of the format."
    caption = _caption(findings, quality, note)
    with picture(*size, title=title, caption=caption, look=look) as drawn:
        grid = drawn.figure.subplots(2, len(groups), squeeze=False, sharex="col")
        for column, group in enumerate(groups):
            upper, lower = grid[:, column]
            draw_gain_by_value(upper, group, findings, named)
            draw_area_by_value(lower, group, named)
            if column == 0:
                upper.legend(loc="lower center", fontsize=scaled(8), frameon=True, framealpha=0.9,
                             edgecolor="none")  # fmt: skip
        return drawn.save(path)


def _row(findings: Findings, candidate: Candidate) -> dict[str, Json]:
    fmt, record = candidate.format, candidate.record
    value = candidate.supernormal
    return {
        "format": fmt.name,
        "title": fmt.title,
        "base": candidate.base.name if candidate.base else None,
        "supernormal": None if value is None else float(value),
        "quantum": str(fmt.quantum),
        "integer_width": fmt.integer_width,
        "area_um2": record.area_um2,
        "area_ge": record.area_ge,
        "architecture": record.architecture,
        "recipe": record.recipe,
        "terms": record.terms,
        "acc_width": record.acc_width,
        "technology": record.technology,
        "corner": record.corner,
        "delay_ps": record.delay_ps,
        "proof": record.proof.as_json() if record.proof else None,
        **{
            f"distance_db_{parent.name}": round(candidate.distances[parent.name], 4)
            for parent in findings.parents
        },
        "on_frontier": candidate in findings.frontier,
    }


def _flat(record: SynthesisRecord) -> dict[str, Json]:
    """The record as a row, with a column for the version of each tool."""
    versions = {f"version_{name}": version for name, version in record.versions.items()}
    return {
        **{key: value for key, value in record.as_json().items() if key != "versions"},
        **versions,
    }
