"""``halfbyte gatesim``: the cocotb regression on synthesized netlists."""

import os
import time

from halfbyte.cli.options import (
    Activation,
    Architecture,
    DontUse,
    FormatNames,
    Jobs,
    Json,
    LibertyFiles,
    TechnologyName,
    Terms,
    load_formats,
    load_optional,
    pick_technology,
)
from halfbyte.cli.output import print_json, progress
from halfbyte.cli.sim import Cycles, Seed, Simulator, show_simulations

__all__ = ["gatesim"]


def gatesim(
    names: FormatNames = None,
    tech: TechnologyName = None,
    liberty: LibertyFiles = None,
    dont_use: DontUse = None,
    arch: Architecture = "auto",
    activation: Activation = None,
    terms: Terms = 256,
    simulator: Simulator = "verilator",
    seed: Seed = None,
    cycles: Cycles = 100_000,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Simulate netlists against the golden model; without a format, all of 4 and 5 bits.

    The regression is that of `halfbyte sim`. Its accumulators are synthesized with the
    architecture and recipe of the smallest MAC, whose own netlist is one of them. Cells do what the
    library's functions say.
    """
    from halfbyte.area import synthesize
    from halfbyte.area.search.delivery import synthesized_spec
    from halfbyte.area.search.synthesis_jobs import netlist_path
    from halfbyte.area.search.variant_netlists import map_variants
    from halfbyte.rtl import MacSpec
    from halfbyte.sim import Netlists, run_many
    from halfbyte.sim.records import NetlistSimulationRecord
    from halfbyte.sim.simulator import check_simulator

    start = time.monotonic()
    check_simulator(simulator)
    other = load_optional(activation)
    chosen = [fmt for fmt in load_formats(names) if names or fmt.bits in (4, 5)]
    technology = pick_technology(tech, liberty, dont_use)
    with progress(f"Synthesis, {technology.name}") as update:
        designs = [MacSpec(fmt, other or fmt, arch, terms) for fmt in chosen]
        found = synthesize(designs, technology, prove=False, jobs=jobs, on_progress=update)
    designs = [synthesized_spec(*pair) for pair in zip(designs, found, strict=True)]
    netlists = []
    with progress(f"Netlists of the regression, {technology.name}") as update:
        for design, record in zip(designs, found, strict=True):
            path = netlist_path(record.netlist) if record.netlist else None
            mapped = map_variants(design, record.recipe, technology, lossless=path, jobs=jobs)
            netlists.append(Netlists(mapped.cells, mapped.macs))
            update(len(netlists), len(designs), design.weight.name)
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
