"""``halfbyte triple``: compare RTL, golden model and CUDA kernels on the same inputs."""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import ToolError
from halfbyte.cli.designs import DesignOptions, resolve_architectures
from halfbyte.cli.dot import DOT, DotOptions
from halfbyte.cli.gpu import Device, resolve_device
from halfbyte.cli.options import FormatNames, Json, TechnologyName, load_formats
from halfbyte.cli.output import number, print_json, progress, table
from halfbyte.cli.triple_dot import triple_dots
from halfbyte.cli.units import MAC, DotLanes, DotOrMac

if TYPE_CHECKING:
    import torch

    from halfbyte.gpu_ref.records import TripleRecord
    from halfbyte.rtl import MacSpec


__all__ = ["triple"]

SEED_BITS = 32
DEFAULT = ["e2m1_sp"]
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


def _compare(design: "MacSpec", device: "torch.device", seed: int, cycles: int) -> "TripleRecord":
    """The record of one MAC.

    Raises SimulationError if RTL and golden model differ, and ToolError if the kernel differs.
    """
    from halfbyte.gpu_ref.machine import describe
    from halfbyte.gpu_ref.records import TripleRecord
    from halfbyte.gpu_ref.replay import Accumulator, Columns, count_differences
    from halfbyte.rtl import variants
    from halfbyte.sim.runner import make_plans, run_regression
    from halfbyte.sim.wrapper import layout_of

    # This raises unless the RTL's accumulators equal the golden model's in every cycle.
    simulated = run_regression(design, seed=seed, cycles=cycles)
    # The same seed gives the same plans: the inputs, and the expected accumulators.
    macs = variants(design)
    plans = make_plans(macs, layout_of(macs, title="triple", seed=seed), cycles=cycles)
    different = 0
    for plan in plans.values():
        accumulators = [
            Accumulator(spec.arithmetic, spec.enable, held)
            for spec, held in zip(macs.values(), plan.expected, strict=True)
        ]
        different += count_differences(Columns(*plan.columns), accumulators, device)
    record = TripleRecord(
        format=simulated.format,
        activation=simulated.activation,
        architecture=design.architecture,
        terms=simulated.terms,
        acc_width=simulated.acc_width,
        seed=seed,
        cycles=sum(len(plan.stimulus) for plan in plans.values()),
        compared=sum(plan.expected.size for plan in plans.values()),
        different=different,
        simulator={"name": simulated.simulator, **simulated.versions},
        **vars(describe(device)),
    )
    if different:
        raise ToolError(
            f"{design.weight.name} x {design.activation.name}: {different} of "
            f"{record.compared} accumulators of the {record.build} build differ from RTL "
            f"and golden model (seed {seed})"
        )
    return record


def triple(
    names: FormatNames = None,
    *,
    design: DesignOptions,
    tech: TechnologyName = None,
    seed: Seed = None,
    cycles: Cycles = 100_000,
    unit: DotOrMac = MAC,
    lanes: DotLanes = None,
    dot: DotOptions,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Give RTL (Verilator), golden model and CUDA kernels the same inputs, and compare all three.

    For MACs, every kind of accumulator is compared in every cycle: lossless, wrapping, saturating,
    carry-save, and with an enable port. --unit dot compares the dot-product unit that --scale,
    --accumulator and so on ask for. Without these options, it compares nine units, which between
    them have every kind of accumulator and every type of scales. Each scenario of a dot-product
    unit has a fifth of --cycles. The default format is e2m1_sp. Exit status 1 if any two differ.
    """
    where = resolve_device(device)
    start = secrets.randbits(SEED_BITS) if seed is None else seed
    if unit == DOT:
        triple_dots(
            names or DEFAULT,
            where,
            lanes,
            design,
            dot,
            tech=tech,
            seed=start,
            cycles=cycles,
            json=json,
        )
        return
    chosen = load_formats(names or DEFAULT)
    designs = resolve_architectures(chosen, design, tech)
    records = []
    with progress("Three-way comparison") as update:
        for done, spec in enumerate(designs):
            update(done, len(designs), spec.weight.name)
            records.append(_compare(spec, where, start, cycles))
    print_json(records) if json else _show(records)


def _show(records: "Sequence[TripleRecord]") -> None:
    rows = [
        [
            record.format,
            record.activation,
            record.architecture,
            number(record.cycles),
            number(record.compared),
            number(record.different),
            str(record.seed),
        ]
        for record in records
    ]
    first = records[0]
    # A host build is the source of the CUDA kernels, compiled for the CPU.
    third = "CUDA kernel" if first.build == "cuda" else "HOST BUILD of the CUDA kernel"
    columns = ["format", "~activation", "~architecture", ">cycles", ">accumulators", ">different"]
    caption = (
        f"RTL on Verilator {first.simulator['verilator']} = golden model on torch "
        f"{first.versions['torch']} = {third} on {first.device} ({first.compiler})"
    )
    table("Three-way equality", [*columns, ">seed"], rows, caption)
