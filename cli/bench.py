"""``halfbyte bench``: timings, as records; never assertions."""

from typing import Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.options import Activation, FormatNames, Json, load_formats, load_optional
from halfbyte.cli.output import number, print_json, progress, table

__all__ = ["bench"]

DEFAULT = ("int4", "e2m1_sp", "sf4")


Codec = Annotated[
    bool, typer.Option("--codec", help="Time DFloat11 beside the published encoder instead.")
]


def bench(
    names: FormatNames = None,
    activation: Activation = None,
    codec: Codec = False,
    json: Json = False,
) -> None:
    """Time the golden model's block-scaled GEMM beside torch.matmul in FP32.

    Without a format: int4, e2m1_sp and sf4.
    """
    if codec:
        if names or activation:
            raise UserError("--codec times the DFloat11 codec, which has no formats")
        _bench_codec(json)
        return
    from halfbyte.golden.bench import benchmark_gemm

    chosen = load_formats(names or list(DEFAULT))
    other = load_optional(activation)
    records = []
    with progress("Benchmark") as update:
        for done, fmt in enumerate(chosen):
            update(done, len(chosen), fmt.name)
            records.append(benchmark_gemm(fmt, other or fmt))
    if json:
        print_json(records)
        return
    rows = [
        [
            record.format,
            record.activation,
            record.arithmetic,
            number(record.seconds, 3),
            number(record.torch_matmul_seconds, 3),
            number(record.ratio, 2),
        ]
        for record in records
    ]
    first = records[0]
    table(
        f"Block-scaled GEMM, {first.m} x {first.k} x {first.n}, block {first.block}",
        ["format", "activation", "arithmetic", ">exact s", ">torch FP32 s", ">ratio"],
        rows,
        f"torch {first.versions['torch']}, {first.threads} threads, medians of "
        f"{first.repeats} runs in turn",
    )


def _bench_codec(json: bool) -> None:
    from halfbyte.golden.dfloat11.bench import benchmark_codec

    with progress("Benchmark") as update:
        records = benchmark_codec(on_progress=update)
    if json:
        print_json(records)
        return
    rows = [
        [
            record.what,
            f"{record.elements:,}",
            number(record.seconds, 3),
            number(record.weights_per_second / 1e6, 1),
            number(1e9 * record.core_seconds / record.elements, 1),
            number(record.bits_per_weight, 3),
        ]
        for record in records
    ]
    first = records[0]
    table(
        "DFloat11 of normal weights in BF16",
        ["what", ">weights", ">seconds", ">10^6 weights/s", ">core ns/weight", ">bits"],
        rows,
        f"{first.cores} cores, numba {first.versions['numba']}, medians of "
        f"{first.repeats} runs, the last line one run",
    )
