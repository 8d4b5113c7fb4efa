"""``--unit array``: options and tables of the commands for systolic arrays.

An array is a grid of elements. Each element has a dot-product unit. Each lane of a unit computes
one product per cycle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.output import number, show_not_measured, table

if TYPE_CHECKING:
    from halfbyte.area.search.array_records import ArrayRecord
    from halfbyte.rtl.array import SystolicSpec
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.array.record import ArraySimulation

__all__ = [
    "ARRAY",
    "ArrayOptions",
    "DataflowName",
    "Depth",
    "show_array_simulations",
    "show_arrays",
    "show_part_proofs",
    "unproved_parts",
    "with_units",
]

ARRAY = "array"
DEFAULT_SIDE = 16
OUTPUT = "output"

Rows = Annotated[
    int | None,
    typer.Option(
        "--rows",
        help="Number of rows of units in an array. With --dataflow output, each row computes the "
        "results of one token at a time; with --dataflow weight, a part of every dot product.",
        show_default=f"{DEFAULT_SIDE}; in pareto 64",
    ),
]
Columns = Annotated[
    int | None,
    typer.Option(
        "--columns",
        help="Number of columns of units in an array. Each column computes one output at a time.",
        show_default=f"{DEFAULT_SIDE}; in pareto 64",
    ),
]


DataflowName = Annotated[
    str | None,
    typer.Option(
        "--dataflow",
        help="What stays in place in each element of an array: output (its sum) or weight (its "
        "weights).",
        show_default=OUTPUT,
    ),
]
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth",
        help="With --dataflow weight: number of tokens whose sums a column holds. Weights stay in "
        "place for that many cycles. By default the least odd number that is at least --rows.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class ArrayOptions:
    """Options that only arrays have: size and dataflow."""

    rows: Rows = None
    columns: Columns = None
    dataflow: DataflowName = None
    depth: Depth = None

    @property
    def sides(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return (
            DEFAULT_SIDE if self.rows is None else self.rows,
            DEFAULT_SIDE if self.columns is None else self.columns,
        )

    def check_unit(self, unit: str) -> None:
        """Raise UserError if one of the options was given for a unit that is not an array."""
        given = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        if unit != ARRAY and given:
            raise UserError(f"--{given[0]} is for --unit array, not for {unit}: leave it out")

    def array(self, unit: "DotSpec") -> "SystolicSpec":
        """The array whose elements have ``unit``; raises UserError if it cannot exist."""
        from halfbyte.rtl.array import make_array

        if self.dataflow in (None, OUTPUT) and self.depth is not None:
            raise UserError("--depth is for --dataflow weight, not for output: leave it out")
        return make_array(unit, *self.sides, self.dataflow or OUTPUT, self.depth)

    def arrays(self, units: "Sequence[DotSpec]") -> "list[SystolicSpec]":
        """An array for each unit; raises UserError if one of them cannot exist."""
        return [self.array(unit) for unit in units]


def with_units(
    arrays: "Sequence[SystolicSpec]", units: "Sequence[DotSpec]"
) -> "list[SystolicSpec]":
    """The arrays, with their units replaced by ``units``, whose architectures are decided."""
    return [replace(array, unit=unit) for array, unit in zip(arrays, units, strict=True)]


def show_arrays(records: "Sequence[ArrayRecord]") -> None:
    """Print synthesis records of arrays as a table."""
    columns = ["format", ">size", "~>lanes", "~scale", ">area µm²", ">per MAC", "~>unit"]
    columns += ["~>registers", "~>skew", "~>return", ">delay ps", ">fJ/product", "proof"]
    keys = ("unit_um2", "element_registers_um2", "skew_um2", "return_um2")
    rows = [
        [
            record.pair,
            f"{record.rows} x {record.columns}",
            str(record.lanes),
            record.scale or "-",
            number(record.area_um2),
            number(record.um2_per_mac, 1),
            *(number(getattr(record, key), 1) for key in keys),
            number(record.delay_ps),
            number(record.glitch_energy_fj, 1),
            record.proof.status if record.proof else "-",
        ]
        for record in records
    ]
    first, clock = records[0], records[0].clock_ps
    table(
        f"{first.dataflow.capitalize()}-stationary arrays; {first.technology}, "
        + ("no timing constraint" if clock is None else f"clock {clock:,g} ps"),
        columns,
        rows,
        f"{first.corner}. Per MAC: area for each product per cycle. Unit and registers: areas in "
        "one element. Skew: area of the registers that delay inputs of rows and columns. Return: "
        "area of the registers that bring sums back to the bottom of the columns. Energy: that of "
        "all these parts and their clock pins, with glitches inside the units, without wires. "
        "Delay and proof: those of one unit.",
    )
    show_not_measured(record.not_measured for record in records)


def show_part_proofs(records: "Sequence[ArrayRecord]") -> None:
    """Print a table of the proofs of an array's parts that lie outside its units."""
    rows = [
        [record.pair, f"{record.rows} x {record.columns}", record.dataflow, part, status]
        for record in {each.pair: each for each in records}.values()
        for part, status in (record.parts_proof or {}).items()
    ]
    table(
        "Proofs of the parts outside the units",
        ["format", ">size", "dataflow", "part", "netlist = RTL"],
        rows,
        "A SAT solver covers all states and inputs. The connections of the parts are not proved; "
        "`halfbyte sim --unit array` compares whole arrays with the golden model.",
    )


def unproved_parts(records: "Sequence[ArrayRecord]") -> list[str]:
    """An error line for every part outside the units of an array that is not proved."""
    return [
        f"{record.pair}: the netlist of {part.replace('_', ' ')} is {status}"
        for record in records
        for part, status in (record.parts_proof or {}).items()
        if status != "proved"
    ]


def show_array_simulations(records: "Sequence[ArraySimulation]") -> None:
    """Print the records of array simulations as a table."""
    columns = ["format", "~architecture", ">size", "dataflow", ">lanes", "scale", "~accumulator"]
    rows = [
        [
            " x ".join(dict.fromkeys((record.format, record.activation))),
            record.architecture,
            f"{record.rows} x {record.columns}",
            record.dataflow,
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
        [*columns, ">results", ">products", ">cycles", ">s", ">seed"],
        rows,
        f"{records[0].simulator}: every result that leaves the array equals the golden model's, "
        "bit for bit. The inputs include a row of the largest value and a row of the smallest. The "
        "result has more rows and columns than the array computes at once.",
    )
