"""Runs the regression of one MAC or of many: simulates all scenarios, with several accumulators.

A scenario is a sequence of inputs with one purpose. Its plan holds the inputs and the results that
the golden model expects.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import numpy as np

from halfbyte.base import Progress, versions_of
from halfbyte.rtl import MacSpec, check_architecture, variants
from halfbyte.sim.coverage import coverage
from halfbyte.sim.errors import SimulationError
from halfbyte.sim.plan import Layout, Plan
from halfbyte.sim.process import Processes
from halfbyte.sim.records import SimulationRecord
from halfbyte.sim.scenarios import Stream, expectation, streams
from halfbyte.sim.simulation import simulate
from halfbyte.sim.simulator import check_simulator, simulator_version
from halfbyte.sim.wrapper import Netlists, bench_verilog, layout_of, netlist_bench_verilog

__all__ = ["CYCLES", "make_plans", "new_seed", "run_many", "run_regression", "simulate_macs"]

CYCLES = 100_000
SEED_BITS = 32


def _plan(stream: Stream, macs: Mapping[str, MacSpec], layout: Layout) -> Plan:
    """Pack a stream for the ports of the bench, and compute the golden model's results."""
    columns = (stream.w, stream.a, stream.clear, stream.enable)
    codes = layout.w_bits + layout.a_bits
    offsets = (0, layout.w_bits, codes, codes + 1)
    words = [column.astype(np.uint32) << at for column, at in zip(columns, offsets, strict=True)]
    expected = [expectation(stream, spec) for spec in macs.values()]
    return Plan(layout, np.bitwise_or.reduce(words), np.stack(expected))


def make_plans(
    macs: Mapping[str, MacSpec], layout: Layout, *, cycles: int = CYCLES
) -> dict[str, Plan]:
    """The plan of every scenario for these MACs, by the name of the scenario."""
    made = streams(list(macs.values()), cycles=cycles, seed=layout.seed)
    return {scenario: _plan(stream, macs, layout) for scenario, stream in made.items()}


def run_regression(
    spec: MacSpec,
    *,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
    cycles: int = CYCLES,
    processes: Processes | None = None,
    netlists: Netlists | None = None,
) -> SimulationRecord:
    """Simulate a MAC and compare it with the golden model; return the record.

    All :func:`halfbyte.rtl.variants` of the MAC (the same multiplier with different accumulators)
    run side by side on the same inputs. Every accumulator is compared with the golden model after
    every cycle. The scenario with random inputs has ``cycles`` cycles. The record's ``seconds``
    cover export, expected results, build and simulation, and its ``build_seconds`` only the build.
    If ``netlists`` are given, they are simulated instead of the RTL.

    Raises
    ------
    SimulationError
        MAC and golden model differ, or fewer products were checked than planned.
    ToolError
        A tool is missing or fails.
    UserError
        The simulator is unknown, or the architecture is ``auto`` or does not fit the formats.
    """
    check_simulator(simulator)
    check_architecture(spec.architecture, spec.weight, spec.activation)
    start = time.monotonic()
    macs = variants(spec)
    name = f"{spec.weight.name}-{spec.activation.name}-{spec.architecture}-{spec.terms}"
    title = f"{spec.title}, {spec.terms} terms"
    if netlists:
        name, title = f"{name}-netlist", f"{title}, netlist"
    layout = layout_of(macs, title=title, seed=new_seed() if seed is None else seed)
    verilog = netlist_bench_verilog(netlists, layout) if netlists else bench_verilog(macs, layout)
    record = simulate_macs(
        macs,
        layout,
        verilog,
        name=name,
        simulator=simulator,
        waves=waves,
        cycles=cycles,
        processes=processes,
        start=start,
    )
    return replace(record, level="netlist") if netlists else record


def new_seed() -> int:
    """A random seed for the stimulus."""
    return secrets.randbits(SEED_BITS)


def simulate_macs(
    macs: Mapping[str, MacSpec],
    layout: Layout,
    verilog: str,
    *,
    name: str,
    simulator: str,
    waves: bool,
    cycles: int,
    processes: Processes | None = None,
    junit: Path | None = None,
    start: float | None = None,
) -> SimulationRecord:
    """Simulate the module ``bench`` of a Verilog text, which contains ``macs``; return the record.

    The record is about the MAC named ``given``, or the first one if there is no such MAC. ``start``
    is the time, by ``time.monotonic()``, when the work on the MACs began. ``junit`` is a file for
    the results as JUnit XML. Raises SimulationError and ToolError as :func:`run_regression` does.
    """
    start = time.monotonic() if start is None else start
    subject = "given" if "given" in macs else next(iter(macs))
    spec = macs[subject]
    plans = make_plans(macs, layout, cycles=cycles)
    outcome = simulate(
        verilog,
        plans,
        name=name,
        simulator=simulator,
        waves=waves,
        processes=processes,
        junit=junit,
    )
    seconds = time.monotonic() - start
    products = sum(outcome.checked.values())
    return SimulationRecord(
        **spec.fields,
        level="rtl",
        simulator=simulator,
        seed=layout.seed,
        cycles=cycles,
        scenarios=outcome.checked,
        coverage=coverage(plans.values(), spec, list(macs).index(subject)),
        products=products,
        passed=True,
        waves=str(outcome.waves) if outcome.waves else None,
        versions={**versions_of("amaranth", "pyosys"), **simulator_version(simulator)},
        build_seconds=round(outcome.build_seconds, 3),
        seconds=round(seconds, 3),
        products_per_second=round(products / seconds),
    )


def run_many(
    designs: Sequence[MacSpec],
    *,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
    cycles: int = CYCLES,
    jobs: int = 1,
    on_progress: Progress | None = None,
    netlists: Sequence[Netlists] | None = None,
) -> list[SimulationRecord]:
    """Call :func:`run_regression` for every design; return the records in the order of designs.

    Up to ``jobs`` designs are simulated at a time. ``netlists``, one for each design, are simulated
    instead of the RTL. After each design, ``on_progress`` is called with the number of finished
    designs, the number of all designs, and the name of the design's weight format.

    If a design differs from the golden model, the other designs are still simulated. Then one
    SimulationError reports all designs that differ. Any other error, or an interrupt, ends all
    simulations.
    """
    check_simulator(simulator)
    processes = Processes()
    records: dict[int, SimulationRecord] = {}
    failures: dict[int, str] = {}
    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        futures = {
            pool.submit(
                run_regression,
                design,
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
    pool.shutdown()
    if failures:
        text = "\n\n".join(failures[index] for index in sorted(failures))
        raise SimulationError(f"Designs that fail: {len(failures)} of {len(designs)}\n{text}")
    return [records[index] for index in sorted(records)]
