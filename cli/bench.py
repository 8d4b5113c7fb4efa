"""``halfbyte bench``: timings, as records; never assertions."""

from halfbyte.cli.options import Json
from halfbyte.cli.output import number, print_json, table

__all__ = ["bench"]


def bench(json: Json = False) -> None:
    """Time the golden model's block-scaled GEMM beside torch.matmul in FP32."""
    from halfbyte.golden.bench import benchmark_gemm

    record = benchmark_gemm()
    if json:
        print_json([record])
        return
    size = " x ".join(str(record[key]) for key in ("m", "k", "n"))
    rows = [
        ["block-scaled GEMM, exact", number(record["seconds"], 3)],
        ["torch.matmul, FP32", number(record["matmul_seconds"], 3)],
        ["ratio", number(record["ratio"], 2)],
    ]
    caption = f"torch {record['versions']['torch']}, {record['threads']} threads, medians"
    table(f"GEMM {size}, {record['format']}, block {record['block']}", ["", ">s"], rows, caption)
