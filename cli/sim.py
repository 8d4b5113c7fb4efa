"""``halfbyte sim``: the cocotb regression of MAC units against the golden model."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
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
    show_dot_simulations,
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
)
from halfbyte.cli.output import number, print_json, progress, table
from halfbyte.cli.units import MAC, Codes, Symbols, UnitName, check_unit, sim_unit

if TYPE_CHECKING:
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.records import SimulationRecord

__all__ = ["Cycles", "Seed", "Simulator", "Waves", "show_simulations", "sim"]

Simulator = Annotated[str, typer.Option(envvar="SIM", help="verilator, or icarus if you have it.")]
Waves = Annotated[bool, typer.Option("--waves", help="Write a waveform file.")]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Seed of the random stimulus.", show_default=False)
]
Cycles = Annotated[int, typer.Option(min=1, help="Random cycles with random clears.")]

SIMULATED_LANES = 2
# A dot-product unit has many products a cycle.
DOT_SHARE = 5
SimulatedLanes = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        help="Products per cycle of a dot-product unit, or lanes of the DFloat11 decoder.",
        show_default="32, 2",
    ),
]


def show_simulations(records: "Sequence[SimulationRecord]", seconds: float) -> None:
    """Print the records of simulations as a table."""
    columns = [
        "format",
        "activation",
        "architecture",
        ">acc",
        ">products",
        ">products/s",
        ">s",
        "seed",
    ]
    rows = [
        [
            record.format,
            record.activation,
            record.architecture,
            str(record.acc_width),
            number(record.products),
            number(record.products_per_second),
            number(record.seconds, 1),
            str(record.seed),
        ]
        for record in records
    ]
    total = sum(record.products for record in records)
    caption = (
        f"{records[0].simulator}, {records[0].level}: {total:,} products agree with the "
        f"golden model, none differs; "
        f"{seconds:.0f} s in all, {total / seconds:,.0f} products per second"
    )
    table("Simulation", columns, rows, caption)
    for record in records:
        if record.waves:
            typer.echo(f"waveform of {record.format}: {record.waves}")


def _sim_dots(
    specs: "Sequence[DotSpec]",
    simulator: str,
    waves: bool,
    seed: int | None,
    cycles: int,
    json: bool,
) -> None:
    """Simulate dot-product units and print what was compared."""
    from halfbyte.sim.dot.regression import run_dot_regression

    if waves and len(specs) > 1:
        raise UserError("Waveforms are written for one format at a time: name one format")
    records = []
    with progress("Simulation") as update:
        for done, spec in enumerate(specs):
            update(done, len(specs), spec.weight.name)
            records.append(
                run_dot_regression(
                    spec,
                    cycles=max(1, cycles // DOT_SHARE),
                    simulator=simulator,
                    waves=waves,
                    seed=seed,
                )
            )
    print_json(records) if json else show_dot_simulations(records)


def sim(
    names: FormatNames = None,
    arch: Architecture = "auto",
    activation: Activation = None,
    terms: Terms = 256,
    tech: TechnologyName = None,
    simulator: Simulator = "verilator",
    waves: Waves = False,
    seed: Seed = None,
    cycles: Cycles = 100_000,
    unit: UnitName = MAC,
    lanes: SimulatedLanes = None,
    scale: Scale = None,
    block: Block = None,
    accumulator: AccumulatorKind = None,
    window: Window = None,
    acc_width: AccWidth = None,
    overflow: OverflowRule = "wrap",
    codes: Codes = "table",
    symbols: Symbols = 1,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Simulate MACs against the golden model; without a format, all of 4 and 5 bits.

    --arch all runs every architecture that fits; auto runs the one that synthesis found smallest. A
    dot-product unit (--unit dot) takes --lanes, --scale, --block, --accumulator, --window,
    --acc-width and --overflow; each of its scenarios has a fifth of --cycles.
    """
    check_dot_only(
        unit, scale=scale, block=block, accumulator=accumulator, window=window, acc_width=acc_width
    )
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
        _sim_dots(resolve_lanes(specs, tech), simulator, waves, seed, cycles, json)
        return
    if check_unit(unit, names):
        sim_unit(
            unit,
            SIMULATED_LANES if lanes is None else lanes,
            codes,
            symbols,
            simulator=simulator,
            waves=waves,
            seed=seed,
            json=json,
        )
        return
    import time

    from halfbyte.sim import run_many

    chosen = [fmt for fmt in load_formats(names) if names or fmt.bits in (4, 5)]
    if waves and len(chosen) > 1:
        raise UserError("Waveforms are written for one format at a time: name one format")
    start = time.monotonic()
    designs = resolve_architectures(chosen, load_optional(activation), arch, terms, tech, jobs)
    with progress("Simulation") as update:
        records = run_many(
            designs,
            simulator=simulator,
            waves=waves,
            seed=seed,
            cycles=cycles,
            jobs=jobs or os.cpu_count() or 1,
            on_progress=update,
        )
    print_json(records) if json else show_simulations(records, time.monotonic() - start)
