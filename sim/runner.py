"""The regression of one MAC, and of many: all scenarios on all accumulators."""

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Protocol

import numpy as np

from halfbyte.base import Progress, versions_of
from halfbyte.formats import Format, lossless_acc_width
from halfbyte.rtl import check_architecture
from halfbyte.sim.errors import SimulationError
from halfbyte.sim.plan import Layout, Plan
from halfbyte.sim.process import Processes
from halfbyte.sim.records import SimulationRecord
from halfbyte.sim.scenarios import Stream, expectation, streams
from halfbyte.sim.simulation import simulate
from halfbyte.sim.simulator import check_simulator, simulator_version
from halfbyte.sim.variants import Variant, variants
from halfbyte.sim.wrapper import Netlists, bench_verilog, layout_of, netlist_bench_verilog

__all__ = ["DesignLike", "make_plans", "run_many", "run_regression"]

CYCLES = 100_000
SEED_BITS = 32


class DesignLike(Protocol):
    """What is to be simulated: two formats, a named architecture, terms of a lossless sum."""

    @property
    def weight(self) -> Format: ...
    @property
    def activation(self) -> Format: ...
    @property
    def architecture(self) -> str: ...
    @property
    def terms(self) -> int: ...


def _plan(
    stream: Stream,
    chosen: Sequence[Variant],
    layout: Layout,
    weight: Format,
    activation: Format,
) -> Plan:
    """Pack a stream for the ports of the bench, and let the golden model say what must come."""
    columns = (stream.w, stream.a, stream.clear, stream.enable)
    offsets = (0, weight.bits, weight.bits + activation.bits, weight.bits + activation.bits + 1)
    words = [column.astype(np.uint32) << at for column, at in zip(columns, offsets, strict=True)]
    expected = [expectation(stream, variant, weight, activation) for variant in chosen]
    return Plan(layout, np.bitwise_or.reduce(words), np.stack(expected))


def make_plans(
    weight: Format,
    activation: Format,
    chosen: Sequence[Variant],
    layout: Layout,
    *,
    terms: int,
    cycles: int = CYCLES,
) -> dict[str, Plan]:
    """The plan of every scenario, from the golden model alone."""
    made = streams(weight, activation, terms=terms, cycles=cycles, seed=layout.seed)
    return {
        scenario: _plan(stream, chosen, layout, weight, activation)
        for scenario, stream in made.items()
    }


def run_regression(
    weight: Format,
    activation: Format | None = None,
    *,
    architecture: str,
    terms: int = 256,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
    cycles: int = CYCLES,
    processes: Processes | None = None,
    netlists: Netlists | None = None,
) -> SimulationRecord:
    """Simulate the MAC of two formats against the golden model; return the record.

    Seven accumulators run side by side on the same stream: the lossless one, with and without an
    enable port, narrow ones that wrap and saturate, and two whose carries are saved. A product
    counts as checked when one of them was compared with the golden model in the cycle after it
    took that product. ``seconds`` is everything: export, build (part of it in ``build_seconds``),
    expectations, simulation.
    With ``netlists`` these stand in for the RTL, and nothing else changes.

    Raises
    ------
    SimulationError
        RTL and golden model differ, or not everything was checked.
    ToolError
        A tool is missing or fails.
    UserError
        Unknown simulator; architecture that does not fit the formats.
    """
    start = time.monotonic()
    check_simulator(simulator)
    activation = activation or weight
    check_architecture(architecture, weight, activation)
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    chosen = variants(weight, activation, terms)
    name = f"{weight.name}-{activation.name}-{architecture}-{terms}"
    title = f"{weight.name} x {activation.name}, {architecture}, {terms} terms"
    if netlists:
        name, title = f"{name}-netlist", f"{title}, netlist"
    layout = layout_of(weight, activation, chosen, title=title, seed=seed)
    if netlists:
        verilog = netlist_bench_verilog(netlists, layout)
    else:
        verilog = bench_verilog(
            weight, activation, chosen, layout, architecture=architecture, terms=terms
        )
    plans = make_plans(weight, activation, chosen, layout, terms=terms, cycles=cycles)
    outcome = simulate(
        verilog, plans, name=name, simulator=simulator, waves=waves, processes=processes
    )
    seconds = time.monotonic() - start
    products = sum(outcome.checked.values())
    return SimulationRecord(
        format=weight.name,
        activation=activation.name,
        unit="mac",
        level="netlist" if netlists else "rtl",
        architecture=architecture,
        terms=terms,
        acc_width=lossless_acc_width(weight, activation, terms),
        simulator=simulator,
        seed=seed,
        cycles=cycles,
        scenarios=outcome.checked,
        products=products,
        passed=True,
        waves=str(outcome.waves) if outcome.waves else None,
        versions={**versions_of("amaranth", "pyosys"), **simulator_version(simulator)},
        build_seconds=round(outcome.build_seconds, 3),
        seconds=round(seconds, 3),
        products_per_second=round(products / seconds),
    )


def run_many(
    designs: Sequence[DesignLike],
    *,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
    cycles: int = CYCLES,
    jobs: int = 1,
    on_progress: Progress | None = None,
    netlists: Sequence[Netlists] | None = None,
) -> list[SimulationRecord]:
    """:func:`run_regression` of every design, ``jobs`` at a time; records in order of designs.

    ``netlists``, one for each design, are simulated in place of the RTL.

    ``on_progress`` gets the number of finished designs, of all, and the name of the last. A
    design that differs from the golden model does not keep the others from being simulated: one
    SimulationError reports all that do. Any other error, and an interrupt, ends everything.
    """
    check_simulator(simulator)
    processes = Processes()
    records: dict[int, SimulationRecord] = {}
    failures: dict[int, str] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            futures = {
                pool.submit(
                    run_regression,
                    design.weight,
                    design.activation,
                    architecture=design.architecture,
                    terms=design.terms,
                    simulator=simulator,
                    waves=waves,
                    seed=seed,
                    cycles=cycles,
                    processes=processes,
                    netlists=netlists[index] if netlists else None,
                ): index
                for index, design in enumerate(designs)
            }
            for done, future in enumerate(as_completed(futures), start=1):
                index = futures[future]
                try:
                    records[index] = future.result()
                except SimulationError as error:
                    failures[index] = str(error)
                if on_progress:
                    on_progress(done, len(designs), designs[index].weight.name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise
    if failures:
        text = "\n\n".join(failures[index] for index in sorted(failures))
        raise SimulationError(f"{len(failures)} of {len(designs)} designs fail\n{text}")
    return [records[index] for index in sorted(records)]
