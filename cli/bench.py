"""``halfbyte bench``: timings, as records; never assertions."""

from halfbyte.cli.options import Activation, FormatNames, Json, load_formats, load_optional
from halfbyte.cli.output import number, print_json, progress, table

__all__ = ["bench"]

DEFAULT = ("int4", "e2m1_sp", "sf4")


def bench(names: FormatNames = None, activation: Activation = None, json: Json = False) -> None:
    """Time the golden model's block-scaled GEMM beside torch.matmul in FP32.

    Without a format: int4, e2m1_sp and sf4.
    """
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
            record["format"],
            record["activation"],
            record["arithmetic"],
            number(record["seconds"], 3),
            number(record["torch_matmul_seconds"], 3),
            number(record["ratio"], 2),
        ]
        for record in records
    ]
    first = records[0]
    table(
        f"Block-scaled GEMM, {first['m']} x {first['k']} x {first['n']}, block {first['block']}",
        ["format", "activation", "arithmetic", ">exact s", ">torch FP32 s", ">ratio"],
        rows,
        f"torch {first['versions']['torch']}, {first['threads']} threads, medians of "
        f"{first['repeats']} runs in turn",
    )
