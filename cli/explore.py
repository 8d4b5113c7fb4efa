"""``halfbyte explore``: spaces of many designs, in parallel, resumable, and what they say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError, build_dir
from halfbyte.cli.options import Jobs, Json
from halfbyte.cli.output import console, print_json, rate_progress

if TYPE_CHECKING:
    from halfbyte.area.exploration.run import Exploration

__all__ = ["explore"]

MAX_ROWS = 20
MAX_FAILURES = 5

SpaceName = Annotated[
    str,
    typer.Argument(
        metavar="SPACE", help="A .yaml file, or a shipped space: supernormal.", show_default=False
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT",
        help="Run on the Dask cluster of this scheduler; here if not given.",
        show_default=False,
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(
        help="SQLite file with all results; build/records/explore.sqlite if not given.",
        show_default=False,
    ),
]
Report = Annotated[
    bool,
    typer.Option(
        "--report", help="Also area against accuracy: plots, tables, CSV, JSON. See --accuracy."
    ),
]
Accuracy = Annotated[
    list[str] | None,
    typer.Option(
        help="What the formats of the report represent: normal, t5 (Student's t with nu 5), or a "
        "model, by the profile of its weights; minilm, t5 and normal if not given. The first is "
        "plotted.",
        show_default=False,
    ),
]
Block = Annotated[int, typer.Option(help="Elements that share a scale, for the report.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder of the report; build/explore/NAME if not given.",
        show_default=False,
    ),
]  # fmt: skip


def explore(
    space: SpaceName,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    store: Store = None,
    report: Report = False,
    accuracy: Accuracy = None,
    block: Block = 128,
    output: Output = None,
    json: Json = False,
) -> None:
    """Synthesise every design of a space; what was computed before is not computed again."""
    from halfbyte.area.exploration import ResultStore, load_space
    from halfbyte.area.exploration import explore as run_space

    if jobs is not None and scheduler is not None:
        raise UserError("--jobs is about this machine and --scheduler about a cluster: give one")
    chosen = load_space(space)
    results = ResultStore(store or build_dir() / "records" / "explore.sqlite")
    try:
        with rate_progress(f"Exploring {chosen.name}", "designs") as update:
            found = run_space(chosen, results, jobs=jobs, scheduler=scheduler, on_progress=update)
    finally:
        results.close()
    if json:
        print_json(found.records)
    else:
        _show(found)
    if found.failures:
        raise UserError(_failures(found))


def _show(found: "Exploration") -> None:
    rate = f", {found.computed / found.seconds:.2f} a second" if found.computed else ""
    console.print(
        f"{len(found.points):,} designs: {found.computed:,} synthesised in {found.seconds:,.0f} s"
        f"{rate}; {len(found.records) - found.computed:,} were known",
        highlight=False,
    )


def _failures(found: "Exploration") -> str:
    shown = [f"{each.label}: {each.reason}" for each in found.failures[:MAX_FAILURES]]
    more = len(found.failures) - len(shown)
    rest = [f"and {more} more"] if more else []
    return "\n".join(
        [f"{len(found.failures)} designs failed; the next run tries them again", *shown, *rest]
    )
