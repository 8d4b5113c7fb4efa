"""``halfbyte explore``: synthesize all designs of a space in parallel, and report on them.

A space is a YAML file that lists formats, and the parameters of the MACs or units for them.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError, build_dir
from halfbyte.cli.look import PictureOptions, folder_of_run
from halfbyte.cli.options import Jobs, Json
from halfbyte.cli.output import console, print_json, progress, rate_progress, say, table

if TYPE_CHECKING:
    from halfbyte.area.exploration import Exploration, Space
    from halfbyte.base.look import Look
    from halfbyte.pareto.parents import Parent

__all__ = ["explore"]

MAX_FAILURES = 5
DEFAULT_BLOCK = 128
PARENTS = ("minilm", "bytelm", "t5", "normal")

SpaceName = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        help="A .yaml file, or a shipped space: supernormal, supernormal_coarse, units.",
        show_default=False,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="tcp://HOST:PORT",
        help="Run on the Dask cluster of this scheduler; by default on this machine.",
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
        "--report",
        help="Also report area against accuracy: plots, tables, CSV, JSON. See --accuracy.",
    ),
]
Accuracy = Annotated[
    list[str] | None,
    typer.Option(
        help="Distribution of the values on which accuracy is computed: normal, t5 (Student's t "
        "with nu 5), or that of a model's weights; by default minilm, bytelm, t5 and normal. The "
        "first one is plotted; for dot-product units it must be a model.",
        show_default=False,
    ),
]
Block = Annotated[int, typer.Option(help="Number of elements that share a scale, for the report.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", show_default=False,
        help="Folder of the report; by default one in build/explore that is named after the space, "
        "--accuracy and --block.",
    ),
]  # fmt: skip


def explore(
    space: SpaceName,
    *,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    store: Store = None,
    report: Report = False,
    accuracy: Accuracy = None,
    block: Block = DEFAULT_BLOCK,
    output: Output = None,
    pictures: PictureOptions,
    json: Json = False,
) -> None:
    """Synthesize every design of a design space; stored results are not computed again."""
    from halfbyte.area.exploration import ResultStore, load_space
    from halfbyte.area.exploration import explore as run_space

    if jobs is not None and scheduler is not None:
        raise UserError(
            "--jobs is about this machine and --scheduler about a cluster: give only one of them"
        )
    look, chosen = pictures.look(), load_space(space)
    if report:
        _check_block(block)
    names = accuracy or list(PARENTS)
    parents = _parents(names) if report and chosen.has_macs else []
    results = ResultStore(store or build_dir() / "records" / "explore.sqlite")
    try:
        with rate_progress(f"Exploring {chosen.name}", "designs") as update:
            found = run_space(chosen, results, jobs=jobs, scheduler=scheduler, on_progress=update)
    finally:
        results.close()
    size = None if block == DEFAULT_BLOCK else block
    folder = output or folder_of_run("explore", chosen.name, accuracy=accuracy, block=size)
    if report and chosen.has_macs:
        _report(chosen, found, parents, block, folder, look, quiet=json)
    if report and chosen.units:
        _report_units(chosen, found, names[0], folder, look, quiet=json)
    if json:
        print_json(found.records)
    else:
        _show(found)
    if found.failures:
        raise UserError(_failures(found))


def _check_block(block: int) -> None:
    """Raise UserError, before any synthesis, for a block size that the report cannot handle."""
    from halfbyte.formats.codebooks import check_block

    check_block(block)


def _parents(names: Sequence[str]) -> "list[Parent]":
    """Find the distributions by name, before any synthesis, so that a wrong name is found early."""
    from halfbyte.pareto.parents import find_parent

    with progress("Distributions") as update:
        return [find_parent(name, update) for name in dict.fromkeys(names)]


def _report(
    space: "Space",
    found: "Exploration",
    parents: "Sequence[Parent]",
    block: int,
    folder: Path,
    look: "Look",
    quiet: bool,
) -> None:
    """Report area against accuracy of the MACs. Netlists in the report are proved correct first."""
    from halfbyte.area import SynthesisRecord
    from halfbyte.area.exploration import prove_trial
    from halfbyte.pareto.exploration import find
    from halfbyte.pareto.exploration_report import ACC_AND_BASE, summary_rows, write_exploration

    records = [each for each in found.records if isinstance(each, SynthesisRecord)]
    with progress("Accuracy") as update:
        findings = find(space.formats, records, parents, block, update)
    proved = {}
    with progress("Proofs") as update:
        for index, each in enumerate(findings.shown):
            update(index, len(findings.shown), each.format.name)
            trial = found.trial_of(each.record)
            proved[each.format.name] = replace(each.record, proof=prove_trial(trial))
    findings = findings.with_records(proved)
    written = write_exploration(space.title, findings, records, folder, look)
    if quiet:
        return
    columns, rows = summary_rows(findings)
    caption = (
        f"The Pareto frontier, and the shipped formats. {ACC_AND_BASE} dB: how far the SQNR is "
        f"below that of the best possible values, in blocks of {block}, for "
        + "; ".join(f"{each.name}: {each.title}" for each in parents)
    )
    table(space.title, columns, rows, caption)
    names = ", ".join(path.name for path in written if path.parent == folder)
    say(f"wrote {names}, and formats/ in {folder}")


def _report_units(
    space: "Space", found: "Exploration", model: str, folder: Path, look: "Look", quiet: bool
) -> None:
    """Report which block size and how many lanes are best for each format."""
    from halfbyte.accuracy.layer_noise import layer_samples, result_sqnr_db
    from halfbyte.area.search.dot_records import DotRecord
    from halfbyte.pareto.unit_exploration import find_units
    from halfbyte.pareto.unit_exploration_report import best_rows, write_units

    records = [each for each in found.records if isinstance(each, DotRecord)]
    with progress("Accuracy") as update:
        update(0, 2, f"layers of {model}")
        samples = layer_samples(model)
        update(1, 2, "signal to noise")
        candidates = find_units(space.formats, records, partial(result_sqnr_db, samples))
    written = write_units(space.title, candidates, records, model, folder, look)
    if quiet:
        return
    columns, rows = best_rows(candidates)
    caption = (
        "Net SQNR: the signal-to-quantization-noise ratio of layers' results, minus 6.02 dB times "
        "the bits that scales add to each value, since one more bit in the codes would gain about "
        "6.02 dB. Best block: the block size with the greatest net SQNR. Best lanes: the number of "
        "lanes with the least area per lane. Enough lanes: the smallest number of lanes whose area "
        "per lane is at most 2 % above the least. Netlists are not proved."
    )
    table(space.title, columns, rows, caption)
    say(f"wrote {', '.join(path.name for path in written)} in {folder}")


def _show(found: "Exploration") -> None:
    rate = f", {found.computed / found.seconds:.2f} a second" if found.computed else ""
    console.print(
        f"{len(found.trials):,} designs: {found.computed:,} synthesized in {found.seconds:,.0f} s"
        f"{rate}; {len(found.records) - found.computed:,} were stored already",
        highlight=False,
    )


def _failures(found: "Exploration") -> str:
    shown = [f"{each.label}: {each.reason}" for each in found.failures[:MAX_FAILURES]]
    more = len(found.failures) - len(shown)
    rest = [f"and {more} more"] if more else []
    return "\n".join(
        [
            f"Designs that failed: {len(found.failures)}; the next run tries them again",
            *shown,
            *rest,
        ]
    )
