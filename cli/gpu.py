"""``halfbyte gpu-check`` and ``halfbyte gpu-bench``: check and time the CUDA kernels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import ToolError, UserError, build_dir
from halfbyte.base.tables import write_json
from halfbyte.cli.options import Activation, FormatNames, Json, load_formats, load_optional
from halfbyte.cli.output import number, print_json, progress, table

if TYPE_CHECKING:
    import torch

    from halfbyte.gpu_ref.comparison import Comparison
    from halfbyte.gpu_ref.records import CheckRecord, MachineRecord, Timing

__all__ = ["Device", "gpu_bench", "gpu_check", "resolve_device"]

Device = Annotated[
    str,
    typer.Option(
        help="cuda, cpu (the host build: the kernels compiled for the CPU), or auto (a GPU if "
        "there is one)."
    ),
]
Sanitize = Annotated[
    bool,
    typer.Option(
        "--sanitize",
        help="On the CPU, also run the kernels under g++'s sanitizers. On a GPU, "
        "compute-sanitizer always runs if it is installed.",
    ),
]
Sweep = Annotated[
    bool,
    typer.Option(
        "--sweep",
        help="Time only the tensor-core product, with each of its tile sizes; needs a GPU.",
    ),
]


def resolve_device(name: str) -> "torch.device":
    """The device of ``--device``. Raises UserError for an unknown name, and cuda without a GPU."""
    import torch

    from halfbyte.gpu_ref.machine import pick_device

    if name == "auto":
        return pick_device()
    if name not in ("cuda", "cpu"):
        raise UserError(f"Device must be auto, cuda or cpu, not {name[:60]!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "PyTorch sees no CUDA GPU: check the driver and that PyTorch is a CUDA build, or use "
            "--device cpu for the host build"
        )
    return torch.device(name)


def _where(record: "MachineRecord") -> str:
    """One line on where a record was made: the GPU, or the CPU of a host build."""
    if record.build == "host":
        return (
            f"HOST BUILD, not a GPU result: {record.device}, {record.threads} threads, "
            f"{record.simd}, {record.compiler}, torch {record.versions['torch']}"
        )
    return (
        f"{record.device}, compute capability {record.compute_capability}, driver "
        f"{record.driver}, {record.compiler}, torch {record.versions['torch']}"
    )


def _store(name: str, content: object) -> Path:
    return write_json(build_dir() / "gpu_ref" / name, content)


def gpu_check(
    names: FormatNames = None,
    activation: Activation = None,
    device: Device = "auto",
    sanitize: Sanitize = False,
    json: Json = False,
) -> None:
    """Compare every CUDA kernel with the golden model, bit for bit; exit status 1 if a number
    differs.

    Without a format, the kernels run on every shipped format, and on three random ones that stand
    for formats of users.
    """
    from halfbyte.gpu_ref.cases import random_formats
    from halfbyte.gpu_ref.check import check_format, check_tiles
    from halfbyte.gpu_ref.comparison import Comparison, merged
    from halfbyte.gpu_ref.dfloat11.check import check_dfloat11
    from halfbyte.gpu_ref.machine import describe
    from halfbyte.gpu_ref.records import CheckRecord
    from halfbyte.gpu_ref.unit_check import check_units

    chosen = [*load_formats(names), *([] if names else random_formats())]
    where, other = resolve_device(device), load_optional(activation)
    comparisons: list[Comparison] = []
    with progress("Check") as update:
        for done, fmt in enumerate(chosen):
            update(done, len(chosen), fmt.name)
            comparisons += check_format(fmt, where, activation=other)
            comparisons += check_units(fmt, where, activation=other)
            comparisons += check_tiles(fmt, where) if where.type == "cuda" else []
        comparisons += check_dfloat11(where)
    totals = merged(comparisons)
    record = CheckRecord(
        **vars(describe(where)),
        cuda_build=_cuda_build(),
        sanitizers=_sanitizers(where) if sanitize or where.type == "cuda" else None,
        formats=tuple(fmt.name for fmt in chosen),
        compared=sum(total.compared for total in totals),
        different=sum(total.different for total in totals),
        kernels=tuple(total.record() for total in totals),
        comparisons=tuple(each.record() for each in comparisons),
    )
    path = _store("check.json", record.as_json())
    print_json([record]) if json else _show_check(totals, record, path)
    if not record.compared:
        raise ToolError(f"No numbers were compared with the golden model; see {path}")
    if record.different:
        raise ToolError(f"{record.different} numbers differ from the golden model; see {path}")


def _cuda_build() -> str:
    """Compile the CUDA sources if nvcc is there, and name the compiler. This needs no GPU."""
    from halfbyte.gpu_ref.build import build_cuda
    from halfbyte.gpu_ref.compilers import cuda_compiler, find_nvcc

    if find_nvcc() is None:
        return "not compiled: no nvcc"
    build_cuda()
    return f"compiled with {cuda_compiler().version}"


def _sanitizers(where: "torch.device") -> str:
    """Run the sanitizers for the device, and say which ones found nothing."""
    from halfbyte.gpu_ref import sanitizers

    if where.type != "cuda":
        sanitizers.run_host_sanitizers()
        return "address and undefined: nothing found"
    path = sanitizers.find_compute_sanitizer()
    if path is None:
        return "compute-sanitizer is not installed"
    return f"{', '.join(sanitizers.run_compute_sanitizer(path))}: nothing found"


def _show_check(totals: "Sequence[Comparison]", record: "CheckRecord", path: Path) -> None:
    rows = [
        [total.kernel, number(total.compared), number(total.different), total.first]
        for total in totals
    ]
    notes = [
        _where(record),
        f"{len(record.formats)} formats; CUDA build: {record.cuda_build}; record: {path}",
    ]
    if record.sanitizers:
        notes.append(f"sanitizers: {record.sanitizers}")
    columns = ["kernel", ">compared", ">different", "first difference"]
    table("Kernels against the golden model", columns, rows, "\n".join(notes))


def gpu_bench(
    names: FormatNames = None, sweep: Sweep = False, device: Device = "auto", json: Json = False
) -> None:
    """Time every CUDA kernel and PyTorch's kernels in the same run; by default for e2m1_sp."""
    from halfbyte.gpu_ref import bench
    from halfbyte.gpu_ref.dfloat11.bench import benchmark_dfloat11, benchmark_product

    chosen, where = load_formats(names or ["e2m1_sp"]), resolve_device(device)
    records: list[Timing] = []
    with progress("Benchmark") as update:
        for done, fmt in enumerate(chosen):
            update(done, len(chosen), fmt.name)
            records += bench.sweep(fmt, where) if sweep else bench.benchmark(fmt, where)
        if not sweep:
            records += [*benchmark_dfloat11(where), *benchmark_product(where)]
    path = _store("bench.json", [record.as_json() for record in records])
    print_json(records) if json else _show_bench(records, path)


def _show_bench(records: "Sequence[Timing]", path: Path) -> None:
    rows = [
        [
            record.kernel,
            record.type,
            " x ".join(map(str, record.shape)),
            str(getattr(record, "block", None) or "-"),
            number(record.seconds * 1e3, 3),
            number(getattr(record, "gigabytes_per_second", None), 1),
            number(getattr(record, "share_of_copy", None), 2),
            number(getattr(record, "tera_operations_per_second", None), 3),
            number(getattr(record, "share_of_torch", None), 2),
            number(getattr(record, "times_plain", None), 1),
        ]
        for record in records
    ]
    columns = [
        "kernel",
        "type",
        "shape",
        ">block",
        ">ms",
        ">GB/s",
        ">of copy",
        ">TOPS",
        ">of torch",
        ">of plain",
    ]
    first = records[0]
    caption = (
        f"{_where(first)}\nmedians of {first.repeats} alternating runs; record: {path}\n"
        "of copy, of torch, of plain: speed divided by that of a copy, of torch.matmul, and of the "
        "plain kernel"
    )
    table("Throughput", columns, rows, caption)
