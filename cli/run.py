"""``halfbyte run``: simulate a layer of a real model on the RTL of an array, bit for bit."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.cli.array import ArrayOptions, DataflowName, Depth
from halfbyte.cli.dot import scale_rule
from halfbyte.cli.options import (
    Activation,
    Json,
    LibraryOptions,
    OldFormat,
    OneFormat,
    TechnologyName,
    load_optional,
    named_format,
)
from halfbyte.cli.output import print_json, progress, table
from halfbyte.formats import Format, ScaleCode, find_scale_code, load

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.rtl.array import SystolicSpec
    from halfbyte.rtl.dot import DotSpec
    from halfbyte.sim.array.record import LayerRun

__all__ = ["run"]

DEFAULT_SIDE, DEFAULT_LANES, DEFAULT_TOKENS = 8, 32, 128


def run(
    model: Annotated[
        str, typer.Argument(help="A model, named as for `halfbyte evaluate`.", metavar="MODEL")
    ],
    name: OneFormat = None,
    *,
    layer: Annotated[str, typer.Option(help="Name of a linear layer in the model.")],
    fmt: OldFormat = None,
    activation: Activation = None,
    scale: Annotated[
        str,
        typer.Option(
            help="Type of the block scales: e8m0 (as in MXFP4), e4m3 (as in NVFP4) or ue5m3."
        ),
    ] = "e8m0",
    lanes: Annotated[
        int, typer.Option(help="Number of products that each unit computes per cycle.")
    ] = DEFAULT_LANES,
    block: Annotated[
        int | None,
        typer.Option(help="Number of products that share a scale; by default the number of lanes."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows of units in the array.")] = DEFAULT_SIDE,
    columns: Annotated[
        int, typer.Option(help="Columns of units in the array; each computes one output at a time.")
    ] = DEFAULT_SIDE,
    dataflow: DataflowName = None,
    depth: Depth = None,
    tokens: Annotated[
        int, typer.Option(help="Number of tokens of the text that the layer reads.", min=1)
    ] = DEFAULT_TOKENS,
    energy: Annotated[
        bool,
        typer.Option(
            "--energy/--no-energy",
            help="Also synthesize the array to find its energy; takes minutes the first time.",
        ),
    ] = False,
    tech: TechnologyName = None,
    json: Json = False,
) -> None:
    """Run one layer of a model through an array's RTL, and compare every result with the golden
    model.

    Weights and inputs are quantized, and streamed through the array tile by tile in Verilator. Each
    result must equal the golden model's, bit for bit.
    """
    from halfbyte.accuracy import find_model

    reference = find_model(model)  # a wrong name is an error before PyTorch is imported
    from halfbyte.accuracy.layer_operands import layer_operands
    from halfbyte.accuracy.models.loading import open_subject
    from halfbyte.checkpoints.memory import check_memory
    from halfbyte.gpu_ref.product_check import compare_product
    from halfbyte.sim.array.operands import Operands
    from halfbyte.sim.array.product import run_product
    from halfbyte.sim.array.record import LayerRun
    from halfbyte.sim.array.schedule import filled, schedule_bytes

    technology = LibraryOptions(tech).load() if energy else None
    start = time.monotonic()
    weight, other = load(named_format(name, fmt)), load_optional(activation)
    code = find_scale_code(scale)
    unit = _unit(weight, other or weight, lanes, code, block)
    spec = ArrayOptions(rows, columns, dataflow, depth).array(unit)
    with progress("Layer") as update:
        update(0, 2, "operands")
        operands = layer_operands(
            open_subject(reference),
            layer,
            weight=weight,
            activation=other or weight,
            block=unit.block_size,
            scale_format=scale_rule(code),
            tokens=tokens,
        )
        outputs, inputs = operands.weight.shape
        check_memory(
            schedule_bytes(spec, inputs, outputs, tokens),
            f"Streaming {layer} through the array",
            remedy="take fewer tokens",
        )
        update(1, 2, "simulation")
        streamed = Operands.of(operands.a, operands.w)
        product, seen = run_product(spec, streamed)
    sqnr = operands.sqnr_db(product.double() * float(unit.unit) * operands.tensor_scale)
    record = LayerRun(
        model=model,
        layer=layer,
        format=weight.name,
        activation=(other or weight).name,
        scale=code.name,
        block=unit.block_size,
        lanes=lanes,
        **{key: spec.fields[key] for key in ("dataflow", "rows", "columns", "depth")},
        inputs=inputs,
        outputs=outputs,
        tokens=tokens,
        results=seen.results,
        host_build=compare_product(
            product, *filled(spec, streamed).tensors(), **unit.arithmetic, block=unit.block_size
        ),
        cycles=seen.cycles,
        utilization=round(spec.utilization(inputs, outputs, tokens), 4),
        sqnr_db=None if sqnr is None else round(sqnr, 3),
        energy_nj=_energy(spec, technology, tokens * inputs * outputs) if technology else None,
        technology=technology.name if technology else None,
        build_seconds=seen.build_seconds,
        seconds=round(time.monotonic() - start, 3),
    )
    print_json([record]) if json else _show(record)


def _unit(
    weight: Format, activation: Format, lanes: int, code: ScaleCode, block: int | None
) -> "DotSpec":
    """The simulated unit: with an FP32 accumulator, in the first architecture that fits."""
    from halfbyte.rtl.dot import Accumulator, DotSpec
    from halfbyte.rtl.dot.lane import lane_architectures

    return DotSpec(
        weight,
        activation,
        lanes,
        next(iter(lane_architectures(weight, activation))),
        accumulator=Accumulator.FP32,
        scale=code,
        block=block,
    )


def _energy(spec: "SystolicSpec", technology: "Technology", products: int) -> float | None:
    """Energy of all products in the array, in nJ; None if the technology has no energies."""
    from halfbyte.area.search.arrays import synthesize_arrays

    with progress("Synthesis") as update:
        (record,) = synthesize_arrays(
            [spec.with_architecture("auto")], technology, on_progress=update
        )
    energy = record.energy_fj
    return None if energy is None else round(energy * products * 1e-6, 3)


def _show(record: "LayerRun") -> None:
    energy = "-" if record.energy_nj is None else f"{record.energy_nj:,.1f} nJ"
    sqnr = "-" if record.sqnr_db is None else f"{record.sqnr_db:.2f} dB"
    rows = [
        ["layer", f"{record.layer}: {record.inputs} inputs, {record.outputs} outputs"],
        [
            "array",
            f"{record.rows} x {record.columns} units of {record.lanes} lanes, "
            f"{record.dataflow}-stationary",
        ],
        ["formats", f"{record.format} x {record.activation}, scales {record.scale}"],
        ["results compared", f"{record.results:,}, each equal to the golden model's, bit for bit"],
        ["CUDA kernel on the CPU", record.host_build],
        ["cycles", f"{record.cycles:,}"],
        [
            "utilization",
            f"{100 * record.utilization:.1f} % of what the array could compute in these cycles",
        ],
        ["SQNR", f"{sqnr} against the layer in FP32"],
        ["energy", energy if record.technology else "- (--energy synthesizes the array)"],
        ["time", f"{record.seconds:.1f} s"],
    ]
    table(f"One layer of {record.model} through the RTL", ["", ""], rows)
