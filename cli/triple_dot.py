"""``halfbyte triple --unit dot``: compare accumulators of RTL, golden model and kernels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from halfbyte.base import ToolError
from halfbyte.cli.designs import DesignOptions
from halfbyte.cli.dot import DotOptions, make_dot_specs, resolve_lanes
from halfbyte.cli.output import number, print_json, progress, table

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from halfbyte.cli.triple_record import DotTripleRecord
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.dot.stimulus import Stimulus

__all__ = ["triple_dots"]

# A unit computes many products per cycle, so each scenario has a fifth of --cycles.
SHARE = 5
# Nine units, which between them have every kind of accumulator and every type of scales.
_EVERY = (
    ("wrap", DotOptions()),
    ("saturate", DotOptions()),
    ("wrap", DotOptions(accumulator="fp32")),
    ("wrap", DotOptions(scale="e8m0")),
    ("wrap", DotOptions(scale="e4m3")),
    ("wrap", DotOptions(scale="ue5m3")),
    ("wrap", DotOptions(scale="e8m0", accumulator="exact", window="-8:8")),
    ("wrap", DotOptions(scale="e4m3", accumulator="exact")),
    ("wrap", DotOptions(scale="ue5m3", accumulator="exact", window="-40:-8")),
)


def triple_dots(
    names: Sequence[str],
    device: "torch.device",
    lanes: int | None,
    design: DesignOptions,
    dot: DotOptions,
    *,
    tech: str | None,
    seed: int,
    cycles: int,
    json: bool,
) -> None:
    """Compare the units that the options ask for, or by default those of ``_EVERY``.

    Raises SimulationError if RTL and golden model differ, and ToolError if the kernel differs.
    """
    from halfbyte.area.cells.technology import load_technology

    is_named = dot != DotOptions() or design.acc_width is not None or design.overflow != "wrap"
    kinds = [(design.overflow, dot)] if is_named else _EVERY
    specs = [
        spec
        for overflow, kind in kinds
        for spec in make_dot_specs(names, lanes, replace(design, overflow=overflow), kind)
    ]
    records = []
    with progress("Three-way comparison") as update:
        for done, spec in enumerate(resolve_lanes(specs, load_technology(tech))):
            update(done, len(specs), spec.title)
            records.append(_compare(spec, device, seed, max(1, cycles // SHARE)))
    print_json(records) if json else _show(records)


def _compare(spec: "DotSpec", device: "torch.device", seed: int, cycles: int) -> "DotTripleRecord":
    """The record of one unit.

    Raises SimulationError if RTL and golden model differ, and ToolError if the kernel differs.
    """
    from halfbyte.cli.triple_record import DotTripleRecord
    from halfbyte.gpu_ref.machine import describe
    from halfbyte.sim.dot.plan import DOT_SCENARIOS
    from halfbyte.sim.dot.regression import expected_words, run_dot_regression
    from halfbyte.sim.dot.scenarios import stimulus_of

    # This raises unless the RTL's outputs equal the golden model's in every cycle.
    simulated = run_dot_regression(spec, cycles=cycles, seed=seed)
    compared = different = count = 0
    for scenario in DOT_SCENARIOS:
        # The seed is that of the simulation, so the stimulus is the same.
        stimulus = stimulus_of(spec, scenario, cycles, seed)
        expected = expected_words(spec, stimulus)
        different += int((_kernel_words(spec, stimulus, device) != expected).sum())
        compared, count = compared + expected.size, count + len(stimulus)
    record = DotTripleRecord(
        **spec.fields,
        seed=seed,
        scenarios=simulated.scenarios,
        cycles=count,
        compared=compared,
        different=different,
        simulator={"name": simulated.simulator, **simulated.versions},
        **vars(describe(device)),
    )
    if different:
        raise ToolError(
            f"{spec.title}: {different} of {compared} outputs of the {record.build} build differ "
            f"from RTL and golden model (seed {seed})"
        )
    return record


def _kernel_words(
    spec: "DotSpec", stimulus: "Stimulus", device: "torch.device"
) -> "NDArray[np.int64]":
    """The kernel's outputs after each cycle; (cycles, outputs) int64."""
    import torch

    from halfbyte.gpu_ref import dot_unit

    columns = (stimulus.w, stimulus.a, stimulus.clear, stimulus.w_scale, stimulus.a_scale)
    w, a, clear, w_scale, a_scale = (torch.from_numpy(each).to(device) for each in columns)
    if spec.is_fp32:
        ends = torch.from_numpy(stimulus.last).to(device) if spec.gathers else None
        scales = [each if spec.scale else None for each in (w_scale, a_scale)]
        acc = dot_unit.fp32_stream(w, a, clear, scales[0], scales[1], ends, **spec.arithmetic)
        outputs = [acc.view(torch.int32)]
    elif spec.is_exact:
        outputs = [*dot_unit.exact_stream(w, a, clear, w_scale, a_scale, **spec.arithmetic)]
    else:
        outputs = [dot_unit.integer_stream(w, a, clear, **spec.arithmetic)]
    return torch.stack([each.to(torch.int64).cpu() for each in outputs], dim=1).numpy()


def _show(records: "Sequence[DotTripleRecord]") -> None:
    rows = [
        [
            " x ".join(dict.fromkeys((record.format, record.activation))),
            record.architecture,
            str(record.lanes),
            record.accumulator + (f", {record.overflow}" if record.overflow else ""),
            record.scale or "-",
            str(record.acc_width),
            number(record.cycles),
            number(record.compared),
            number(record.different),
        ]
        for record in records
    ]
    first = records[0]
    # A host build is the source of the CUDA kernels, compiled for the CPU.
    third = "CUDA kernel" if first.build == "cuda" else "HOST BUILD of the CUDA kernel"
    columns = ["format", "~architecture", ">lanes", "accumulator", "scale", ">acc"]
    table(
        "Three-way equality of dot-product units",
        [*columns, ">cycles", ">compared", ">different"],
        rows,
        f"RTL on Verilator {first.simulator['verilator']} = golden model on torch "
        f"{first.versions['torch']} = {third} on {first.device} ({first.compiler}); seed "
        f"{first.seed}",
    )
