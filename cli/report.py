"""``halfbyte report`` shows all results on one page; ``halfbyte diff`` compares two files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import JsonObject, UserError, build_dir
from halfbyte.base.results import kept_results, read_results
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, say, table

__all__ = ["diff", "report"]

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE.json",
        help="Files with the output of `--json`; by default the stored results of earlier "
        "`halfbyte synth`, `evaluate` and `pareto` commands.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="The page to write; build/report.html if not given.",
        show_default=False,
    ),
]
Tolerance = Annotated[
    str, typer.Option(help="Ignore changes up to this share of the earlier number, such as 1%.")
]


def report(files: Files = None, output: Output = None) -> None:
    """Write all results on one HTML page (plot, table, details, comparison) that works
    offline.
    """
    from halfbyte.pareto.page import write_page

    records = list(read_results(files or kept_results()))
    path = output or build_dir() / "report.html"
    write_page(path, records, build_dir() / "netlists")
    if files:
        _say_left_out(records)
    say(f"wrote {path}: open it in a browser")


def diff(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE.json", help="A file with the output of `--json`.")
    ],
    after: Annotated[
        Path,
        typer.Argument(metavar="AFTER.json", help="A file with later output of the same command."),
    ],
    tolerance: Tolerance = "0",
    json: Json = False,
) -> None:
    """Compare two sets of records: area, delay, energy, loss. Exit status 3 if any number
    changed by more than --tolerance.
    """
    from halfbyte.pareto.difference import changes

    limit = _part(tolerance)
    sets = list(read_results([before])), list(read_results([after]))
    found = changes(*sets)
    if not found:
        raise UserError(f"{before} and {after} have no record of a synthesis or an evaluation")
    _say_left_out([*sets[0], *sets[1]])
    moved = [change for change in found if change.exceeds(limit)]
    if json:
        print_json([change.as_json() for change in moved])
    elif moved:
        columns = ["what", "figure", ">before", ">after", ">change"]
        rows = [
            [
                change.what,
                change.figure,
                number(change.before, 4),
                number(change.after, 4),
                "-" if change.relative is None else f"{100 * change.relative:+.2f} %",
            ]
            for change in moved
        ]
        table("What changed", columns, rows, f"{len(found)} numbers compared")
    else:
        console.print(f"none of the {len(found)} numbers changed by more than {tolerance}")
    if moved:
        raise typer.Exit(3)


def _say_left_out(records: Sequence[JsonObject]) -> None:
    """Say how many records are left out: neither syntheses with an area nor evaluations."""
    from halfbyte.pareto.page.data import is_shown

    if others := sum(not is_shown(record) for record in records):
        typer.echo(
            f"note: left out: {others} of {len(records)} records, neither syntheses with an area "
            "nor evaluations",
            err=True,
        )


def _part(text: str) -> float:
    """A share as a number: 0.01 for ``1%`` or ``0.01``."""
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = -1.0
    if not 0 <= part < 1:
        raise UserError(f"Tolerance must be a share such as 1% or 0.01, below 1, not {text[:40]!r}")
    return part
