"""``halfbyte entropy``: bits per weight before and after compression, and the order-0 entropy.

The order-0 entropy is that of single values: the fewest bits per value, on average, for a code that
ignores neighbouring values.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from halfbyte.base import UserError
from halfbyte.cli.options import Json, OldFormats, load_formats, named_formats
from halfbyte.cli.output import number, print_json, progress, table
from halfbyte.formats import MAX_TERMS

if TYPE_CHECKING:
    from halfbyte.checkpoints.dfloat11.entropy import CodeEntropy, TensorEntropy, Totals

__all__ = ["entropy"]

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="minilm, bytelm, a directory in Hugging Face layout, a hub name, or a .safetensors "
        "file.",
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FORMAT",
        help="Formats whose codes are measured; 'all' for every shipped format. If none is given, "
        "the tensors are measured as they are.",
        show_default=False,
    ),
]
Block = Annotated[
    int, typer.Option(min=1, max=MAX_TERMS, help="Number of elements that share a scale.")
]
Scale = Annotated[
    str,
    typer.Option("--scale", help="Type of the scales: fp32, bf16, e8m0_floor, e4m3 and others."),
]


def _path_of(model: str) -> Path:
    """The file or folder of the weights."""
    path = Path(model).expanduser()
    if path.suffix == ".safetensors" or (path / "config.json").is_file():
        return path
    from halfbyte.accuracy import find_model

    return find_model(model).folder


def entropy(
    model: Model,
    names: Formats = None,
    formats: OldFormats = None,
    block: Block = 128,
    scale: Scale = "fp32",
    json: Json = False,
) -> None:
    """Show bits per weight, raw and compressed, and the order-0 entropy; per tensor or per
    format.
    """
    path, wanted = _path_of(model), named_formats(names, formats)
    from halfbyte.checkpoints.dfloat11.entropy import code_entropies, tensor_entropies
    from halfbyte.golden.scales import ScaleFormat

    try:
        scale_format = ScaleFormat(scale)
    except ValueError:
        known = ", ".join(each.value for each in ScaleFormat)
        raise UserError(f"--scale must be one of {known}, not {scale[:60]!r}") from None
    with progress(f"Entropy of {path.name}") as update:

        def on_progress(done: int, count: int, name: str) -> None:
            update(done, count, escape(name))

        if not wanted:
            tensors = tensor_entropies(path, on_progress=on_progress)
            print_json(tensors) if json else _show_tensors(model, tensors)
            return
        chosen = load_formats(None if wanted == ["all"] else wanted)
        codes = code_entropies(
            path, chosen, block=block, scale_format=scale_format, on_progress=on_progress
        )
    print_json(codes) if json else _show_formats(model, codes)


def _show_tensors(model: str, records: "Sequence[TensorEntropy]") -> None:
    from halfbyte.checkpoints.dfloat11.entropy import total

    rows = [[each.tensor, each.dtype, *_bits(each)] for each in records]
    rows.append(["all", "", *_bits(total(records))])
    columns = ["tensor", "~type", "~>elements", "~>raw", ">entropy", ">ours", "~>over entropy"]
    table(
        f"Bits per weight of {escape(model)}",
        columns,
        rows,
        "entropy: order-0 entropy of the exponents (of whole bytes for 8-bit types), plus all "
        "other bits; ours: bits with halfbyte's codes, including tables and headers, or without "
        "compression if that is smaller",
    )


def _bits(line: "TensorEntropy | Totals") -> list[str]:
    """The last five columns of a row: the elements, three kinds of bits per element, the excess."""
    over = line.coded_bits / line.entropy_bits - 1 if line.entropy_bits else None
    return [
        f"{line.elements:,}",
        number(line.raw_bits, 2),
        number(line.entropy_bits, 3),
        number(line.coded_bits, 3),
        "-" if over is None else f"{100 * over:+.2f} %",
    ]


def _show_formats(model: str, records: "Sequence[CodeEntropy]") -> None:
    from halfbyte.checkpoints.dfloat11.entropy import mean_bits, total

    rows = []
    for name in dict.fromkeys(record.format for record in records):
        of_format = [record for record in records if record.format == name]
        line = total(of_format)
        rows.append(
            [
                name,
                f"{line.elements:,}",
                number(line.raw_bits, 0),
                number(line.entropy_bits, 3),
                number(line.coded_bits, 3),
                number(mean_bits(of_format, lambda record: record.scale_bits), 3),
                number(mean_bits(of_format, lambda record: record.effective_bits), 3),
            ]
        )
    first = records[0]
    table(
        f"Bits per weight of {escape(model)} as codes, blocks of {first.block}",
        ["format", ">weights", ">raw", ">entropy", ">ours", ">scales", ">effective"],
        rows,
        f"means over {len({record.tensor for record in records})} weight tensors; ours: "
        "bits with halfbyte's codes, tables and headers, or of packed codes if they are smaller; "
        f"scales: bits of the {first.scale_format} scales; effective: ours plus scales",
    )
