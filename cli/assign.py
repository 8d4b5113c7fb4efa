"""``halfbyte assign``: search for an order of the weights' codes that makes the MAC smaller.

The result is a permuted format: it has the same values, but each value may have another code.
Before two orders are compared, simulated annealing makes the multiplier for each order small.
"""

from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import UserError, build_dir, versions_of, write_atomically
from halfbyte.cli.options import (
    Activation,
    Jobs,
    Json,
    LibraryOptions,
    Terms,
    load_optional,
)
from halfbyte.cli.output import print_json, progress, say, table
from halfbyte.cli.records import AssignmentRecord
from halfbyte.formats import load, names
from halfbyte.formats.model import check_name

__all__ = ["assign"]

FormatName = Annotated[
    str, typer.Argument(metavar="FORMAT", help="Name or .yaml file of a format.")
]
NewName = Annotated[
    str | None,
    typer.Option("--name", help="Name of the permuted format.", show_default="FORMAT_stored"),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="The .yaml file to write; build/formats/NAME.yaml if not given.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random orders.")]
MAX_BITS = 8  # of both codes together


def assign(
    fmt: FormatName,
    *,
    activation: Activation = None,
    name: NewName = None,
    output: Output = None,
    library: LibraryOptions,
    terms: Terms = 256,
    seed: Seed = 1,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Find an order of the weights' codes that makes the MAC smaller, and write a format with
    this order.

    Weights are encoded in advance, so another order of their codes costs nothing. The codes of the
    activations keep the order of the activations' own format.
    """
    from halfbyte.area.search.assignment import assign_codes
    from halfbyte.formats.writing import format_text

    weight = load(fmt)
    other = load_optional(activation) or weight
    if weight.bits + other.bits > MAX_BITS:
        raise UserError(
            f"A weight and an activation must have at most {MAX_BITS} bits together, not "
            f"{weight.bits + other.bits}"
        )
    chosen = check_name(name or f"{weight.name}_stored")
    if chosen in names():
        raise UserError(f"{chosen} is the name of a shipped format; choose another name")
    path = output or build_dir() / "formats" / f"{chosen}.yaml"
    technology = library.load()
    with progress(f"Codes of {weight.name}") as update:
        found = assign_codes(
            weight,
            other,
            technology,
            name=chosen,
            terms=terms,
            seed=seed,
            jobs=jobs,
            on_progress=update,
        )
    write_atomically(path, format_text(found.fmt))
    change = 100 * (found.area_um2 / found.given_um2 - 1)
    record = AssignmentRecord(
        format=weight.name,
        activation=other.name,
        permuted=chosen,
        values=tuple(map(str, found.fmt.values)),
        technology=technology.name,
        corner=technology.corner,
        terms=terms,
        area_um2=found.area_um2,
        architecture=found.architecture,
        given_um2=found.given_um2,
        given_architecture=found.given_architecture,
        moves=found.moves,
        orders=found.orders,
        seed=seed,
        output=str(path),
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
    )
    if json:
        print_json([record])
        return
    table(
        f"MAC of {weight.name} x {other.name}; {technology.name}, no timing constraint",
        ["weight's codes", ">area µm²", "multiplier architecture"],
        [
            ["as given", f"{found.given_um2:,.1f}", found.given_architecture],
            ["permuted", f"{found.area_um2:,.1f}", found.architecture],
        ],
        f"The permuted codes change the area of the MAC by {change:+.1f} %. They are the best of "
        f"{found.orders} orders that were tried, in which the top bit is the sign. Values in code "
        f"order: {', '.join(str(value) for value in found.fmt.values)}. Annealing tried "
        f"{found.moves:,} changes of each multiplier.",
    )
    say(f"wrote {path}; to use it: halfbyte synth {path} --activation {other.name}")
