"""``halfbyte mutants``: count how many injected faults the simulation catches.

A mutant is the RTL of a unit with one fault.
"""

import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import ToolError
from halfbyte.cli.designs import DesignOptions, resolve_architectures
from halfbyte.cli.dot import DOT, DotOptions, make_dot_specs, resolve_lanes, show_dot_mutants
from halfbyte.cli.options import FormatNames, Jobs, Json, TechnologyName, load_formats
from halfbyte.cli.output import number, print_json, progress, table
from halfbyte.cli.sim import DOT_SHARE, Cycles, Seed
from halfbyte.cli.units import MAC, DotLanes, DotOrMac

if TYPE_CHECKING:
    from halfbyte.rtl import MacSpec
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.records import DotMutantRecord, MutantRecord

__all__ = ["mutants"]

MAX_COUNT = 10_000
SEED_BITS = 31
Count = Annotated[
    int,
    typer.Option(
        min=1, max=MAX_COUNT, help="Number of mutants of every unit, with one fault each."
    ),
]


def _test(design: "MacSpec", count: int, seed: int, cycles: int) -> "list[MutantRecord]":
    """Test mutants of one MAC; returns a record for each kind of accumulator in the simulation."""
    from halfbyte.area.proofs.mutation import SELECT_BITS, equivalent_mutants, mutate
    from halfbyte.sim.mutants import MutantBench

    start = time.monotonic()
    bench = MutantBench(design, seed)
    mutated = mutate(bench.macs, count=count, seed=seed)
    equivalent = equivalent_mutants(mutated, bench.macs)
    return bench.records(
        mutated.verilog,
        mutated.mutants,
        equivalent,
        select_bits=SELECT_BITS,
        cycles=cycles,
        start=start,
    )


def _show(records: "Sequence[MutantRecord]", seconds: float) -> None:
    columns = ["format", "~activation", "~architecture", "MAC", "~>acc", ">mutants"]
    columns += [">equivalent", ">caught", ">survived", "~caught by"]
    rows = [
        [
            record.format,
            record.activation,
            record.architecture,
            record.unit.removeprefix("mac_"),
            str(record.acc_width),
            number(record.mutants),
            number(record.equivalent),
            number(record.caught),
            number(len(record.survivors)),
            ", ".join(f"{name} {count}" for name, count in record.caught_by.items()),
        ]
        for record in records
    ]
    total, equivalent, caught = (
        sum(getattr(record, key) for record in records)
        for key in ("mutants", "equivalent", "caught")
    )
    caption = (
        f"{total:,} mutants; {equivalent:,} are proved equivalent to the MAC and do not count; the "
        f"tests catch {caught:,} of the {total - equivalent:,} others; {seconds:.0f} s in all. "
        "Caught by: the first scenario that shows a mismatch."
    )
    table("Mutants", columns, rows, caption)


def _test_dots(
    specs: "Sequence[DotSpec]", count: int, seed: int, cycles: int
) -> "list[DotMutantRecord]":
    """Test mutants of each dot-product unit; returns a record for each unit."""
    from halfbyte.area.proofs.dot_mutation import equivalent_dot_mutants
    from halfbyte.area.proofs.mutation import SELECT_BITS, mutate
    from halfbyte.sim.dot.mutants import MODULE, check_dot_mutants

    records = []
    with progress("Mutants") as update:
        for done, spec in enumerate(specs):
            update(done, len(specs), spec.weight.name)
            start = time.monotonic()
            mutated = mutate({MODULE: spec}, count=count, seed=seed)
            records.append(
                check_dot_mutants(
                    spec,
                    mutated.verilog,
                    mutated.mutants,
                    equivalent_dot_mutants(mutated, MODULE, spec),
                    select_bits=SELECT_BITS,
                    cycles=max(1, cycles // DOT_SHARE),
                    seed=seed,
                    start=start,
                )
            )
    return records


def _refuse_survivors(records: "Sequence[MutantRecord | DotMutantRecord]") -> None:
    """Raise ToolError if mutants survive."""
    survivors = [
        f"{record.format} {record.unit}: {change}"
        for record in records
        for change in record.survivors
    ]
    if survivors:
        raise ToolError("\n".join([f"Mutants that survive: {len(survivors)}", *survivors]))


def mutants(
    names: FormatNames = None,
    *,
    design: DesignOptions,
    tech: TechnologyName = None,
    count: Count = 200,
    seed: Seed = None,
    cycles: Cycles = 100_000,
    unit: DotOrMac = MAC,
    lanes: DotLanes = None,
    dot: DotOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Inject faults into the RTL, and check that the cocotb tests catch each one.

    A mutant is the RTL with one fault. Mutants that are proved equivalent to the RTL do not count.
    Without a format, MACs of all 4-bit and 5-bit formats are tested, or with --unit dot the
    dot-product units of all formats. Exit status 1 if a mutant survives, that is, if no test
    catches it.
    """
    from halfbyte.area.cells.technology import load_technology
    from halfbyte.sim.simulator import check_simulator

    start = time.monotonic()
    check_simulator("verilator")
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    if unit == DOT:
        specs = make_dot_specs(names, lanes, design, dot)
        technology = load_technology(tech)
        found = _test_dots(resolve_lanes(specs, technology), count, seed, cycles)
        print_json(found) if json else show_dot_mutants(found)
        _refuse_survivors(found)
        return
    chosen = [fmt for fmt in load_formats(names) if names or fmt.bits in (4, 5)]
    designs = resolve_architectures(chosen, design, tech, jobs)
    records: list[MutantRecord] = []
    with progress("Mutants") as update:
        for done, spec in enumerate(designs):
            update(done, len(designs), spec.weight.name)
            records += _test(spec, count, seed, cycles)
    print_json(records) if json else _show(records, time.monotonic() - start)
    _refuse_survivors(records)
