"""``halfbyte synth``: find area, delay and energy of units, or the FPGA resources of MACs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.area.timing.clocks import parse_clock
from halfbyte.base.results import keep_results
from halfbyte.cli.array import ARRAY, ArrayOptions, show_arrays
from halfbyte.cli.designs import DesignOptions
from halfbyte.cli.dot import DOT, DotOptions, make_dot_specs, show_dots
from halfbyte.cli.options import (
    FormatNames,
    Jobs,
    Json,
    LibraryOptions,
    OperandSet,
    load_formats,
    pick_operands,
)
from halfbyte.cli.output import (
    console,
    number,
    print_json,
    progress,
    say,
    show_not_measured,
    table,
    versions_text,
)
from halfbyte.cli.rounding import rounded_areas, rounding_lines
from halfbyte.cli.units import MAC, Codes, Lanes, Symbols, UnitName, check_unit, synth_unit
from halfbyte.formats import load

if TYPE_CHECKING:
    from halfbyte.area import FpgaRecord, SynthesisRecord
    from halfbyte.area.cells.technology import Technology
    from halfbyte.area.search.dot_records import DotRecord
    from halfbyte.rtl import MacSpec
    from halfbyte.rtl.array import SystolicSpec
    from halfbyte.rtl.dot import DotSpec

__all__ = ["CLOCK_MISSED", "show_areas", "synth"]

# Exit status if a clock is not met: neither an error (1) nor wrong usage (2).
CLOCK_MISSED = 3
MAX_EFFORT = 1000
Every = Annotated[
    bool, typer.Option("--every", help="Show every architecture and recipe, not only the best.")
]
SavedCarries = Annotated[
    bool,
    typer.Option(
        "--saved-carries/--registered",
        help="Whether carry-save accumulators are tried at a clock that no other unit meets; their "
        "output acc is valid a few cycles later. With --registered, they are never tried.",
    ),
]
Clock = Annotated[
    str | None,
    typer.Option(
        "--clock",
        help="A clock to meet, such as 2ns, 500ps or 1.2GHz. Finds the smallest unit that meets "
        "it; if none does, shows the fastest and ends with exit status 3.",
        show_default=False,
    ),
]
Effort = Annotated[
    int,
    typer.Option(
        "--effort",
        min=1,
        max=MAX_EFFORT,
        help="How many times longer than usual the multiplier is annealed (improved gate by gate). "
        "For a 4-bit format, 20 takes a minute and makes the MAC a percent or two smaller.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="A folder to which netlist, RTL, constraints (SDC) and report of every MAC are "
        "written.",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", help="An FPGA instead of a cell library: ice40, ecp5 or xc7."),
]


_CARRIES = (
    "Carries every: bits from one carry register of a carry-save accumulator to the next; acc "
    "cycles: how many cycles acc takes to settle after the registers stop changing. "
)


def show_areas(records: "Sequence[SynthesisRecord]") -> None:
    """Print synthesis records of MACs as a table."""
    first = records[0]
    clock = first.clock_ps
    # Title, field and digits of each column.
    figures = [("area µm²", "area_um2", 1)]
    if clock is None:
        figures += [("GE", "area_ge", 1), ("~mult.", "multiplier_um2", 1), ("~cells", "cells", 0)]
    figures.append(("delay ps", "delay_ps", 0))
    if clock is not None:
        figures.append(("slack", "slack_ps", 0))
        figures += [("carries every", "segment", 0), ("acc cycles", "acc_cycles", 0)]
    figures += [("fJ/MAC", "glitch_energy_fj", 1), ("~leak nW", "leakage_nw", 2)]
    columns = ["format", "~architecture", "~recipe", "~>acc"]
    columns += [f"~>{title[1:]}" if title.startswith("~") else f">{title}" for title, *_ in figures]
    rows = [
        [
            record.pair,
            record.architecture,
            record.recipe,
            str(record.acc_width),
            *(number(getattr(record, field), digits) for _, field, digits in figures),
            record.proof.status if record.proof else "-",
        ]
        for record in records
    ]
    constraint = "no timing constraint" if clock is None else f"clock {clock:,g} ps"
    table(
        f"MAC: area, delay, energy; {first.technology}, {constraint}",
        [*columns, "proof"],
        rows,
        f"{first.corner}, {first.terms} terms; {versions_text(first.versions)}. Delay: the least "
        "clock period, with setup, without wires; inputs change with the clock. Energy: on "
        f"operands of {first.operands}, with glitches and the clock's pins, without wires, clock "
        f"tree and leakage. {_CARRIES if clock is not None else ''}Proof: the netlist equals its "
        "RTL, and the RTL its specification, for all codes and states.",
    )
    show_not_measured(record.not_measured for record in records)


def _show_resources(records: "Sequence[FpgaRecord]", title: str) -> None:
    columns = ["format", "architecture", ">acc", ">LUTs", ">carry cells", ">flip-flops"]
    rows = [
        [
            record.pair,
            record.architecture,
            str(record.acc_width),
            number(record.luts),
            number(record.carry_cells),
            number(record.flip_flops),
        ]
        for record in records
    ]
    first = records[0]
    caption = f"{first.terms} terms, no DSP blocks, not placed; {versions_text(first.versions)}"
    table(f"MAC on {title}, {first.recipe}", columns, rows, caption)


def _check_clock(records: "Sequence[SynthesisRecord | DotRecord]") -> None:
    """If a unit misses the clock, say by how much, and end with exit status 3."""
    missed: dict[str, float] = {}
    for record in records:
        if record.wns_ps is not None:
            missed.setdefault(record.pair, record.wns_ps)
    missed = {name: wns for name, wns in missed.items() if wns < 0}
    for name, wns in missed.items():
        typer.echo(
            f"clock not met: {name} misses {records[0].clock_ps:,g} ps, WNS {wns:,.1f} ps (worst "
            "negative slack); no faster unit was found",
            err=True,
        )
    if missed:
        raise typer.Exit(CLOCK_MISSED)


def _deliver(
    designs: "Sequence[MacSpec]",
    records: "Sequence[SynthesisRecord]",
    technology: "Technology",
    folder: Path,
    quiet: bool,
) -> None:
    """Write the files for the option ``--output``, and print their names."""
    from halfbyte.area.search.delivery import deliver

    by_formats = {(spec.weight.name, spec.activation.name): spec for spec in designs}
    for record in records:
        design = by_formats[record.format, record.activation]
        files = deliver(design, record, technology, folder)
        if not quiet:
            names = ", ".join(path.name for path in files.values())
            say(f"{record.pair}: {names} in {folder}")


def _say_where(records: "Sequence[SynthesisRecord]") -> None:
    """Print the path of each netlist."""
    from halfbyte.area.search.synthesis_jobs import netlist_path

    for record in filter(lambda each: each.netlist, records):
        path = netlist_path(str(record.netlist))
        say(f"netlist of {record.pair}: {path}")


def _synth_dots(
    specs: "Sequence[DotSpec]",
    technology: "Technology",
    clock_ps: float | None,
    operands: str | None,
    every: bool,
    effort: int,
    jobs: int | None,
    json: bool,
) -> None:
    """Synthesize dot-product units and print their records."""
    from halfbyte.area.search.dot_units import synthesize_dots

    with progress(f"Synthesis, {technology.name}") as update:
        records = synthesize_dots(
            specs,
            technology,
            clock_ps=clock_ps,
            operands=pick_operands(operands),
            every=every,
            effort=effort,
            jobs=jobs,
            on_progress=update,
        )
    keep_results("synth", [record.as_json() for record in records])
    print_json(records) if json else show_dots(records)
    _check_clock(records)


def _synth_arrays(
    specs: "Sequence[SystolicSpec]",
    technology: "Technology",
    clock_ps: float | None,
    operands: str | None,
    effort: int,
    jobs: int | None,
    json: bool,
) -> None:
    """Synthesize systolic arrays and print their records."""
    from halfbyte.area.search.arrays import synthesize_arrays

    with progress(f"Synthesis, {technology.name}") as update:
        records = synthesize_arrays(
            specs,
            technology,
            clock_ps=clock_ps,
            operands=pick_operands(operands),
            effort=effort,
            jobs=jobs,
            on_progress=update,
        )
    keep_results("synth", [record.as_json() for record in records])
    print_json(records) if json else show_arrays(records)
    _check_clock(records)


def synth(
    names: FormatNames = None,
    *,
    library: LibraryOptions,
    clock: Clock = None,
    target: Target = None,
    design: DesignOptions,
    operands: OperandSet = None,
    every: Every = False,
    effort: Effort = 1,
    saved_carries: SavedCarries = True,
    output: Output = None,
    unit: UnitName = MAC,
    lanes: Lanes = None,
    codes: Codes = "table",
    symbols: Symbols = 1,
    dot: DotOptions,
    array: ArrayOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Synthesize MACs or other units in every architecture with every synthesis recipe, and show
    the smallest.

    A synthesis recipe is a sequence of Yosys commands. Delay and energy are measured, too. A
    dot-product unit (--unit dot) takes --lanes, --scale, --block, --accumulator and --window. An
    array of such units (--unit array) also takes --rows, --columns, --dataflow and --depth.
    """
    if check_unit(unit, names):
        synth_unit(unit, library.load(), lanes, codes, symbols, json)
        return
    if unit in (DOT, ARRAY):
        period = parse_clock(clock) if clock else None
        specs = make_dot_specs(names, lanes, design, dot, unit)
        if unit == ARRAY:
            arrays = array.arrays(specs)
            _synth_arrays(arrays, library.load(), period, operands, effort, jobs, json)
        else:
            _synth_dots(specs, library.load(), period, operands, every, effort, jobs, json)
        return
    from halfbyte.area import synthesize
    from halfbyte.area.search.fpga import pick_target, synthesize_fpga

    designs = design.macs(load_formats(names))
    period = parse_clock(clock) if clock else None
    if target:
        family = pick_target(target)
        with progress(f"Synthesis, {family.title}") as update:
            mapped = synthesize_fpga(designs, family, every=every, jobs=jobs, on_progress=update)
        print_json(mapped) if json else _show_resources(mapped, family.title)
        return
    technology = library.load()
    with progress(f"Synthesis, {technology.name}") as update:
        records = synthesize(
            designs,
            technology,
            clock_ps=period,
            operands=pick_operands(operands),
            every=every,
            effort=effort,
            saved_carries=saved_carries,
            jobs=jobs,
            on_progress=update,
        )
    keep_results("synth", [record.as_json() for record in records])
    print_json(records) if json else show_areas(records)
    if not json:
        areas = {record.format: record.area_um2 for record in reversed(records)}
        areas |= rounded_areas(names or (), designs, technology, clock_ps=period, jobs=jobs)
        by_format = {each.weight: each for each in designs}
        for name in names or ():
            for line in rounding_lines(name, by_format[load(name)], areas):
                console.print(line, highlight=False, soft_wrap=True)
    if output:
        _deliver(designs, records, technology, output, quiet=json)
    elif not json:
        _say_where(records)
    _check_clock(records)
