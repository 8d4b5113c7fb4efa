"""``halfbyte synth``: the synthesised area of MAC units."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from halfbyte.cli.options import (
    AccWidth,
    Activation,
    Architecture,
    FormatNames,
    Jobs,
    Json,
    LibertyFiles,
    OverflowRule,
    TechnologyName,
    Terms,
    load_formats,
    load_optional,
    overflow_rule,
    pick_technology,
)
from halfbyte.cli.output import number, print_json, progress, table
from halfbyte.cli.units import MAC, Lanes, UnitName, check_unit, synth_unit

__all__ = ["show_areas", "synth"]

Every = Annotated[
    bool, typer.Option("--every", help="Show every architecture and recipe, not only the smallest.")
]


def show_areas(records: Sequence[Mapping[str, Any]]) -> None:
    """Print synthesis records as a table."""
    columns = ["format", "activation", "architecture", "recipe", ">acc", ">area um²", ">GE"]
    columns += [">multiplier", ">accumulator", ">register", ">cells"]
    rows = [
        [
            record["format"],
            record["activation"],
            record["architecture"],
            record["recipe"],
            str(record["acc_width"]),
            number(record["area_um2"], 1),
            number(record["area_ge"], 1),
            number(record["multiplier_um2"], 1),
            number(record["accumulator_um2"], 1),
            number(record["register_um2"], 1),
            number(record["cells"]),
        ]
        for record in records
    ]
    first = records[0]
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    caption = (
        f"{first['technology']}, {first['corner']}, {first['terms']} terms, no timing constraint; "
        f"{versions}. Multiplier alone, register cells, and the rest: the accumulator's logic."
    )
    table("MAC area", columns, rows, caption)


def synth(
    names: FormatNames = None,
    tech: TechnologyName = "sky130hd",
    liberty: LibertyFiles = None,
    arch: Architecture = "auto",
    activation: Activation = None,
    terms: Terms = 256,
    acc_width: AccWidth = None,
    overflow: OverflowRule = "wrap",
    every: Every = False,
    unit: UnitName = MAC,
    lanes: Lanes = 8,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Synthesise MACs and print their areas: the smallest of every architecture and recipe."""
    if check_unit(unit, names):
        synth_unit(unit, pick_technology(tech, liberty), lanes, json)
        return
    from halfbyte.area import Design, synthesise

    rule = overflow_rule(overflow)
    other = load_optional(activation)
    designs = [
        Design(fmt, other or fmt, arch, terms, acc_width, rule) for fmt in load_formats(names)
    ]
    technology = pick_technology(tech, liberty)
    with progress(f"Synthesis, {technology.name}") as update:
        records = synthesise(designs, technology, every=every, jobs=jobs, on_progress=update)
    print_json(records) if json else show_areas(records)
