"""``halfbyte rtl``: MAC units as plain Verilog, with test vectors and a plain bench."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import build_dir
from halfbyte.cli.designs import resolve_architectures
from halfbyte.cli.options import (
    AccWidth,
    Activation,
    Architecture,
    FormatNames,
    Jobs,
    Json,
    OverflowRule,
    TechnologyName,
    Terms,
    load_formats,
    load_optional,
    overflow_rule,
)
from halfbyte.cli.output import print_json, progress, table
from halfbyte.cli.units import MAC, Lanes, UnitName, check_unit, rtl_unit

__all__ = ["rtl"]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder to write to; build/rtl if not given.", show_default=False
    ),
]
Enable = Annotated[bool, typer.Option("--enable", help="Add an enable port.")]
Segment = Annotated[
    int | None,
    typer.Option(
        "--segment",
        help="Save the accumulator's carry after every so many bits; acc is then the sum of "
        "registers.",
        show_default=False,
    ),
]


def rtl(
    names: FormatNames = None,
    arch: Architecture = "auto",
    activation: Activation = None,
    terms: Terms = 256,
    acc_width: AccWidth = None,
    overflow: OverflowRule = "wrap",
    enable: Enable = False,
    segment: Segment = None,
    tech: TechnologyName = "sky130hd",
    output: Output = None,
    unit: UnitName = MAC,
    lanes: Lanes = 8,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Write Verilog, test vectors and a self-checking plain Verilog bench for MACs.

    With --arch auto the architecture is the one that synthesis finds smallest in --tech, with the
    lossless accumulator.
    """
    folder = output or build_dir() / "rtl"
    if check_unit(unit, names):
        rtl_unit(unit, lanes, folder, json)
        return
    from halfbyte.sim import export_mac

    rule = overflow_rule(overflow)
    chosen = load_formats(names)
    designs = resolve_architectures(chosen, load_optional(activation), arch, terms, tech, jobs)
    records = []
    with progress("Export") as update:
        for done, design in enumerate(designs):
            update(done, len(designs), design.weight.name)
            spec = replace(
                design, acc_width=acc_width, overflow=rule, enable=enable, segment=segment
            )
            records.append(export_mac(spec, folder))
    if json:
        print_json(records)
        return
    columns = ["format", "activation", "architecture", ">acc", "Verilog", "vectors", "bench"]
    rows = [
        [record["format"], record["activation"], record["architecture"], str(record["acc_width"])]
        + [Path(record[key]).name for key in ("verilog", "vectors", "bench")]
        for record in records
    ]
    table("RTL", columns, rows, f"in {folder}")
