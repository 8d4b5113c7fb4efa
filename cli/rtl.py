"""``halfbyte rtl``: MAC units as plain Verilog, with test vectors and a plain bench."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import build_dir
from halfbyte.cli.designs import resolve_architectures
from halfbyte.cli.dot import (
    DOT,
    AccumulatorKind,
    Block,
    Scale,
    Window,
    check_dot_only,
    make_dot_specs,
    resolve_lanes,
)
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
from halfbyte.cli.units import MAC, Codes, Lanes, Symbols, UnitName, check_unit, rtl_unit

if TYPE_CHECKING:
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.records import DotExportRecord, ExportRecord

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
    tech: TechnologyName = None,
    output: Output = None,
    unit: UnitName = MAC,
    lanes: Lanes = None,
    scale: Scale = None,
    block: Block = None,
    accumulator: AccumulatorKind = None,
    window: Window = None,
    codes: Codes = "table",
    symbols: Symbols = 1,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Write Verilog, test vectors and a self-checking plain Verilog bench for MACs or dot units.

    With --arch auto the architecture is the one that synthesis finds smallest in --tech, with the
    lossless accumulator.
    """
    folder = output or build_dir() / "rtl"
    check_dot_only(unit, scale=scale, block=block, accumulator=accumulator, window=window)
    if check_unit(unit, names):
        rtl_unit(unit, lanes, codes, symbols, folder, json)
        return
    if unit == DOT:
        specs = make_dot_specs(
            names,
            activation=activation,
            arch=arch,
            lanes=lanes,
            scale=scale,
            block=block,
            accumulator=accumulator,
            window=window,
            terms=terms,
            acc_width=acc_width,
            overflow=overflow,
        )
        _export_dots(resolve_lanes(specs, tech), folder, json)
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
    _show(records, folder, json)


def _export_dots(specs: "Sequence[DotSpec]", folder: Path, json: bool) -> None:
    """Write dot-product units with vectors and benches."""
    from halfbyte.sim.dot.export import export_dot

    records = []
    with progress("Export") as update:
        for done, spec in enumerate(specs):
            update(done, len(specs), spec.weight.name)
            records.append(export_dot(spec, folder))
    _show(records, folder, json)


def _show(
    records: "Sequence[ExportRecord] | Sequence[DotExportRecord]", folder: Path, json: bool
) -> None:
    if json:
        print_json(records)
        return
    columns = ["format", "activation", "architecture", ">acc", "Verilog", "vectors", "bench"]
    rows = [
        [record.format, record.activation, record.architecture, str(record.acc_width)]
        + [Path(getattr(record, key)).name for key in ("verilog", "vectors", "bench")]
        for record in records
    ]
    table("RTL", columns, rows, f"in {folder}")
