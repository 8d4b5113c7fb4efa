"""``halfbyte gates``: search for a multiplier with few AND, OR, XOR and NOT gates.

Simulated annealing changes the gates of a multiplier one by one. The products stay the same.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import UserError, versions_of, write_atomically
from halfbyte.cli.options import Activation, Jobs, Json, load_optional
from halfbyte.cli.output import print_json, progress, say, table
from halfbyte.cli.records import GatesRecord
from halfbyte.formats import load

__all__ = ["gates"]

MAX_BITS = 10  # of both codes together
Name = Annotated[str, typer.Argument(metavar="FORMAT", help="Name or .yaml file of a format.")]
Moves = Annotated[
    int,
    typer.Option(
        min=1, max=10**9, help="Number of changes that each annealing of the gates tries."
    ),
]
Seeds = Annotated[
    int,
    typer.Option(min=1, max=10_000, help="Number of annealings that start from each architecture."),
]
Architecture = Annotated[
    str,
    typer.Option("--arch", help="Multiplier architecture that annealing starts from, or 'all'."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="A Verilog file for the gates.", show_default=False),
]


def gates(
    name: Name,
    activation: Activation = None,
    arch: Architecture = "all",
    moves: Moves = 2_000_000,
    seeds: Seeds = 2,
    output: Output = None,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Search for the multiplier with the fewest AND, OR, XOR and NOT gates; its product is in two's
    complement.
    """
    from halfbyte.area.synthesis.primitive_gates import search_unit_gates
    from halfbyte.rtl import applicable_architectures, check_architecture

    weight = load(name)
    other = load_optional(activation) or weight
    if weight.bits + other.bits > MAX_BITS:
        raise UserError(
            f"A weight and an activation must have at most {MAX_BITS} bits together, not "
            f"{weight.bits + other.bits}"
        )
    if arch != "all":
        check_architecture(arch, weight, other)
    with progress(f"Gates of {weight.name}") as update:
        found = search_unit_gates(
            weight,
            other,
            architectures=applicable_architectures(weight, other) if arch == "all" else [arch],
            moves=moves,
            seeds=range(1, seeds + 1),
            jobs=jobs or os.cpu_count() or 1,
            on_progress=update,
        )
    if output is not None:
        write_atomically(output, found.verilog())
    record = GatesRecord(
        format=weight.name,
        activation=other.name,
        unit="signed_product",
        gates=found.gates,
        and_=found.counts["AND"],
        or_=found.counts["OR"],
        xor=found.counts["XOR"],
        not_=found.counts["NOT"],
        architecture=found.architecture,
        moves=moves,
        seed=found.seed,
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
        output=str(output) if output else None,
    )
    if json:
        print_json([record])
        return
    table(
        f"{weight.name} x {other.name}: product in two's complement",
        [">gates", *(f">{name}" for name in found.counts), "started from", ">seed"],
        [
            [
                str(found.gates),
                *map(str, found.counts.values()),
                found.architecture,
                str(found.seed),
            ]
        ],
        "Every gate counts as one. NOT has one input; the other gates have two. For all pairs of "
        "codes, the output of the gates was compared with the product of the two values.",
    )
    if output is not None:
        say(f"wrote {output}")
