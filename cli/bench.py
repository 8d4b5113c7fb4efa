"""``halfbyte bench``: measure the speed of the golden model or of the DFloat11 codec.

DFloat11 compresses BF16 weights without loss.
"""

from typing import Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.options import Activation, FormatNames, Json, load_formats, load_optional
from halfbyte.cli.output import number, print_json, progress, table

__all__ = ["bench"]

DEFAULT = ("int4", "e2m1_sp", "sf4")


Codec = Annotated[
    bool,
    typer.Option(
        "--codec", help="Instead of the GEMM, time DFloat11 on tensors, files and models."
    ),
]
Peers = Annotated[
    bool,
    typer.Option("--peers", help="With --codec: also time the codecs zipnn and openzl."),
]


def bench(
    names: FormatNames = None,
    activation: Activation = None,
    codec: Codec = False,
    peers: Peers = False,
    json: Json = False,
) -> None:
    """Time the golden model's block-scaled GEMM, and torch.matmul in FP32 for comparison.

    Without a format, int4, e2m1_sp and sf4 are timed.
    """
    if peers and not codec:
        raise UserError("--peers has no effect without --codec: add --codec, or leave out --peers")
    if codec:
        if names or activation:
            raise UserError(
                "--codec times DFloat11, which takes no formats: leave out formats and --activation"
            )
        _bench_codec(peers, json)
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
        f"torch {first.versions['torch']}, {first.threads} threads; medians of "
        f"{first.repeats} runs of each, which alternate. Ratio: exact s divided by torch FP32 s",
    )


def _bench_codec(peers: bool, json: bool) -> None:
    """Time DFloat11 and print the records."""
    from halfbyte.checkpoints.dfloat11.bench import benchmark_files, benchmark_models
    from halfbyte.golden.dfloat11.bench import benchmark_codec

    with progress("Benchmark") as update:
        records = benchmark_codec(with_peers=peers, on_progress=update)
        update(1, 3, "file to file")
        files = benchmark_files()
        update(2, 3, "models")
        records = [*benchmark_models(), *files, *records]
    if json:
        print_json(records)
        return
    rows = [
        [
            record.what,
            f"{record.elements:,}",
            number(record.seconds, 3),
            number(2 * record.weights_per_second / 1e9, 2),
            number(2e-9 * record.elements / record.core_seconds, 2),
            number(record.bits_per_weight, 3),
        ]
        for record in records
    ]
    first = records[0]
    table(
        "DFloat11 on normally distributed weights in BF16",
        ["what", ">weights", ">seconds", ">GB/s", ">GB/s a core", ">bits"],
        rows,
        f"GB: 10^9 bytes of BF16. {first.cores} cores; loops in {first.engine}; medians of "
        f"{first.repeats} runs, but a single run in the last line.",
    )
