"""``halfbyte quantize``: a checkpoint's weights as codes and scales, in little memory."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from halfbyte.base import build_dir
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, progress, table
from halfbyte.formats import MAX_TERMS, load

__all__ = ["quantize"]

MIB = 2**20

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A directory in Hugging Face layout, or a hub name.")
]
FormatName = Annotated[
    str, typer.Option("--format", help="A shipped name, sf4@6 for another width, or a .yaml file.")
]
Block = Annotated[int, typer.Option(min=1, max=MAX_TERMS, help="Elements that share a scale.")]
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
        help="Write the values that the hardware has, in the original type, for any tool to run.",
    ),
]


def _located(model: str) -> tuple[str, Path]:
    """The model's name, for the output's, and its folder, which need not have a tokenizer."""
    if Path(model).is_dir():
        return Path(model).resolve().name, Path(model)
    from halfbyte.accuracy import find_model

    reference = find_model(model)
    return reference.name.replace("/", "--"), reference.folder


def quantize(
    model: Model,
    format_name: FormatName,
    block: Block = 128,
    output: Output = None,
    dequantize: Dequantize = False,
    json: Json = False,
) -> None:
    """Quantize a model's weights from disk to disk; an interrupted run continues.

    All matrices of layers are quantized; embeddings, output head and norms are copied.
    """
    from halfbyte.checkpoints.checkpoint import Checkpoint
    from halfbyte.checkpoints.streaming import quantize_checkpoint

    fmt = load(format_name)
    name, folder = _located(model)
    target = output or build_dir() / "quantized" / f"{name}-{fmt.name}"
    with progress(f"Quantizing to {fmt.name}") as update:
        record = quantize_checkpoint(
            Checkpoint(folder),
            fmt,
            target,
            block=block,
            dequantize=dequantize,
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
    columns = [">weights", ">10^6 elements", ">copied", ">MiB before", ">MiB after", ">seconds"]
    kept = f"; {record.shards_kept} of {record.shards} shards were there already"
    what = "values" if dequantize else "codes and scales"
    caption = f"{what}, block {block}{kept if record.shards_kept else ''}"
    table(f"{fmt.title}", columns, [row], caption)
    console.print(f"wrote {target}")
