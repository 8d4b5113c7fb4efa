"""``halfbyte rtl``: write units as plain Verilog.

MACs, dot-product units and arrays get test vectors and a test bench, too.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.area.timing.clocks import parse_clock
from halfbyte.base import build_dir
from halfbyte.cli.array import (
    ARRAY,
    ArrayOptions,
    with_units,
)
from halfbyte.cli.designs import DesignOptions, choose_architectures, mac_specs
from halfbyte.cli.dot import DOT, DotOptions, make_dot_specs, resolve_lanes, synthesized_designs
from halfbyte.cli.options import (
    FormatNames,
    Jobs,
    Json,
    LibraryOptions,
    load_formats,
)
from halfbyte.cli.output import print_json, progress, table
from halfbyte.cli.units import MAC, Codes, Lanes, Symbols, UnitName, check_unit, rtl_unit

if TYPE_CHECKING:
    from halfbyte.rtl.array import SystolicSpec
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.array.record import ArrayExport
    from halfbyte.sim.records import DotExportRecord, ExportRecord

__all__ = ["rtl"]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder to write to; build/rtl if not given.", show_default=False
    ),
]
Clock = Annotated[
    str | None,
    typer.Option(
        "--clock",
        help="A clock such as 2ns or 1.2GHz, for which the architecture is chosen.",
        show_default=False,
    ),
]
Enable = Annotated[bool, typer.Option("--enable", help="Add an enable port.")]
Segment = Annotated[
    int | None,
    typer.Option(
        "--segment",
        help="Build a carry-save accumulator with segments of this many bits. Then the output acc "
        "is not a register but the sum of several registers.",
        show_default=False,
    ),
]


def rtl(
    names: FormatNames = None,
    *,
    design: DesignOptions,
    enable: Enable = False,
    segment: Segment = None,
    library: LibraryOptions,
    clock: Clock = None,
    output: Output = None,
    unit: UnitName = MAC,
    lanes: Lanes = None,
    dot: DotOptions,
    array: ArrayOptions,
    codes: Codes = "table",
    symbols: Symbols = 1,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Write Verilog, test vectors and a self-checking Verilog bench for MACs, dot-product units
    or arrays.

    With --arch auto, a MAC has the architecture that `halfbyte synth` chooses for the same options.
    If the --clock needs it, a MAC gets a carry-save accumulator, and a dot-product unit
    gets faster adders.
    """
    folder = output or build_dir() / "rtl"
    if check_unit(unit, names):
        rtl_unit(unit, lanes, codes, symbols, folder, json)
        return
    if unit in (DOT, ARRAY):
        units = make_dot_specs(names, lanes, design, dot, unit)
        arrays = array.arrays(units) if unit == ARRAY else []
        chosen = library.load()
        if clock:
            units = synthesized_designs(units, chosen, parse_clock(clock), jobs)
        else:
            units = resolve_lanes(units, chosen)
        if arrays:
            _export_arrays(with_units(arrays, units), folder, json)
        else:
            _export_dots(units, folder, json)
        return
    from halfbyte.sim import export_mac

    specs = [
        replace(spec, enable=enable, segment=segment)
        for spec in mac_specs(load_formats(names), design)
    ]
    technology = library.load()
    period = parse_clock(clock) if clock else None
    specs = choose_architectures(specs, technology, clock_ps=period, jobs=jobs)
    records = []
    with progress("Export") as update:
        for done, spec in enumerate(specs):
            update(done, len(specs), spec.weight.name)
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


def _export_arrays(specs: "Sequence[SystolicSpec]", folder: Path, json: bool) -> None:
    """Write arrays with vectors and benches."""
    from halfbyte.sim.array.export import export_array

    records = []
    with progress("Export") as update:
        for done, spec in enumerate(specs):
            update(done, len(specs), spec.unit.weight.name)
            records.append(export_array(spec, folder))
    _show(records, folder, json)


def _show(
    records: "Sequence[ExportRecord] | Sequence[DotExportRecord] | Sequence[ArrayExport]",
    folder: Path,
    json: bool,
) -> None:
    if json:
        print_json(records)
        return
    columns = ["format", "~activation", "~architecture", "~>acc", "module"]
    rows = [
        [each.format, each.activation, each.architecture, str(each.acc_width), each.module]
        for each in records
    ]
    caption = f"in {folder}: MODULE.v, its vectors MODULE_vectors.hex, its bench tb_MODULE.v"
    table("RTL", columns, rows, caption)
