"""Measure speeds from file to file, including the disk, digests and comparisons."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from halfbyte.base import ToolError, versions_of
from halfbyte.checkpoints.dfloat11.container import Coding, compress_file, decompress_file
from halfbyte.checkpoints.tensor_file import TensorFile, TensorFileWriter
from halfbyte.golden.dfloat11.native import engine
from halfbyte.golden.dfloat11.threads import cores
from halfbyte.golden.records import CodecBenchRecord

__all__ = ["benchmark_files"]


def _timed(function: Callable[[Path], object], target: Path, repeats: int) -> tuple[float, float]:
    """Median seconds by the clock, and of all cores. A first run compiles and fills caches."""
    times = []
    for _ in range(repeats + 1):
        target.unlink(missing_ok=True)
        begin = time.perf_counter(), time.process_time()
        function(target)
        times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    clock, busy = (statistics.median(each) for each in zip(*times[1:], strict=True))
    return clock, busy


def benchmark_files(
    *, elements: int = 1 << 25, repeats: int = 5, seed: int = 0
) -> list[CodecBenchRecord]:
    """A record for each direction and layout: medians for a file of normal weights in BF16.

    Files are in the folder for temporary files. A compressed file is compared with its source, a
    decompressed one with the original's digest. Raises ToolError if they differ.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.randn(elements, generator=generator) * 0.02).bfloat16()
    records = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "plain.safetensors"
        with TensorFileWriter(source, {"weight": ("BF16", (elements,))}, {}) as writer:
            writer.append("weight", weights)
        for layout in ("joint", "prefix"):
            packed, plain = Path(folder) / f"{layout}.safetensors", Path(folder) / "again"
            coding, opened = Coding(layout=layout), TensorFile.open(source)
            jobs = {
                "compress": (packed, lambda to: compress_file(opened, to, coding=coding)),  # noqa: B023
                "decompress": (plain, lambda to: decompress_file(TensorFile.open(packed), to)),  # noqa: B023
            }
            for what, (target, function) in jobs.items():
                seconds, core_seconds = _timed(function, target, repeats)
                records.append(
                    CodecBenchRecord(
                        benchmark="dfloat11",
                        what=f"{layout}, file to file, {what}",
                        elements=elements,
                        seconds=seconds,
                        core_seconds=core_seconds,
                        weights_per_second=elements / seconds,
                        bits_per_weight=8 * packed.stat().st_size / elements,
                        repeats=repeats,
                        cores=cores(),
                        versions=versions_of("halfbyte", "numba"),
                        engine=engine(),
                    )
                )
            if plain.read_bytes() != source.read_bytes():
                raise ToolError(f"{layout} does not give the file back")
    return records
