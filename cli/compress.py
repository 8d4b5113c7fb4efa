"""``halfbyte compress`` and ``halfbyte decompress``: weights without loss in about eleven bits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from halfbyte.base import UserError
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, progress, table

__all__ = ["compress", "decompress"]

MIB = 2**20
LAYOUTS = ("halfbyte", "dfloat11")

Source = Annotated[
    Path, typer.Argument(metavar="INPUT", help="A safetensors file, or a model's folder.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="What to write: a file for a file, else a folder.")
]
Layout = Annotated[
    str,
    typer.Option(help="halfbyte, or dfloat11: a folder for the package of that name, BF16 only."),
]
Codes = Annotated[
    str,
    typer.Option(help="best, or fixed: codes that hardware decodes without a table (BF16)."),
]
Secded = Annotated[
    bool,
    typer.Option("--secded", help="Add check bytes, 12.5 %: corrects one wrong bit in each 64."),
]
Verify = Annotated[
    bool, typer.Option(help="Decode what was coded, and compare, before it is written.")
]


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit("interrupted: nothing was written") from None


def compress(
    source: Source,
    output: Output,
    layout: Layout = "halfbyte",
    codes: Codes = "best",
    secded: Secded = False,
    verify: Verify = True,
    json: Json = False,
) -> None:
    """Compress BF16, FP16, FP8 and INT8 tensors without loss; the others are copied."""
    if layout not in LAYOUTS:
        raise UserError(f"The layout must be {' or '.join(LAYOUTS)}, not {layout[:60]!r}")
    if layout == "dfloat11" and secded:
        raise UserError("--secded needs the layout halfbyte: dfloat11 has no place for it")
    from halfbyte.checkpoints.dfloat11 import compress_path, compress_published
    from halfbyte.golden.dfloat11 import CODES

    if codes not in CODES:
        raise UserError(f"Codes must be {' or '.join(CODES)}, not {codes[:60]!r}")
    if layout == "dfloat11" and codes != "best":
        raise UserError("--codes needs the layout halfbyte: dfloat11 has a code of its own")

    with _all_or_nothing(), progress("Compressing") as update:

        def on_progress(done: int, total: int, name: str) -> None:
            update(done, total, escape(name))

        if layout == "dfloat11":
            record = compress_published(source, output, verify=verify, on_progress=on_progress)
        else:
            record = compress_path(
                source,
                output,
                codes=codes,
                secded=secded,
                verify=verify,
                on_progress=on_progress,
            )
    _show(record, json)


def decompress(source: Source, output: Output, json: Json = False) -> None:
    """Undo `halfbyte compress`, to the last byte and verified; also reads the dfloat11 layout."""
    from halfbyte.checkpoints.dfloat11 import decompress_path, decompress_published, is_published

    undo = decompress_published if is_published(source) else decompress_path
    with _all_or_nothing(), progress("Decompressing") as update:
        record = undo(
            source,
            output,
            on_progress=lambda done, total, name: update(done, total, escape(name)),
        )
    _show(record, json)


def _show(record: dict[str, Any], json: bool) -> None:
    if json:
        print_json([record])
        return
    before, after = record["bytes_before"], record["bytes_after"]
    row = [
        number(before / MIB, 1),
        number(after / MIB, 1),
        f"{100 * after / before:.1f} %",
        number(record.get("coded_bits_per_element"), 2),
        number(record["seconds"], 1),
    ]
    columns = [">MiB before", ">MiB after", ">ratio", ">bits per coded weight", ">seconds"]
    notes = [f"{name}: {reason}" for name, reason in record.get("kept", {}).items()]
    if record.get("left_out"):
        notes.append(f"not copied: {', '.join(record['left_out'])}")
    if record.get("corrected_words"):
        notes.append(f"{record['corrected_words']} words had a wrong bit, which was corrected")
    table("", columns, [row])
    for note in notes:
        console.print(escape(note), highlight=False)
    console.print(f"wrote {escape(record['output'])}", highlight=False)
