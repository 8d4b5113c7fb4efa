"""``halfbyte sim``: simulate the RTL of units, and compare it with the golden model."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfbyte.base import UserError
from halfbyte.cli.array import (
    ARRAY,
    ArrayOptions,
    show_array_simulations,
    with_units,
)
from halfbyte.cli.designs import DesignOptions, choose_architectures, mac_specs
from halfbyte.cli.dot import DOT, DotOptions, make_dot_specs, resolve_lanes, show_dot_simulations
from halfbyte.cli.dut import DutFiles, Junit, Latency, Ports, Ties, Top, make_dut, show_dut
from halfbyte.cli.options import FormatNames, Jobs, Json, TechnologyName, load_formats
from halfbyte.cli.output import number, print_json, progress, table
from halfbyte.cli.units import MAC, Codes, Symbols, UnitName, check_unit, sim_unit

if TYPE_CHECKING:
    from halfbyte.rtl.array import SystolicSpec
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.records import SimulationRecord

__all__ = ["Cycles", "Seed", "Simulator", "Waves", "show_simulations", "sim"]

Simulator = Annotated[str, typer.Option(envvar="SIM", help="verilator, or icarus if installed.")]
Waves = Annotated[bool, typer.Option("--waves", help="Write a waveform file.")]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Seed of the random stimulus.", show_default=False)
]
Cycles = Annotated[
    int,
    typer.Option(
        min=1,
        help="Number of cycles with random inputs. The accumulator is cleared at random times.",
    ),
]

Enable = Annotated[bool, typer.Option("--enable", help="Simulate MACs with an enable port.")]
SIMULATED_LANES = 2
# A dot-product unit computes many products per cycle, so a fifth of the cycles is enough for it.
DOT_SHARE = 5
SimulatedLanes = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        help="Products per cycle of a dot-product unit, or lanes of the DFloat11 decoder.",
        show_default="32; 1 in arrays; 2 for the decoder",
    ),
]


def show_simulations(records: "Sequence[SimulationRecord]", seconds: float) -> None:
    """Print the records of MACs' simulations as a table."""
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
            record.architecture or "-",
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


def _sim_arrays(
    specs: "Sequence[SystolicSpec]", simulator: str, seed: int | None, json: bool
) -> None:
    """Stream a matrix product through each array and print what was compared."""
    from halfbyte.sim.array.regression import run_array_regression

    records = []
    with progress("Simulation") as update:
        for done, spec in enumerate(specs):
            update(done, len(specs), spec.unit.weight.name)
            records.append(run_array_regression(spec, simulator=simulator, seed=seed))
    print_json(records) if json else show_array_simulations(records)


def sim(
    names: FormatNames = None,
    *,
    design: DesignOptions,
    enable: Enable = False,
    dut: DutFiles = None,
    top: Top = None,
    port: Ports = None,
    tie: Ties = None,
    latency: Latency = 1,
    junit: Junit = None,
    tech: TechnologyName = None,
    simulator: Simulator = "verilator",
    waves: Waves = False,
    seed: Seed = None,
    cycles: Cycles = 100_000,
    unit: UnitName = MAC,
    lanes: SimulatedLanes = None,
    dot: DotOptions,
    array: ArrayOptions,
    codes: Codes = "table",
    symbols: Symbols = 1,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Simulate MACs against the golden model; by default for all 4-bit and 5-bit formats.

    --arch all runs every architecture that fits; auto runs the one that synthesis finds smallest.
    --dut simulates your own Verilog of a MAC. A dot-product unit (--unit dot) takes --lanes,
    --scale, --block, --accumulator, --window, --acc-width and --overflow; each of its scenarios has
    a fifth of --cycles. An array of such units (--unit array) also takes --rows, --columns,
    --dataflow and --depth. A matrix product is streamed through the array.
    """
    from halfbyte.area.cells.technology import load_technology
    from halfbyte.sim.simulator import check_simulator

    check_simulator(simulator)
    if unit in (DOT, ARRAY):
        units = make_dot_specs(names, lanes, design, dot, unit)
        arrays = array.arrays(units) if unit == ARRAY else []
        units = resolve_lanes(units, load_technology(tech))
        if arrays:
            _sim_arrays(with_units(arrays, units), simulator, seed, json)
        else:
            _sim_dots(units, simulator, waves, seed, cycles, json)
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

    from halfbyte.sim import run_dut, run_many

    options: dict[str, Any] = {"simulator": simulator, "waves": waves, "seed": seed}
    options["cycles"] = cycles
    if dut:
        if len(names or ()) != 1:
            raise UserError("--dut simulates one MAC: name the one format of its weights")
        device = make_dut(dut, top, port, tie, latency)
        (spec,) = design.macs(load_formats(names))
        spec = replace(spec, enable=enable)
        show_dut(run_dut(spec, device, junit=junit, **options), junit, json)
        return
    chosen = [fmt for fmt in load_formats(names) if names or fmt.bits in (4, 5)]
    if waves and len(chosen) > 1:
        raise UserError("Waveforms are written for one format at a time: name one format")
    start = time.monotonic()
    specs = [replace(spec, enable=enable) for spec in mac_specs(chosen, design)]
    designs = choose_architectures(specs, load_technology(tech), jobs=jobs)
    with progress("Simulation") as update:
        records = run_many(designs, jobs=jobs or os.cpu_count() or 1, on_progress=update, **options)
    print_json(records) if json else show_simulations(records, time.monotonic() - start)
