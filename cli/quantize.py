"""``halfbyte quantize``: write a checkpoint's weights as codes and scales, with little memory.

A recipe says what is quantized in a model, and how.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from halfbyte.base import UserError, build_dir
from halfbyte.cli.evaluate import Block, RecipeName, pick_recipe
from halfbyte.cli.options import Json, OldFormat, OneFormat, named_format
from halfbyte.cli.output import number, print_json, progress, say, table
from halfbyte.formats import load

if TYPE_CHECKING:
    from halfbyte.accuracy.recipes import Operand, Recipe

__all__ = ["quantize"]

MIB = 2**20
DEFAULT_RECIPE = "w4"

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="minilm, bytelm, a directory in Hugging Face layout, or a hub name.",
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Layout of codes and scales in the files: halfbyte; or compressed-tensors, which "
        "transformers and vLLM load, for MXFP4 and NVFP4 (recipes w4_mx and w4_nv).",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write; build/quantized/MODEL-FORMAT if not given.",
        show_default=False,
    ),
]
Dequantize = Annotated[
    bool,
    typer.Option(
        "--dequantize",
        help="Write rounded values instead of codes, in the original type, so that any tool can "
        "load the model.",
    ),
]


def _located(model: str) -> tuple[str, Path]:
    """A name for the output folder, and the folder of the model, which may lack a tokenizer."""
    if Path(model).is_dir():
        return Path(model).resolve().name, Path(model)
    from halfbyte.accuracy import find_model

    reference = find_model(model)
    return reference.name.replace("/", "--"), reference.folder


def _operand(recipe: "Recipe") -> "Operand":
    """How the recipe quantizes weights.

    Raises UserError if it does not, or if it must run the model first.
    """
    if recipe.weights is None:
        raise UserError(f"Recipe {recipe.name} leaves weights as they are: choose another")
    if recipe.needs_calibration:
        raise UserError(
            f"Recipe {recipe.name} calibrates on a text, but weights are read one by one here: "
            "choose a recipe without gptq and smooth"
        )
    return recipe.weights


def quantize(
    model: Model,
    name: OneFormat = None,
    format_name: OldFormat = None,
    recipe: RecipeName = DEFAULT_RECIPE,
    block: Block = None,
    output: Output = None,
    dequantize: Dequantize = False,
    layout: Layout = "halfbyte",
    json: Json = False,
) -> None:
    """Quantize a model's weights from disk to disk; an interrupted run continues.

    The weights of layers are quantized, except those of the output head and of routers. All other
    tensors are copied, such as embeddings and norms.
    """
    if dequantize and layout != "halfbyte":
        raise UserError(
            "--layout is for codes, and --dequantize writes values: leave one of them out"
        )
    model_name, folder = _located(model)
    from halfbyte.checkpoints.checkpoint import Checkpoint
    from halfbyte.checkpoints.storage import STORAGES
    from halfbyte.checkpoints.streaming import quantize_checkpoint

    fmt, chosen = load(named_format(name, format_name)), pick_recipe(recipe, block)
    operand = _operand(chosen)
    if layout not in STORAGES:
        raise UserError(f"--layout must be {' or '.join(STORAGES)}, not {layout[:60]!r}")
    suffix = "" if recipe == DEFAULT_RECIPE else f"-{chosen.name}"
    target = output or build_dir() / "quantized" / f"{model_name}-{fmt.name}{suffix}"
    with progress(f"Quantizing to {fmt.name}") as update:
        record = quantize_checkpoint(
            Checkpoint(folder),
            fmt,
            target,
            operand=operand,
            dequantize=dequantize,
            storage=layout,
            on_progress=lambda done, total, tensor: update(done, total, escape(tensor)),
        )
    if json:
        print_json([record])
        return
    row = [
        str(record.weights),
        number(record.parameters / 1e6, 1),
        str(record.copied),
        number(record.bytes_before / MIB, 1),
        number(record.bytes_after / MIB, 1),
        number(record.seconds, 1),
    ]
    columns = [">quantized", ">10^6 elements", ">copied", ">MiB before", ">MiB after", ">seconds"]
    kept = f"; {record.shards_kept} of {record.shards} shards were there already"
    what = "values" if dequantize else "codes and scales"
    caption = "quantized, copied: numbers of tensors; "
    caption += f"{what}, block {record.block or 'of a whole row'}, recipe {chosen.name}"
    caption += kept if record.shards_kept else ""
    caption += f"; matrices copied as they are: {len(record.unquantized)}, see halfbyte.json"
    if record.told_by == "names":
        caption += "; transformers does not know the model: weights were recognized by their names"
    if chosen.activations is not None:
        caption += "; activations are quantized when the model runs: nothing is stored for them"
    table(f"{fmt.title}", columns, [row], caption)
    say(f"wrote {target}")
