"""``halfbyte curve``: show the area of MACs at many clocks, as a plot and a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.area.timing.clocks import parse_clock
from halfbyte.cli.look import PictureOptions, folder_of_run
from halfbyte.cli.options import (
    DEFAULT_TERMS,
    Activation,
    Architecture,
    Jobs,
    Json,
    LibraryOptions,
    OldFormats,
    OperandSet,
    Terms,
    load_formats,
    load_optional,
    named_formats,
    pick_operands,
)
from halfbyte.cli.output import number, print_json, progress, say, table

if TYPE_CHECKING:
    from halfbyte.area import SynthesisRecord

__all__ = ["curve"]

DEFAULT = ("int4", "e2m1_sp")

Formats = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FORMAT",
        help="Names of shipped formats, sf4@6 for sf4 with values of 6 bits, or .yaml files.",
        show_default=" ".join(DEFAULT),
    ),
]
Clocks = Annotated[
    str | None,
    typer.Option(
        "--clocks",
        help="Clocks, separated by commas, such as 4ns,2ns,1ns. By default ten periods in each "
        "factor of ten, from one that every smallest MAC meets to one that no MAC meets, but at "
        "most 20 periods.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write to; by default one in build/curve that is named after the technology "
        "and the other inputs.",
        show_default=False,
    ),
]


def curve(
    names: Formats = None,
    *,
    formats: OldFormats = None,
    clocks: Clocks = None,
    library: LibraryOptions,
    arch: Architecture = "auto",
    activation: Activation = None,
    terms: Terms = DEFAULT_TERMS,
    operands: OperandSet = None,
    output: Output = None,
    pictures: PictureOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Plot area, slack and WNS (worst negative slack) of the best MAC at many clocks."""
    from halfbyte.area.search.curve import sweep_clocks
    from halfbyte.pareto.curve import write_curve
    from halfbyte.rtl import MacSpec

    look, wanted = pictures.look(), named_formats(names, formats)
    chosen = load_formats(wanted or list(DEFAULT))
    other = load_optional(activation)
    periods = sorted({parse_clock(each) for each in clocks.split(",")}) if clocks else None
    designs = [MacSpec(fmt, other or fmt, arch, terms) for fmt in chosen]
    technology = library.load()
    with progress(f"Clocks, {technology.name}") as update:
        records = sweep_clocks(
            designs,
            technology,
            clocks=periods[::-1] if periods else None,
            operands=pick_operands(operands),
            jobs=jobs,
            on_progress=update,
        )
    titles = {fmt.name: fmt.title for fmt in chosen}
    folder = output or folder_of_run(
        "curve",
        technology.name,
        formats=wanted,
        arch="" if arch == "auto" else arch,
        activation=activation,
        terms=None if terms == DEFAULT_TERMS else terms,
        clocks=clocks,
        operands=operands,
        dont_use=library.dont_use,
    )
    written = write_curve(records, titles, folder, look)
    if json:
        print_json(records)
        return
    _show(records)
    say(f"wrote {', '.join(path.name for path in written)} in {folder}")


def _show(records: "Sequence[SynthesisRecord]") -> None:
    columns = ["format", ">clock ps", ">area µm²", ">delay ps", ">slack ps", ">WNS ps", "~>fJ/MAC"]
    columns += ["~architecture", "~recipe"]
    rows = [
        [
            record.pair,
            number(record.clock_ps),
            number(record.area_um2, 1),
            number(record.delay_ps),
            number(record.slack_ps),
            number(record.wns_ps),
            number(record.glitch_energy_fj, 1),
            record.architecture,
            record.recipe,
        ]
        for record in records
    ]
    first = records[0]
    caption = f"{first.technology}, {first.corner}, {first.terms} terms"
    table("Area against clock", columns, rows, caption)
