"""``--unit dot``: options and tables of the commands for dot-product units.

A lane of a unit is one multiplier: it computes one product per cycle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.array import ARRAY
from halfbyte.cli.designs import DesignOptions
from halfbyte.cli.options import load_formats
from halfbyte.cli.output import number, progress, show_not_measured, table, versions_text
from halfbyte.formats import find_scale_code

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.area.search.dot_records import DotRecord
    from halfbyte.formats import ScaleCode
    from halfbyte.golden.scales import ScaleFormat
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.records import DotMutantRecord, DotSimulationRecord

__all__ = [
    "DOT",
    "DotOptions",
    "Scale",
    "make_dot_specs",
    "resolve_lanes",
    "scale_rule",
    "show_dot_mutants",
    "show_dot_proofs",
    "show_dot_simulations",
    "show_dots",
    "synthesized_designs",
    "unseen_faults",
]

DOT = "dot"
DEFAULT_LANES = 32
NO_SCALE = "none"

Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="Type of the block scales of a dot-product unit: none, e8m0 (as in MXFP4), e4m3 (as "
        "in NVFP4) or ue5m3.",
        show_default=NO_SCALE,
    ),
]
Block = Annotated[
    int | None,
    typer.Option(
        "--block",
        help="Number of products that share a scale; by default the number of lanes. If it is a "
        "multiple of the lanes, a block takes several cycles. If it is a divisor of the lanes, a "
        "cycle has several blocks.",
        show_default=False,
    ),
]
AccumulatorKind = Annotated[
    str | None,
    typer.Option(
        "--accumulator",
        help="Accumulator of a dot-product unit: integer, fp32 or exact; by default fp32 with "
        "scales, and integer without.",
        show_default=False,
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        "--window",
        help="LOW:HIGH: the lowest and highest sum of both scales' exponents (that of a weight "
        "scale plus that of an activation scale) in an exact accumulator; by default all sums.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class DotOptions:
    """Options of dot-product units: block scales and accumulator."""

    scale: Scale = None
    block: Block = None
    accumulator: AccumulatorKind = None
    window: Window = None


def make_dot_specs(
    names: Sequence[str] | None,
    lanes: int | None,
    design: DesignOptions,
    dot: DotOptions,
    unit: str = DOT,
) -> "list[DotSpec]":
    """The units that a command line asks for; raises UserError if they cannot exist.

    If no lanes are given, units of arrays have one lane, and units outside arrays have 32.
    """
    from halfbyte.rtl.dot import Accumulator, DotSpec

    other, usual = design.other, 1 if unit == ARRAY else DEFAULT_LANES
    code = None if dot.scale in (None, NO_SCALE) else find_scale_code(dot.scale, optional=True)
    kinds = [kind.value for kind in Accumulator]
    kind = dot.accumulator or ("fp32" if code else "integer")
    if kind not in kinds:
        raise UserError(f"Accumulator must be one of {', '.join(kinds)}, not {kind[:60]!r}")
    return [
        DotSpec(
            fmt,
            other or fmt,
            usual if lanes is None else lanes,
            design.arch,
            accumulator=Accumulator(kind),
            scale=code,
            block=dot.block,
            terms=design.terms,
            acc_width=design.acc_width,
            overflow=design.rule,
            window=_parse_window(dot.window) if dot.window else None,
        )
        for fmt in load_formats(names)
    ]


def _parse_window(text: str) -> tuple[int, int]:
    """The two exponents in ``LOW:HIGH``."""
    low, colon, high = text.partition(":")
    try:
        if colon:
            return int(low), int(high)
    except ValueError:
        pass
    raise UserError(f"A window of exponents is written LOW:HIGH, such as -20:20, not {text[:40]!r}")


def show_dots(records: "Sequence[DotRecord]") -> None:
    """Print synthesis records of dot-product units as a table."""
    columns = ["format", "~architecture", "~recipe", ">lanes", "scale", "~accumulator", "~>acc"]
    columns += [">area µm²", ">per lane", "~>a lane alone", "~>cells", ">delay ps"]
    clock = records[0].clock_ps
    if clock is not None:
        columns += [">slack"]
    columns += ["~>fJ/product"]
    rows = [
        [
            record.pair,
            record.architecture,
            record.recipe,
            str(record.lanes),
            record.scale or "-",
            record.accumulator,
            str(record.acc_width),
            *(number(each, 1) for each in (record.area_um2, record.um2_per_lane, record.lane_um2)),
            number(record.cells),
            number(record.delay_ps),
            *([] if clock is None else [number(record.slack_ps)]),
            number(record.glitch_energy_fj, 1),
            record.proof.status if record.proof else "-",
        ]
        for record in records
    ]
    first = records[0]
    versions = versions_text(first.versions)
    table(
        f"Dot-product units; {first.technology}, "
        + ("no timing constraint" if clock is None else f"clock {clock:,g} ps"),
        [*columns, "proof"],
        rows,
        f"{first.corner}; {versions}. A lane alone: area of one multiplier, without its share of "
        "the adder tree. Delay: the least clock period. Energy: on operands of "
        f"{first.operands}, with scales of 1, and with glitches. Both are without wires. Proof: "
        "lanes equal the table of products, the tree equals the sum of the lanes, and the netlist "
        "equals its RTL. "
        + " ".join(
            f"Not proved but simulated: {text}."
            for text in dict.fromkeys(record.proof.simulated for record in records if record.proof)
            if text
        ),
    )
    show_not_measured(record.not_measured for record in records)


def scale_rule(code: "ScaleCode") -> "ScaleFormat":
    """The default rule by which block scales of a type are chosen."""
    from halfbyte.golden.scales import ScaleFormat

    rules = {"e8m0": ScaleFormat.E8M0_RCEIL, "e4m3": ScaleFormat.E4M3, "ue5m3": ScaleFormat.UE5M3}
    return rules[code.name]


def resolve_lanes(specs: "Sequence[DotSpec]", technology: "Technology") -> "list[DotSpec]":
    """The units, with ``auto`` replaced by the architecture that a brief search finds best."""
    from halfbyte.area.search.lanes import pick_architecture
    from halfbyte.rtl.spec import AUTO

    found: dict[tuple[object, object], str] = {}
    chosen = []
    for spec in specs:
        pair = (spec.weight, spec.activation)
        if spec.architecture == AUTO:
            if pair not in found:
                found[pair] = pick_architecture(*pair, technology)
            spec = replace(spec, architecture=found[pair])
        chosen.append(spec)
    return chosen


def synthesized_designs(
    specs: "Sequence[DotSpec]",
    technology: "Technology",
    clock_ps: float,
    jobs: int | None,
) -> "list[DotSpec]":
    """The units with the lane architecture and the adders that synthesis chooses for a clock."""
    from halfbyte.area.search.dot_units import synthesize_dots
    from halfbyte.area.synthesis.dot import adder_style
    from halfbyte.rtl.dot import FinalAdder

    with progress(f"Synthesis, {technology.name}") as update:
        records = synthesize_dots(
            specs, technology, clock_ps=clock_ps, prove=False, jobs=jobs, on_progress=update
        )
    return [
        replace(
            spec,
            architecture=record.architecture,
            adders=adder_style(technology),
            final_adder=FinalAdder(record.final_adder),
        )
        for spec, record in zip(specs, records, strict=True)
    ]


def show_dot_simulations(records: "Sequence[DotSimulationRecord]") -> None:
    """Print the records of dot-product units' simulations as a table."""
    columns = ["format", "~architecture", ">lanes", "scale", "accumulator", "~>acc", ">products"]
    rows = [
        [
            " x ".join(dict.fromkeys((record.format, record.activation))),
            record.architecture,
            str(record.lanes),
            record.scale or "-",
            record.accumulator,
            str(record.acc_width),
            number(record.products),
            number(record.products_per_second),
            number(record.seconds, 1),
            str(record.seed),
        ]
        for record in records
    ]
    scenarios = ", ".join(records[0].scenarios)
    table(
        "Simulation of dot-product units",
        [*columns, "~>products/s", "~>s", ">seed"],
        rows,
        f"{records[0].simulator}, {records[0].level}: every output agrees with the golden "
        f"model in every cycle; scenarios: {scenarios}.",
    )
    for record in records:
        if record.waves:
            typer.echo(f"waveform: {record.waves}")


def show_dot_mutants(records: "Sequence[DotMutantRecord]") -> None:
    """Print the records of mutants as a table. A mutant is the unit with one fault."""
    columns = ["format", "~architecture", ">lanes", "~scale", "accumulator", ">mutants"]
    rows = [
        [
            " x ".join(dict.fromkeys((record.format, record.activation))),
            record.architecture,
            str(record.lanes),
            record.scale or "-",
            record.accumulator,
            number(record.mutants),
            number(record.equivalent),
            number(record.caught),
            number(len(record.survivors)),
            ", ".join(f"{name} {count}" for name, count in record.caught_by.items()),
            number(record.seconds, 1),
        ]
        for record in records
    ]
    table(
        "Mutants of dot-product units",
        [*columns, ">equivalent", ">caught", ">survived", "~caught by", "~>s"],
        rows,
        "Equivalent: proved to behave like the unit, from every state that can occur. Caught by: "
        "the first scenario that shows a mismatch.",
    )


def show_dot_proofs(records: "Sequence[DotRecord]") -> None:
    """Print the proofs in the synthesis records of dot-product units as a table."""
    columns = ["format", "~architecture", "recipe", "~>lanes", "~scale", "~accumulator"]
    rows = []
    for record in records:
        proof = record.proof
        if proof is None:
            continue
        faults = list(proof.faults.values())
        rows.append(
            [
                " x ".join(dict.fromkeys((record.format, record.activation))),
                record.architecture,
                record.recipe,
                str(record.lanes),
                record.scale or "-",
                record.accumulator,
                proof.lane_netlist,
                proof.tree,
                proof.accumulator or proof.fp32_stage or "simulated",
                proof.netlist,
                f"{faults.count('refuted')} of {len(faults)}",
                number(proof.seconds, 1),
            ]
        )
    columns += ["lane\n= table", "tree\n= sum", "accumulator\nproof", "netlist\n= RTL"]
    columns += [">faults\nrefuted", "~>s"]
    table(
        "Proofs of dot-product units",
        columns,
        rows,
        records[0].proof.method if records[0].proof else "",
    )


def unseen_faults(records: "Sequence[DotRecord]") -> list[str]:
    """An error line for every unit that is not proved, and for every fault that is not found.

    Faults are injected into each unit, to check that the proof fails for faulty units.
    """
    lines = []
    for record in records:
        proof, name = record.proof, f"{record.format}, {record.lanes} lanes"
        if proof is None:
            continue
        if not proof.is_proved:
            lines.append(f"{name}: the unit is {proof.status}")
        lines += [
            f"{name}: the fault {fault!r} is {status}"
            for fault, status in proof.faults.items()
            if status != "refuted"
        ]
    return lines
