"""``halfbyte compress``, ``decompress``, ``verify``, ``info``: compress weights without loss."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from halfbyte.base import UserError
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, progress, rate_progress, say, table

if TYPE_CHECKING:
    from halfbyte.checkpoints.records import (
        CompressionRecord,
        DecompressionRecord,
        PublishedCompressionRecord,
        PublishedDecompressionRecord,
    )

    Records = (
        CompressionRecord
        | PublishedCompressionRecord
        | DecompressionRecord
        | PublishedDecompressionRecord
    )

__all__ = ["compress", "decompress", "info", "verify"]

MB = 10**6
MIB = 2**20
LAYOUTS = ("joint", "prefix", "dfloat11")

Source = Annotated[
    Path, typer.Argument(metavar="INPUT", help="A safetensors file, or a model's folder.")
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="Where to write: a file if the input is a file, else a folder."
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        help="How tensors are stored: joint (the smallest), prefix (decoded by hardware and GPUs), "
        "or dfloat11 (a folder for the Python package of that name; BF16 only).",
        show_default="joint, or prefix with --codes fixed",
    ),
]
Codes = Annotated[
    str,
    typer.Option(
        help="best (made for each tensor), or fixed (one of eight built-in codes, which hardware "
        "decodes without a table; for BF16 in the layout prefix)."
    ),
]
Secded = Annotated[
    bool,
    typer.Option(
        "--secded",
        help="Add 12.5 % check bytes, with which one wrong bit in each 64 can be corrected.",
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        help="Decode the new file and compare it with the input, before it gets its final name."
    ),
]
Salvage = Annotated[
    bool,
    typer.Option(
        "--salvage",
        help="If the index of a file is damaged or missing, write what can still be decoded.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the original model's config.json, for dfloat11 folders without one.",
        show_default=False,
    ),
]
CompressedFile = Annotated[Path, typer.Argument(metavar="FILE", help="A compressed file.")]


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """Within this context, Ctrl-C ends the process and says that nothing was written."""
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit("interrupted: nothing was written") from None


@contextmanager
def _megabytes(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar that counts bytes and shows MB, the rate and the time left."""
    with rate_progress(what, "MB") as update:
        yield lambda done, total, name: update(done // MB, -(-total // MB), escape(name))


def compress(
    source: Source,
    output: Output,
    layout: Layout = None,
    codes: Codes = "best",
    secded: Secded = False,
    verify: Verify = True,
    json: Json = False,
) -> None:
    """Compress BF16, FP16, FP32, FP8 and 8-bit tensors without loss; copy all other tensors."""
    if layout is not None and layout not in LAYOUTS:
        raise UserError(f"The layout must be one of {', '.join(LAYOUTS)}, not {layout[:60]!r}")
    if layout == "dfloat11" and secded:
        raise UserError("--secded needs another layout: dfloat11 has no place for check bytes")
    from halfbyte.checkpoints.dfloat11 import compress_path, compress_published
    from halfbyte.golden.dfloat11 import CODES

    if codes not in CODES:
        raise UserError(f"Codes must be {' or '.join(CODES)}, not {codes[:60]!r}")
    if codes != "best" and layout not in (None, "prefix"):
        raise UserError(
            f"--codes {codes} needs the layout prefix, not {layout}: leave out --layout"
        )
    layout = layout or ("joint" if codes == "best" else "prefix")

    record: Records
    if layout == "dfloat11":
        with _all_or_nothing(), progress("Compressing") as update:
            record = compress_published(
                source,
                output,
                verify=verify,
                on_progress=lambda done, total, name: update(done, total, escape(name)),
            )
    else:
        with _all_or_nothing(), _megabytes("Compressing") as update:
            record = compress_path(
                source,
                output,
                layout=layout,
                codes=codes,
                secded=secded,
                verify=verify,
                on_progress=update,
            )
    _show(record, json)


def decompress(
    source: Source,
    output: Output,
    salvage: Salvage = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Restore the files that `halfbyte compress` read, byte for byte; also decompress folders in
    the dfloat11 layout.
    """
    from halfbyte.checkpoints.dfloat11 import decompress_path, decompress_published, is_published

    record: Records
    if is_published(source):
        with _all_or_nothing(), progress("Decompressing") as update:
            record = decompress_published(
                source,
                output,
                config=config,
                on_progress=lambda done, total, name: update(done, total, escape(name)),
            )
    else:
        with _all_or_nothing(), _megabytes("Decompressing") as update:
            record = decompress_path(source, output, salvage=salvage, on_progress=update)
    _show(record, json)


def verify(source: Source, json: Json = False) -> None:
    """Decode compressed files, and compare them with the digests of the originals; writes
    nothing.
    """
    from halfbyte.checkpoints.dfloat11 import verify_path

    with _megabytes("Verifying") as update:
        records = verify_path(source, on_progress=update)
    if json:
        print_json(records)
    for record in records if not json else []:
        words = record.corrected_words
        state = record.error or "good" + (f", {words} words corrected" if words else "")
        console.print(escape(f"{record.file}: {state}"), highlight=False)
    damaged = sum(record.error is not None for record in records)
    if damaged:
        raise UserError(f"Damaged files: {damaged} of {len(records)}; download or copy them again")


def info(source: CompressedFile, json: Json = False) -> None:
    """Show what a compressed file holds: the layout, bits and entropy of each tensor."""
    from halfbyte.checkpoints.dfloat11.information import describe_file

    with progress("Reading") as update:
        records = describe_file(
            source, on_progress=lambda done, total, name: update(done, total, escape(name))
        )
    if json:
        print_json(records)
        return
    rows = [
        [
            record.tensor + (f" and {record.tensors - 1} more" if record.tensors > 1 else ""),
            record.dtype,
            f"{record.elements:,}",
            record.layout,
            number(record.raw_bits, 0),
            number(record.entropy_bits, 3),
            number(record.stored_bits, 3),
        ]
        for record in records
    ]
    table(
        "",
        ["tensor", "~type", "~>elements", "~layout", "~>raw", ">entropy", ">stored"],
        rows,
        "raw, entropy and stored: all in bits per element; entropy: that of the exponent and upper "
        "mantissa bits, plus the number of the other bits",
    )


def _show(record: "Records", json: bool) -> None:
    if json:
        print_json([record])
        return
    row = [
        number(record.bytes_before / MIB, 1),
        number(record.bytes_after / MIB, 1),
        f"{100 * record.bytes_after / record.bytes_before:.1f} %",
        number(getattr(record, "coded_bits_per_element", None), 2),
        number(record.seconds, 1),
    ]
    table("", [">MiB before", ">MiB after", ">ratio", ">bits per coded weight", ">seconds"], [row])
    kept: dict[str, str] = getattr(record, "kept", {})
    notes = [f"{name}: {reason}" for name, reason in kept.items()]
    for field, what in (("left_out", "not copied"), ("lost", "lost")):
        if names := getattr(record, field, ()):
            notes.append(f"{what}: {', '.join(names)}")
    if words := getattr(record, "corrected_words", 0):
        notes.append(f"{words} words had a wrong bit, which was corrected")
    for note in notes:
        console.print(escape(note), highlight=False)
    say(f"wrote {record.output}")
