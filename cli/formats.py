"""``halfbyte formats``: list all formats, or show the named ones in detail."""

from rich.markup import escape

from halfbyte.cli.options import FormatNames, Json, load_formats
from halfbyte.cli.output import console, print_json, table
from halfbyte.cli.records import FormatRecord
from halfbyte.formats import Format, lossless_acc_width, user_names
from halfbyte.formats import names as shipped_names

__all__ = ["formats"]


def _record(fmt: Format) -> FormatRecord:
    return FormatRecord(
        name=fmt.name,
        title=fmt.title,
        bits=fmt.bits,
        family=fmt.family,
        ties=fmt.ties.value,
        quantum=str(fmt.quantum),
        values=tuple(map(str, fmt.values)),
        integers=fmt.integers,
        nan_codes=fmt.nan_codes,
        integer_width=fmt.integer_width,
        magnitude_width=fmt.magnitude_width,
        acc_width_256=lossless_acc_width(fmt, fmt),
        source=fmt.source,
    )


def _list(chosen: list[Format]) -> None:
    rows = [
        [
            fmt.name,
            fmt.title,
            str(fmt.bits),
            fmt.family,
            str(fmt.quantum),
            f"{min(fmt.integers)} … {max(fmt.integers)}",
            str(lossless_acc_width(fmt, fmt)),
        ]
        for fmt in chosen
    ]
    columns = ["name", "title", ">bits", "~family", ">quantum", ">integers", "~>accumulator"]
    table("Formats", columns, rows, "accumulator: bits for a lossless sum of 256 products")


def _describe(fmt: Format) -> None:
    console.print(f"[bold]{escape(fmt.title)}[/bold] ({fmt.name}), {fmt.bits} bits, {fmt.family}")
    console.print(f"source      {escape(fmt.source)}", highlight=False)
    console.print(f"quantum     {fmt.quantum}: every value is an integer times this")
    console.print(
        f"widths      {fmt.integer_width} bits as a signed integer, {fmt.magnitude_width} bits of "
        f"magnitude, {lossless_acc_width(fmt, fmt)} bits to accumulate 256 products"
    )
    console.print(f"ties        {fmt.ties.value}")
    rows = [
        [
            f"{code:0{fmt.bits}b}",
            str(code),
            "NaN" if code in fmt.nan_codes else f"{float(value):.10g}",
            str(value),
            str(integer),
        ]
        for code, (value, integer) in enumerate(zip(fmt.values, fmt.integers, strict=True))
    ]
    caption = (
        "NaN codes act as the largest value of their sign in hardware" if fmt.nan_codes else ""
    )
    table("", ["code", ">decimal", ">value", ">exact", ">integer"], rows, caption)


def formats(names: FormatNames = None, json: Json = False) -> None:
    """List all formats, or print codes, values, integers, quantum, widths and source of the
    named ones.
    """
    chosen = load_formats(names or [*shipped_names(), *user_names()])
    if json:
        print_json([_record(fmt) for fmt in chosen])
    elif names:
        for fmt in chosen:
            _describe(fmt)
    else:
        _list(chosen)
