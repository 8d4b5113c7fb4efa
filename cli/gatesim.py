"""``halfbyte gatesim``: simulate synthesized netlists with the tests of the RTL."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from halfbyte.cli.designs import DesignOptions
from halfbyte.cli.dot import DOT, DotOptions, make_dot_specs, show_dot_simulations
from halfbyte.cli.options import (
    FormatNames,
    Jobs,
    Json,
    LibraryOptions,
    load_formats,
)
from halfbyte.cli.output import print_json, progress
from halfbyte.cli.sim import DOT_SHARE, Cycles, Seed, Simulator, show_simulations
from halfbyte.cli.units import MAC, DotLanes, DotOrMac

if TYPE_CHECKING:
    from halfbyte.area import Technology
    from halfbyte.rtl.dot import DotSpec

__all__ = ["gatesim"]


def _simulate_dots(
    specs: "Sequence[DotSpec]",
    technology: "Technology",
    simulator: str,
    seed: int | None,
    cycles: int,
    jobs: int | None,
    json: bool,
) -> None:
    """Simulate the smallest netlist of each unit and print what was compared."""
    from halfbyte.area.cells.cell_models import cell_models
    from halfbyte.area.search.dot_units import synthesize_dots
    from halfbyte.area.search.synthesis_jobs import netlist_path
    from halfbyte.sim.dot.regression import run_dot_regression
    from halfbyte.sim.records import DotSimulationRecord

    with progress(f"Synthesis, {technology.name}") as update:
        found = synthesize_dots(specs, technology, prove=False, jobs=jobs, on_progress=update)
    records: list[DotSimulationRecord] = []
    with progress("Simulation of netlists") as update:
        for spec, record in zip(specs, found, strict=True):
            update(len(records), len(specs), spec.weight.name)
            assert record.netlist is not None  # noqa: S101
            text = netlist_path(record.netlist).read_text()
            used = technology.cells.keys() & set(text.split())
            records.append(
                run_dot_regression(
                    replace(spec, architecture=record.architecture),
                    cycles=max(1, cycles // DOT_SHARE),
                    simulator=simulator,
                    seed=seed,
                    netlist=cell_models(technology, used) + text,
                )
            )
    print_json(records) if json else show_dot_simulations(records)


def gatesim(
    names: FormatNames = None,
    *,
    library: LibraryOptions,
    design: DesignOptions,
    simulator: Simulator = "verilator",
    seed: Seed = None,
    cycles: Cycles = 100_000,
    unit: DotOrMac = MAC,
    lanes: DotLanes = None,
    dot: DotOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Simulate netlists against the golden model; by default for all 4-bit and 5-bit formats.

    The tests are those of `halfbyte sim`. They use MACs with several kinds of accumulators, which
    are all synthesized like the smallest MAC: with its architecture, and its recipe (a sequence of
    Yosys commands). Each cell is simulated by its function in the library. For dot-product units
    (--unit dot), the smallest netlist is simulated, by default for all formats.
    """
    from halfbyte.sim.simulator import check_simulator

    check_simulator(simulator)
    if unit == DOT:
        specs = make_dot_specs(names, lanes, design, dot)
        technology = library.load()
        _simulate_dots(specs, technology, simulator, seed, cycles, jobs, json)
        return
    from halfbyte.area import synthesize
    from halfbyte.area.search.delivery import synthesized_spec
    from halfbyte.area.search.synthesis_jobs import netlist_path
    from halfbyte.area.search.variant_netlists import map_variants
    from halfbyte.sim import Netlists, run_many
    from halfbyte.sim.records import NetlistSimulationRecord

    start = time.monotonic()
    chosen = [fmt for fmt in load_formats(names) if names or fmt.bits in (4, 5)]
    technology = library.load()
    with progress(f"Synthesis, {technology.name}") as update:
        designs = design.macs(chosen)
        found = synthesize(designs, technology, prove=False, jobs=jobs, on_progress=update)
    designs = [synthesized_spec(*pair) for pair in zip(designs, found, strict=True)]
    netlists = []
    with progress(f"Netlists of the regression, {technology.name}") as update:
        for spec, record in zip(designs, found, strict=True):
            path = netlist_path(record.netlist) if record.netlist else None
            mapped = map_variants(spec, record.recipe, technology, lossless=path, jobs=jobs)
            netlists.append(Netlists(mapped.cells, mapped.macs))
            update(len(netlists), len(designs), spec.weight.name)
    with progress("Simulation of netlists") as update:
        records = run_many(
            designs,
            simulator=simulator,
            seed=seed,
            cycles=cycles,
            jobs=jobs or os.cpu_count() or 1,
            on_progress=update,
            netlists=netlists,
        )
    named = [
        NetlistSimulationRecord(
            **vars(record),
            technology=each.technology,
            corner=each.corner,
            recipe=each.recipe,
            netlist=each.netlist,
        )
        for record, each in zip(records, found, strict=True)
    ]
    print_json(named) if json else show_simulations(named, time.monotonic() - start)
