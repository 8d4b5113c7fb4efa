"""``halfbyte evaluate``: measure how accurate a model is in each format, with 95 % intervals.

A recipe says what is quantized in the model, and how: blocks, scales, and methods such as GPTQ.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.base.results import keep_results
from halfbyte.cli.look import PictureOptions, folder_of_run
from halfbyte.cli.options import (
    FormatNames,
    Json,
    OldFormats,
    listed,
    load_formats,
    named_formats,
)
from halfbyte.cli.output import number, print_json, progress, say, table
from halfbyte.formats import Format, load

if TYPE_CHECKING:
    from halfbyte.accuracy import Evaluation, ModelReference
    from halfbyte.accuracy.recipes import Recipe
    from halfbyte.accuracy.record import EvaluationRecord
    from halfbyte.checkpoints.packed import StoredFormat

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
RecipeName = Annotated[
    str, typer.Option("--recipe", help="A recipe that `halfbyte recipes` lists, or a .yaml file.")
]
OptionalRecipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="A recipe that `halfbyte recipes` lists, or a .yaml file.",
        show_default="w4; for a quantized folder, the recipe by which it was quantized",
    ),
]
Block = Annotated[
    str | None,
    typer.Option(
        metavar="N|channel",
        help="Number of elements that share a scale, or 'channel' for whole rows; by default as in "
        "the recipe.",
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
    typer.Option(help="For causal models: number of tokens read at a time.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for plot, CSV and JSON; by default one in build/evaluate that is named after "
        "the model, the formats, and the text or tasks.",
        show_default=False,
    ),
]


Bos = Annotated[
    str | None,
    typer.Option(
        metavar="text|window|none",
        help="For causal models: where the beginning-of-text token stands: once before the text "
        "(the default, as in lm-eval), before every window, or nowhere.",
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
    typer.Option(help="Folder with more tasks, as YAML files of lm-eval.", show_default=False),
]
TaskLimit = Annotated[
    int | None,
    typer.Option(min=1, help="The largest number of documents per task.", show_default=False),
]


def pick_recipe(name: str, block: str | None) -> "Recipe":
    """The recipe ``name``, with the block size from the command line, if there is one."""
    from halfbyte.accuracy.recipes import load_recipe

    recipe = load_recipe(name)
    if block is None:
        return recipe
    if block != "channel" and not block.isdecimal():
        raise UserError(
            f"--block must be a number of elements, or the word 'channel', not {block[:60]!r}"
        )
    return recipe.with_block(None if block == "channel" else int(block[:20]))


def operand_of(recipe: "Recipe", activation: str | None) -> Format | None:
    """The format of the activations in a MAC for ``recipe``; None for the format of the weights.

    The recipe or the command line may name the format. Raises UserError if both do, but the values
    of the two formats differ.
    """
    given = load(activation) if activation else None
    fixed = recipe.activations.format if recipe.activations else None
    if fixed is None:
        return given
    quantized = load(fixed)
    if given is not None and given.values != quantized.values:
        raise UserError(
            f"Recipe {recipe.name} quantizes activations to {quantized.name}: leave out "
            f"--activation {given.name}, or choose another recipe"
        )
    return quantized


def evaluate_formats(
    reference: "ModelReference",
    formats: Sequence[str] | None,
    recipe: "Recipe",
    stored: Format | None = None,
) -> list["Evaluation"]:
    """Run the evaluations that the command line asks for, with a progress bar.

    ``stored`` is the format of a quantized folder. It is the default if no format is named.
    """
    from halfbyte.accuracy import evaluate

    chosen = [stored] if stored and not formats else load_formats(formats)
    with progress(f"{reference.name}, {recipe.name}") as update:
        return evaluate(reference, chosen, recipe, on_progress=update)


def evaluate(
    model: ModelName,
    names: FormatNames = None,
    *,
    formats: OldFormats = None,
    recipe: OptionalRecipe = None,
    block: Block = None,
    text: TextSource = None,
    context: Context = None,
    bos: Bos = None,
    tasks: Tasks = None,
    task_folder: TaskFolder = None,
    task_limit: TaskLimit = None,
    output: Output = None,
    pictures: PictureOptions,
    json: Json = False,
) -> None:
    """Quantize a model to each format and measure it, with 95 % intervals from the bootstrap."""
    from halfbyte.accuracy import find_model
    from halfbyte.accuracy.chart import write_evaluations

    look, wanted = pictures.look(), named_formats(names, formats)
    reference = find_model(
        model,
        text=text,
        context=context,
        bos=bos,
        tasks=tuple(listed(tasks, "--tasks")) if tasks else (),
        task_folder=task_folder,
        task_limit=task_limit,
    )
    stored = _stored(reference)
    if stored and recipe is None and block is None:
        chosen = stored_recipe(stored)
    else:
        chosen = pick_recipe(recipe or "w4", block)
    found = evaluate_formats(reference, wanted, chosen, stored.format if stored else None)
    name = found[0].record.model.replace("/", "--")
    folder = output or folder_of_run(
        "evaluate",
        name,
        formats=wanted,
        text=text,
        context=context,
        bos=bos,
        tasks=tasks,
        limit=task_limit,
    )
    written = write_evaluations(found, folder, look)
    for line in _notes(found[0].record):
        typer.echo(f"note: {line}", err=True)
    keep_results("evaluate", [each.record.as_json() for each in found])
    if json:
        print_json([each.record for each in found])
        return
    show_evaluations(found)
    say(f"wrote {', '.join(path.name for path in written)} in {folder}")


def _stored(reference: "ModelReference") -> "StoredFormat | None":
    """The stored format, if `halfbyte quantize` wrote the model's folder; else None."""
    from halfbyte.checkpoints.architecture import is_quantized

    if not is_quantized(reference.folder):
        return None
    from halfbyte.checkpoints.packed import stored_format

    return stored_format(reference.folder)


def stored_recipe(stored: "StoredFormat") -> "Recipe":
    """The recipe by which a folder was quantized."""
    from halfbyte.accuracy.recipes import Recipe

    return Recipe("stored", "weights as they are stored", weights=stored.operand)


def show_evaluations(evaluations: Sequence["Evaluation"]) -> None:
    """Print evaluations as a table, the most accurate format first."""
    from halfbyte.accuracy.ranking import rank

    first = evaluations[0].record
    measures = first.measures
    columns = ["format", "~>bits per\nweight", ">SQNR\ndB", "~>dB to\noptimum"]
    for index, measure in enumerate(measures.values()):
        more = "~" * (index > 0)  # the first one ranks the formats
        columns += [f"~>{measure.title}", f"{more}>loss %", f"{more}>95 %"]
    rows = []
    for place in rank(evaluations):
        record = place.evaluation.record
        row = [record.format, number(record.bits_per_weight, 2)]
        row.append(number(record.sqnr_db, 2))
        row.append(number(record.optimum_gap_db["student_t_5"], 2))
        for each in record.measures.values():
            row.append(number(each.value, 4))
            row.append(number(_percent(each.loss), 2))
            row.append(_span(each.loss_low, each.loss_high))
        rows.append([*row, _certainty(place.beats_next, place.is_resolved)])
    baselines = ", ".join(f"{each.title} {number(each.baseline, 4)}" for each in measures.values())
    notes = dict.fromkeys(f"; {each.title}: {each.note}" for each in measures.values() if each.note)
    base = "the stored weights" if first.stored else "the unquantized model"
    caption = (
        f"{first.model}, recipe {first.recipe}; SQNR: signal-to-quantization-noise ratio of the "
        "weights; dB to optimum: how many dB the format's SQNR on random blocks of Student's t "
        "with nu 5 is below that of the best possible values; "
        f"{base}: {baselines}; "
        f"loss: relative worsening against {base}; order: by the loss in {next(iter(measures))}; "
        f"intervals: 95 %, paired bootstrap over {first.items} {first.item}; beats next: share of "
        "the bootstrap's draws in which the format is better than the next one, * where the "
        f"interval for their difference excludes 0{''.join(notes)}"
    )
    table("Accuracy", [*columns, ">beats next"], rows, caption)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _span(low: float | None, high: float | None) -> str:
    """An interval in per cent; a dash if there is none."""
    return "-" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}"


_KEPT_BY_RULE = ("output head", "router")


def _notes(record: "EvaluationRecord") -> list[str]:
    """Notes on what was not quantized or not calibrated, except output heads and routers."""
    unknown = [name for name, why in record.unquantized.items() if why not in _KEPT_BY_RULE]
    left = {
        "that are not quantized because their kind of layer is unknown": unknown,
        "that are rounded to nearest because calibration does not see their inputs": (
            record.not_calibrated
        ),
        "whose inputs are not quantized": record.inputs_unquantized,
    }
    return [
        f"weights {what}: {len(names)}, {', '.join(names[:3])}{', ...' * (len(names) > 3)}"
        for what, names in left.items()
        if names
    ]


def _certainty(beats_next: float | None, is_resolved: bool | None) -> str:
    """How often a format is better than the next one; a star if their difference is resolved."""
    return "-" if beats_next is None else f"{beats_next:.1%}{' *' if is_resolved else '  '}"
