"""Measures the speed of the codec, of the ``dfloat11`` package's encoder, and of other codecs."""

import contextlib
import importlib.util
import io
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base import ToolError, UserError, versions_of
from halfbyte.golden.dfloat11 import compress, decompress, joint, published
from halfbyte.golden.dfloat11.native import engine
from halfbyte.golden.dfloat11.peers import peers
from halfbyte.golden.dfloat11.threads import cores, over_ranges
from halfbyte.golden.records import CodecBenchRecord

__all__ = ["benchmark_codec", "encode_with_package", "package_encoder", "timed_record"]

INSTALL = "pip install --no-deps dfloat11==0.5.0 dahuffman==0.4.2"
_PEERS = ("dfloat11", "zipnn", "openzl")
PACKAGE_ELEMENTS = 1 << 20  # weights that the package's encoder gets; it takes about a second


def package_encoder() -> ModuleType:
    """The encoder of the ``dfloat11`` package. Raises UserError if it is not installed.

    Only the file with the encoder is loaded, since the whole package cannot be imported without a
    GPU.
    """
    spec = importlib.util.find_spec("dfloat11")
    if spec is None or spec.origin is None or importlib.util.find_spec("dahuffman") is None:
        raise UserError(f"The encoder of the dfloat11 package is not installed; run: {INSTALL}")
    path = Path(spec.origin).with_name("dfloat11_utils.py")
    utils = importlib.util.spec_from_file_location("dfloat11_utils", path)
    assert utils is not None and utils.loader is not None  # noqa: S101 (a plain file has both)
    module = importlib.util.module_from_spec(utils)
    utils.loader.exec_module(module)
    return module


def encode_with_package(weights: list[Tensor], encoder: ModuleType) -> published.Module:
    """Compress one-dimensional BF16 tensors with the package, as its ``compress_model`` does.

    The package's output to the terminal is dropped.
    """
    with (
        warnings.catch_warnings(action="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        _, counter = encoder.get_codec(torch.cat(weights))
        codec, _, table = encoder.get_32bit_codec(counter)
        luts = encoder.get_luts(table)
        stream, other, positions, gaps, splits = encoder.encode_weights(
            weights, codec, published.BYTES_PER_THREAD, published.THREADS_PER_BLOCK
        )
    return published.Module(
        luts.numpy(),
        stream.numpy(),
        other.numpy(),
        positions.view(torch.uint32).numpy(),
        gaps.numpy(),
        tuple(splits.tolist()),
    )


def _nothing() -> None:
    pass


def _medians(
    function: Callable[[], object], repeats: int, before: Callable[[], object]
) -> tuple[float, float]:
    """Median seconds of a call: the time that passed, and the processor time of all cores.

    ``before`` runs before each call and is not timed. If ``repeats`` is more than 1, an untimed
    call comes first, to compile and to fill caches.
    """
    if repeats > 1:
        before()
        function()
    times = []
    for _ in range(repeats):
        before()
        begin = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    clock, cores = (statistics.median(each) for each in zip(*times, strict=True))
    return clock, cores


@dataclass(frozen=True)
class _Run:
    """A job to time, its number of weights, the bytes of their stored form, and its repeats."""

    function: Callable[[], object]
    elements: int
    size: int
    repeats: int


def _copy_runs(weights: Tensor, repeats: int) -> dict[str, _Run]:
    """The jobs that copy the bytes of the weights.

    One job copies to memory that was used before, the other to fresh memory.
    """
    words = weights.view(torch.uint16).numpy()
    kept = np.empty_like(words)

    def copy(to: NDArray[np.uint16]) -> None:
        over_ranges(lambda first, last: np.copyto(to[first:last], words[first:last]), len(words))

    jobs = {"copy": lambda: copy(kept), "copy to fresh memory": lambda: copy(np.empty_like(words))}
    return {name: _Run(job, len(words), words.nbytes, repeats) for name, job in jobs.items()}


def _own_runs(weights: Tensor, repeats: int) -> dict[str, _Run]:
    """The jobs of halfbyte's two layouts, and of the layout of the ``dfloat11`` package."""
    elements, module = len(weights), published.encode([weights])
    runs: dict[str, _Run] = {}
    for title, data, encode in (
        ("joint", joint.compress(weights), lambda: joint.compress(weights)),
        ("prefix", compress(weights), lambda: compress(weights)),
    ):
        for what, function in (
            ("encode", encode),
            ("decode, verified", partial(decompress, data)),
            ("decode", partial(decompress, data, verify=False)),
        ):
            runs[f"{title}, {what}"] = _Run(function, elements, len(data), repeats)
    runs["published layout, encode"] = _Run(
        lambda: published.encode([weights]), elements, module.size, repeats
    )
    runs["published layout, decode"] = _Run(
        lambda: published.decode(module), elements, module.size, repeats
    )
    return runs


def _peer_runs(weights: Tensor, repeats: int) -> dict[str, _Run]:
    """The jobs of other codecs. Raises ToolError if a codec does not give the weights back."""
    words = weights.view(torch.uint16).numpy()
    runs = {}
    for peer in peers():
        data = peer.encode(words)
        if bytes(memoryview(peer.decode(data)).cast("B")) != words.tobytes():
            raise ToolError(
                f"{peer.name} does not decode to the weights that were encoded, so nothing was "
                "timed"
            )
        size = peer.size(data)
        runs[f"{peer.name}, encode"] = _Run(partial(peer.encode, words), len(words), size, repeats)
        runs[f"{peer.name}, decode"] = _Run(partial(peer.decode, data), len(words), size, repeats)
    return runs


def benchmark_codec(
    *,
    elements: int = 1 << 25,
    repeats: int = 5,
    seed: int = 0,
    with_peers: bool = False,
    on_progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> list[CodecBenchRecord]:
    """Time encoding and decoding in each layout on normally distributed BF16 weights.

    Each job gets a record. For comparison, two more records say how fast the same cores copy the
    same bytes. The encoder of the ``dfloat11`` package is written in Python and uses a single
    thread, so it gets fewer weights and runs once. ``with_peers`` also times other codecs. Raises
    UserError if the package or one of these codecs is not installed, and ToolError if one of these
    codecs does not give the weights back.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = (torch.randn(elements, generator=generator) * 0.02).bfloat16()
    few = weights[:PACKAGE_ELEMENTS].clone()
    encoder = package_encoder()
    runs = _copy_runs(weights, repeats) | _own_runs(weights, repeats)
    if with_peers:
        runs |= _peer_runs(weights, repeats)
    runs["dfloat11 0.5.0, encode"] = _Run(
        lambda: encode_with_package([few], encoder), len(few), published.encode([few]).size, 1
    )
    records: list[CodecBenchRecord] = []
    for name, run in runs.items():
        on_progress(len(records), len(runs), name)
        job = run.function, run.elements, run.size, run.repeats
        records.append(timed_record(name, *job, tools=_PEERS))
    return records


def timed_record(
    name: str,
    function: Callable[[], object],
    elements: int,
    size: int,
    repeats: int,
    tools: Sequence[str] = (),
    before: Callable[[], object] = _nothing,
) -> CodecBenchRecord:
    """The record of a job that is run ``repeats`` times.

    Parameters
    ----------
    name : str
        What the job does.
    function : callable
        Does the job once.
    elements : int
        Number of weights.
    size : int
        Bytes of their compressed form.
    repeats : int
        Timed runs; the record has their median. If there are several, an untimed run comes first,
        to compile and to fill caches.
    tools : sequence of str
        Packages whose versions are recorded, in addition to halfbyte, numba and PyTorch.
    before : callable
        Is called before each run, and is not timed.
    """
    seconds, core_seconds = _medians(function, repeats, before)
    return CodecBenchRecord(
        benchmark="dfloat11",
        what=name,
        elements=elements,
        seconds=seconds,
        core_seconds=core_seconds,
        weights_per_second=elements / seconds,
        bits_per_weight=8 * size / elements,
        repeats=repeats,
        cores=cores(),
        versions=versions_of("halfbyte", "numba", "torch", *tools),
        engine=engine(),
    )
