"""``halfbyte pareto``: the main job, from formats to the accuracy-versus-area plots."""

from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import build_dir
from halfbyte.cli.evaluate import (
    Block,
    Context,
    RecipeName,
    TextSource,
    pick_recipe,
    show_evaluations,
)
from halfbyte.cli.options import (
    FormatNames,
    Jobs,
    Json,
    LibertyFiles,
    TechnologyName,
    Terms,
    load_formats,
    pick_technology,
)
from halfbyte.cli.output import console, print_json, progress, table
from halfbyte.cli.synth import show_areas
from halfbyte.formats import load

__all__ = ["pareto"]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder to write to; build/pareto if not given.", show_default=False
    ),
]
Model = Annotated[
    str, typer.Option("--model", help="As for `halfbyte evaluate`: whose accuracy is plotted.")
]
# Beside the shipped formats: SF4 with a smaller table, since the table's width sets its area.
EXTRA = ("sf4@6",)


def pareto(
    names: FormatNames = None,
    model: Model = "minilm",
    recipe: RecipeName = "w4",
    block: Block = None,
    text: TextSource = None,
    context: Context = None,
    tech: TechnologyName = "sky130hd",
    liberty: LibertyFiles = None,
    terms: Terms = 256,
    output: Output = None,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """All formats to RTL, area, and accuracy on real weights; then the plots and the tables."""
    from halfbyte.accuracy import evaluate, find_model
    from halfbyte.area import Design, synthesise
    from halfbyte.pareto import write_report

    chosen = load_formats(names)
    if not names:
        chosen += [load(reference) for reference in EXTRA]
    technology = pick_technology(tech, liberty)
    reference, quantiser = find_model(model, text=text, context=context), pick_recipe(recipe, block)
    designs = [Design(fmt, fmt, "auto", terms) for fmt in chosen]
    with progress(f"Area, {technology.name}") as update:
        areas = synthesise(designs, technology, jobs=jobs, on_progress=update)
    with progress(f"Accuracy, {reference.name}") as update:
        evaluations = evaluate(reference, chosen, quantiser, on_progress=update)
    accuracies = [each.record for each in evaluations]
    folder = output or build_dir() / "pareto"
    claims, written = write_report(chosen, areas, accuracies, folder)
    if json:
        print_json([*areas, *accuracies])
        return
    show_areas(areas)
    show_evaluations(evaluations)
    if claims:
        columns = ["question", "paper", "here", "verdict"]
        rows = [[claim.question, claim.paper, claim.ours, claim.verdict] for claim in claims]
        table("The paper's claims", columns, rows, "paper: Dotzel et al., 2024; why: claims.md")
    console.print(f"wrote {', '.join(path.name for path in written)} in {folder}")
