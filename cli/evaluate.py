"""``halfbyte evaluate``: how accurate a model stays in each format, with intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError, build_dir
from halfbyte.base.results import keep_results
from halfbyte.cli.options import Json, load_formats
from halfbyte.cli.output import console, number, print_json, progress, table
from halfbyte.formats import Format, load

if TYPE_CHECKING:
    from halfbyte.accuracy import Evaluation, ModelReference
    from halfbyte.accuracy.recipes import Recipe

__all__ = [
    "Block",
    "Context",
    "ModelName",
    "RecipeName",
    "TextSource",
    "evaluate",
    "evaluate_formats",
    "operand_of",
    "pick_recipe",
    "show_evaluations",
]

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="minilm, bytelm, a directory in Hugging Face layout, or a hub name.",
    ),
]
FormatList = Annotated[
    str | None,
    typer.Option(
        "--formats",
        help="Names or .yaml files, separated by commas; all shipped formats if not given.",
        show_default=False,
    ),
]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="A recipe that `halfbyte recipes` lists, or a .yaml file.")
]
Block = Annotated[
    str | None,
    typer.Option(
        metavar="N|channel",
        help="Elements that share a scale, or channel for whole rows; if not given, the recipe's.",
        show_default=False,
    ),
]
TextSource = Annotated[
    str | None,
    typer.Option(
        "--text",
        help="For causal models: docstrings (the default), wikitext2, or a text file.",
        show_default=False,
    ),
]
Context = Annotated[
    int | None,
    typer.Option(help="For causal models: tokens seen at a time.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for plot, CSV and JSON; build/evaluate/MODEL if not given.",
        show_default=False,
    ),
]


Tasks = Annotated[
    str | None,
    typer.Option(
        "--tasks",
        help="Zero-shot tasks of lm-eval instead of a text, separated by commas.",
        show_default=False,
    ),
]
TaskFolder = Annotated[
    Path | None,
    typer.Option(help="Folder with further tasks as YAML files of lm-eval.", show_default=False),
]
TaskLimit = Annotated[
    int | None, typer.Option(min=1, help="Documents of each task at most.", show_default=False)
]


def pick_recipe(name: str, block: str | None) -> "Recipe":
    """The recipe of the command line, with another block size if one is given."""
    from halfbyte.accuracy.recipes import load_recipe

    recipe = load_recipe(name)
    if block is None:
        return recipe
    if block != "channel" and not block.isdecimal():
        raise UserError(f"--block must be a number or channel, not {block[:60]!r}")
    return recipe.with_block(None if block == "channel" else int(block[:20]))


def operand_of(recipe: "Recipe", activation: str | None) -> Format | None:
    """The format of the activations that a MAC for ``recipe`` has; None for that of the weights.

    It is the one that the recipe quantizes them to; if it leaves that open, what the command line
    says. Raises UserError if the two contradict each other.
    """
    given = load(activation) if activation else None
    fixed = recipe.activations.format if recipe.activations else None
    if fixed is None:
        return given
    quantized = load(fixed)
    if given is not None and given.values != quantized.values:
        raise UserError(
            f"Recipe {recipe.name} quantizes activations to {quantized.name}: leave out "
            f"--activation {given.name}, or take another recipe"
        )
    return quantized


def evaluate_formats(
    reference: "ModelReference", formats: Sequence[str] | None, recipe: "Recipe"
) -> list["Evaluation"]:
    """The evaluations that the command line asks for, with a progress bar."""
    from halfbyte.accuracy import evaluate

    chosen = load_formats(formats)
    with progress(f"{reference.name}, {recipe.name}") as update:
        return evaluate(reference, chosen, recipe, on_progress=update)


def evaluate(
    model: ModelName,
    formats: FormatList = None,
    recipe: RecipeName = "w4",
    block: Block = None,
    text: TextSource = None,
    context: Context = None,
    tasks: Tasks = None,
    task_folder: TaskFolder = None,
    task_limit: TaskLimit = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Quantize a model to each format and measure it, with 95 % intervals from the bootstrap."""
    from halfbyte.accuracy import find_model
    from halfbyte.accuracy.chart import write_evaluations

    reference = find_model(
        model,
        text=text,
        context=context,
        tasks=tuple(_listed(tasks)),
        task_folder=task_folder,
        task_limit=task_limit,
    )
    found = evaluate_formats(reference, _listed(formats), pick_recipe(recipe, block))
    name = found[0].record.model.replace("/", "--")
    folder = output or build_dir() / "evaluate" / name
    written = write_evaluations(found, folder)
    keep_results("evaluate", [each.record.as_json() for each in found])
    if json:
        print_json([each.record for each in found])
        return
    show_evaluations(found)
    console.print(f"wrote {', '.join(path.name for path in written)} in {folder}")


def _listed(names: str | None) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def show_evaluations(evaluations: Sequence["Evaluation"]) -> None:
    """Print evaluations as a table, the most accurate format first."""
    from halfbyte.accuracy.ranking import rank

    first = evaluations[0].record
    measures = first.measures
    columns = ["format", ">bits per\nweight", ">SQNR\ndB", ">dB to\noptimum"]
    for measure in measures.values():
        columns += [f">{measure.title}", ">loss %", ">95 %"]
    rows = []
    for place in rank(evaluations):
        record = place.evaluation.record
        row = [record.format, number(record.bits_per_weight, 2)]
        row.append(number(record.sqnr_db, 2))
        row.append(number(record.optimum_gap_db["student_t_5"], 2))
        for each in record.measures.values():
            low, high = 100 * each.loss_low, 100 * each.loss_high
            row.append(number(each.value, 4))
            row.append(number(100 * each.loss, 2))
            row.append(f"{low:.2f} to {high:.2f}")
        rows.append([*row, _certainty(place.beats_next, place.is_resolved)])
    baselines = ", ".join(f"{each.title} {each.baseline:.4f}" for each in measures.values())
    caption = (
        f"{first.model}, recipe {first.recipe}; dB to optimum: what the format loses to the "
        "best levels for blocks of Student's t with nu 5; "
        f"unquantized: {baselines}; "
        f"loss: relative to the unquantized model, by {next(iter(measures))}; "
        f"intervals: 95 %, paired bootstrap over {first.items} {first.item}; "
        "last column: share of resamples in which the format is better than the next one, * where "
        "the interval of their difference excludes 0"
    )
    table("Accuracy", [*columns, ">beats next"], rows, caption)


def _certainty(beats_next: float | None, is_resolved: bool | None) -> str:
    return "-" if beats_next is None else f"{beats_next:.1%}{' *' if is_resolved else '  '}"
