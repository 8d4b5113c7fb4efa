"""``halfbyte recommend``: choose a format by area and loss of accuracy.

The command finds the format with the least area whose loss is at most a given limit, or the format
with the least loss whose area is at most a given limit.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.array import ArrayOptions
from halfbyte.cli.dot import Scale
from halfbyte.cli.evaluate import Context, TextSource, operand_of
from halfbyte.cli.hardware import (
    MAC,
    Hardware,
    HardwareUnit,
    UnitBlock,
    UnitLanes,
    UnitRecipe,
)
from halfbyte.cli.options import (
    Activation,
    FormatNames,
    Jobs,
    Json,
    LibraryOptions,
    Terms,
    load_formats,
)
from halfbyte.cli.output import console, number, print_json, progress, table

if TYPE_CHECKING:
    from halfbyte.pareto.records import Recommendation

__all__ = ["recommend"]

MaxLoss = Annotated[
    str | None,
    typer.Option(
        help="Greatest relative loss of accuracy, such as 1% or 0.01.", show_default=False
    ),
]
MaxArea = Annotated[
    float | None,
    typer.Option(
        help="Largest area of a MAC in µm². For dot-product units and arrays, this is the area per "
        "lane, which computes one product per cycle.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", help="The model whose accuracy is measured, named as for `halfbyte evaluate`."
    ),
]


def recommend(
    names: FormatNames = None,
    *,
    max_loss: MaxLoss = None,
    max_area: MaxArea = None,
    model: Model = "minilm",
    recipe: UnitRecipe = None,
    block: UnitBlock = None,
    text: TextSource = None,
    context: Context = None,
    library: LibraryOptions,
    activation: Activation = None,
    terms: Terms = 256,
    unit: HardwareUnit = None,
    lanes: UnitLanes = None,
    scale: Scale = None,
    grid: ArrayOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Find the format with the least area whose loss is within a limit, or with the least loss
    whose area is within a limit; say how certain the choice is.
    """
    from halfbyte.accuracy import evaluate, find_model
    from halfbyte.pareto.hardware import area_per_mac, unit_title
    from halfbyte.pareto.recommend import within_area, within_loss

    if (max_loss is None) == (max_area is None):
        raise UserError("Give either --max-loss or --max-area, and not both")
    if max_area is not None and not max_area > 0:
        raise UserError(f"--max-area must be greater than 0 µm², not {max_area}")
    loss_limit = _fraction(max_loss or "0")
    hardware = Hardware(unit or MAC, lanes, scale, block, grid)
    technology = library.load()
    reference = find_model(model, text=text, context=context)
    quantizer = hardware.recipe(recipe)
    operand = operand_of(quantizer, activation)
    chosen = hardware.fitting(load_formats(names), operand, terms, strict=bool(names))
    with progress(f"{reference.name}, {quantizer.name}") as update:
        found = evaluate(reference, chosen, quantizer, on_progress=update)
    records = hardware.synthesize(chosen, operand, technology, terms=terms, jobs=jobs)
    areas = {record.format: area_per_mac(record) for record in records}
    if max_area is not None:
        result = within_area(areas, found, max_area)
    else:
        result = within_loss(areas, found, loss_limit)
    if json:
        print_json([result])
        return
    first = found[0].record
    operands = f"activations in {operand.name}" if operand else "both operands in the format"
    title = unit_title(records[0])
    where = technology.name if title == "MAC" else f"{technology.name}, per lane of a {title}"
    _show(result, f"{first.model}, recipe {first.recipe}", f"{where}, {operands}")


def _fraction(text: str) -> float:
    """``1%`` or ``0.01`` as a number from 0 to 1."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"--max-loss must be a share such as 1% or 0.01, not {text[:60]!r}")
    return value


def _show(result: "Recommendation", source: str, technology: str) -> None:
    places = [("recommended", result.choice)]
    places += [("runner-up", result.runner_up)] if result.runner_up else []
    rows = [
        [
            place,
            choice.format,
            number(choice.area_um2, 1),
            f"{choice.loss:+.2%}",
            f"{choice.loss_low:+.2%} to {choice.loss_high:+.2%}",
            f"{choice.certainty:.1%}",
        ]
        for place, choice in places
    ]
    caption = (
        f"{result.criterion}; {source}, {technology}; chosen in: share of the bootstrap's draws "
        "from the evaluation text in which this format is chosen"
    )
    columns = ["", "format", ">area µm²", ">loss", ">95 %", "~>chosen in"]
    table("Recommendation", columns, rows, caption)
    if not result.runner_up:
        console.print("no other format is within the limit")
