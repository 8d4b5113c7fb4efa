"""``halfbyte tech``: list technology cards, or make one from a full Liberty library."""

from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import write_atomically
from halfbyte.cli.options import Json
from halfbyte.cli.output import number, print_json, progress, say, table
from halfbyte.cli.records import CardRecord
from halfbyte.cli.writable import check_output

__all__ = ["app"]

app = typer.Typer(
    help="List technology cards, which are small cell libraries, or make one from a full library.",
    no_args_is_help=True,
    add_completion=False,  # shell completion of `halfbyte` covers its subcommands
)

Libraries = Annotated[
    list[Path], typer.Argument(metavar="FULL.lib...", help="One library, in one or several files.")
]
CardName = Annotated[str, typer.Option("--name", help="Name of the card: a lower-case identifier.")]
CardPath = Annotated[Path, typer.Option("--output", "-o", help="The card file to write (.yaml).")]
Title = Annotated[str, typer.Option(help="The name that people read.")]
Source = Annotated[str, typer.Option(help="Where the library comes from.")]
Licence = Annotated[str, typer.Option(help="Licence of the library.")]


@app.command("list")
def list_cards(json: Json = False) -> None:
    """List the shipped cards."""
    from halfbyte.area.cells.technology import load_technology, technology_names

    cards = [load_technology(name) for name in technology_names()]
    if json:
        print_json(
            [
                CardRecord(
                    name=card.name,
                    title=card.title,
                    corner=card.corner,
                    cells=len(card.cells),
                    nand2_um2=card.nand2_area,
                    source=card.source,
                    licence=card.licence,
                )
                for card in cards
            ]
        )
        return
    rows = [
        [
            card.name,
            card.title,
            card.corner,
            str(len(card.cells)),
            number(card.nand2_area, 4),
            card.licence,
        ]
        for card in cards
    ]
    columns = ["name", "title", "~corner", ">cells", "~>NAND2 µm²", "licence"]
    table("Technology cards", columns, rows)


@app.command("distill")
def distill_card(
    libraries: Libraries,
    name: CardName,
    output: CardPath,
    title: Title = "",
    source: Source = "",
    licence: Licence = "",
) -> None:
    """Reduce a full Liberty library to a card of a few dozen cells."""
    from halfbyte.area.timing.distill import distill

    check_output(output, "distill")
    with progress("Distilling") as update:
        update(0, 1, libraries[0].name)
        card = distill(libraries, name=name, title=title, source=source, licence=licence)
    write_atomically(output, card)
    say(f"wrote {output} ({len(card):,} bytes)")
