"""``--unit array``: what commands do for systolic arrays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.output import number, table

if TYPE_CHECKING:
    from halfbyte.area.search.array_records import ArrayRecord
    from halfbyte.rtl.array import ArraySpec
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.array.record import ArraySimulation

__all__ = [
    "ARRAY",
    "Columns",
    "Rows",
    "check_array_only",
    "make_arrays",
    "show_array_simulations",
    "show_arrays",
]

ARRAY = "array"
DEFAULT_SIDE = 16

Rows = Annotated[
    int | None,
    typer.Option(
        "--rows", help="Units down in an array: tokens at a time.", show_default=str(DEFAULT_SIDE)
    ),
]
Columns = Annotated[
    int | None,
    typer.Option(
        "--columns",
        help="Units across in an array: outputs at a time.",
        show_default=str(DEFAULT_SIDE),
    ),
]


def check_array_only(unit: str, rows: int | None, columns: int | None) -> None:
    """Raise UserError if the size of an array was given for another unit."""
    given = [name for name, value in (("rows", rows), ("columns", columns)) if value is not None]
    if unit != ARRAY and given:
        raise UserError(f"--{given[0]} is for --unit array, not for {unit}: leave it out")


def make_arrays(
    units: "Sequence[DotSpec]", rows: int | None, columns: int | None
) -> "list[ArraySpec]":
    """An array of each unit; raises UserError for a size that an array cannot have."""
    from halfbyte.rtl.array import ArraySpec

    sides = [DEFAULT_SIDE if side is None else side for side in (rows, columns)]
    return [ArraySpec(unit, *sides) for unit in units]


def show_arrays(records: "Sequence[ArrayRecord]") -> None:
    """Print synthesis records of arrays as a table."""
    columns = ["format", ">size", "~>lanes", "~scale", ">area µm²", ">per MAC", "~>unit"]
    columns += ["~>registers", "~>skew", ">delay ps", ">fJ/product", "proof"]
    rows = [
        [
            record.pair,
            f"{record.rows} x {record.columns}",
            str(record.lanes),
            record.scale or "-",
            number(record.area_um2),
            number(record.um2_per_mac, 1),
            *(
                number(getattr(record, key), 1)
                for key in ("unit_um2", "element_registers_um2", "skew_um2")
            ),
            number(record.delay_ps),
            number(record.energy_fj, 1),
            record.proof.status if record.proof else "-",
        ]
        for record in records
    ]
    first, clock = records[0], records[0].clock_ps
    table(
        f"Output-stationary arrays; {first.technology}, "
        + ("no timing constraint" if clock is None else f"clock {clock:,g} ps"),
        columns,
        rows,
        f"{first.corner}. Unit and registers: of one element. Skew: registers that delay rows "
        "and columns. Energy: of the unit and the element's registers, with the clock's pins, "
        "without the skew and wires. Proof: of the unit.",
    )


def show_array_simulations(records: "Sequence[ArraySimulation]") -> None:
    """Print the records of simulations as a table."""
    columns = ["format", "~lane", ">size", ">lanes", "scale", "~accumulator", ">results"]
    rows = [
        [
            " x ".join(dict.fromkeys((record.format, record.activation))),
            record.architecture,
            f"{record.rows} x {record.columns}",
            str(record.lanes),
            record.scale or "-",
            record.accumulator,
            number(record.results),
            number(record.products),
            number(record.cycles),
            number(record.seconds, 1),
            str(record.seed),
        ]
        for record in records
    ]
    table(
        "Simulation of arrays",
        [*columns, ">products", ">cycles", ">s", ">seed"],
        rows,
        f"{records[0].simulator}: every result that leaves the array agrees with the golden model, "
        "as bits. Rows of the largest and smallest values, and tails that the array does not fill.",
    )
