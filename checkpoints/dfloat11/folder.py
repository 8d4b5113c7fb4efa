"""A model's folder, or one file, to its compressed form and back.

Each ``X.safetensors`` becomes ``X.df11.safetensors``; every other file is copied as it is, index
and configuration too, so that decompressing gives the same folder. Tools that know nothing of it
miss ``model.safetensors`` and say so.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from halfbyte.base import UserError, versions_of
from halfbyte.checkpoints.dfloat11.container import compress_file, decompress_file
from halfbyte.checkpoints.tensor_file import TensorFile

__all__ = ["SUFFIX", "Progress", "compress_path", "decompress_path", "fresh_folder", "other_files"]

PLAIN, SUFFIX = ".safetensors", ".df11.safetensors"

Progress = Callable[[int, int, str], None]
"""Called with tensors done, tensors in all, and the name of the present one."""

# Weights in forms that are not compressed: beside safetensors files they are second copies.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot")


def other_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files of a folder that go along, and the names of what is left out: hidden files,
    subfolders, and weights in other forms.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix != PLAIN)
    taken = [
        path
        for path in found
        if path.is_file() and not path.name.startswith(".") and path.suffix not in _OTHER_WEIGHTS
    ]
    return taken, [path.name for path in found if path not in taken]


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """A folder to write to, which becomes ``target`` at the end, and vanishes on an error.

    UserError if ``target`` exists and is no empty folder.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists already; give another name, or remove it")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _shards(folder: Path, suffix: str) -> list[TensorFile]:
    """The safetensors files of a folder whose names end in ``suffix``, compressed ones or not."""
    wanted = [path for path in sorted(folder.glob(f"*{suffix}")) if not path.name.startswith(".")]
    if suffix == PLAIN:
        wanted = [path for path in wanted if not path.name.endswith(SUFFIX)]
    if not wanted:
        is_done = suffix == PLAIN and any(folder.glob(f"*{SUFFIX}"))
        remedy = ": it is compressed already" if is_done else ""
        raise UserError(f"{folder} has no *{suffix} files{remedy}")
    return [TensorFile.open(path) for path in wanted]


def _open(source: Path, suffix: str) -> list[TensorFile]:
    if source.is_dir():
        return _shards(source, suffix)
    if not source.exists():
        raise UserError(f"There is no {source}: give a safetensors file or a model's folder")
    return [TensorFile.open(source)]


def _check_target(source: Path, target: Path) -> None:
    if source.is_file() and target.is_dir():
        raise UserError(f"{target} is a folder, and the input is a file; give a file to write to")
    if source.is_file() and target.exists():
        raise UserError(f"{target} exists already; give another name, or remove it")


class _Counter:
    """Counts tensors over all files, for a progress bar."""

    def __init__(self, files: Sequence[TensorFile], on_progress: Progress | None) -> None:
        self._total = sum(len(file.tensors) for file in files)
        self._on_progress = on_progress
        self._seen: set[str] = set()

    def __call__(self, name: str) -> None:
        if self._on_progress is not None:
            self._on_progress(min(len(self._seen), self._total), self._total, name)
        self._seen.add(name)


def compress_path(
    source: Path,
    target: Path,
    *,
    codes: str = "best",
    secded: bool = False,
    verify: bool = True,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Compress a safetensors file to a file, or a model's folder to a folder.

    ``codes``: as :func:`halfbyte.golden.dfloat11.measure` takes them.
    Nothing appears under ``target`` until all is done. Returns a record: sizes, counts, seconds,
    and what became of each tensor. Raises UserError for bad input, or if ``target`` exists.
    """
    begin = time.perf_counter()
    _check_target(source, target)
    files = _open(source, PLAIN)
    on_tensor = _Counter(files, on_progress)
    left_out: list[str] = []
    if source.is_dir():
        companions, left_out = other_files(source)
        with fresh_folder(target) as folder:
            records = []
            for file in files:
                shard = folder / (file.path.name.removesuffix(PLAIN) + SUFFIX)
                records += compress_file(
                    file, shard, codes=codes, secded=secded, verify=verify, on_tensor=on_tensor
                )
            for path in companions:
                shutil.copyfile(path, folder / path.name)
        sizes = [path.stat().st_size for path in target.glob(f"*{SUFFIX}")]
    else:
        records = compress_file(
            files[0], target, codes=codes, secded=secded, verify=verify, on_tensor=on_tensor
        )
        sizes = [target.stat().st_size]
    coded = [record for record in records if record.coded]
    weights, stored = (sum(getattr(r, key) for r in coded) for key in ("elements", "stored_bytes"))
    return {
        "source": str(source),
        "output": str(target),
        "layout": "halfbyte",
        "codes": codes,
        "secded": secded,
        "verified": verify,
        "tensors": len(records),
        "coded": len(coded),
        "coded_elements": weights,
        "coded_bits_per_element": 8 * stored / weights if weights else None,
        "bytes_before": sum(file.path.stat().st_size for file in files),
        "bytes_after": sum(sizes),
        "left_out": left_out,
        "details": [asdict(record) for record in records],
        "seconds": time.perf_counter() - begin,
        "versions": versions_of("halfbyte", "numba"),
    }


def decompress_path(
    source: Path, target: Path, *, on_progress: Progress | None = None
) -> dict[str, Any]:
    """Undo :func:`compress_path`, to the last byte, and verify everything.

    Nothing appears under ``target`` unless all is well. Returns a record. Raises
    :class:`~halfbyte.golden.dfloat11.CorruptError` for damaged data.
    """
    begin = time.perf_counter()
    _check_target(source, target)
    files = _open(source, SUFFIX)
    on_tensor = _Counter(files, on_progress)
    if source.is_dir():
        companions, _ = other_files(source)
        with fresh_folder(target) as folder:
            corrected = 0
            for file in files:
                plain = folder / (file.path.name.removesuffix(SUFFIX) + PLAIN)
                corrected += decompress_file(file, plain, on_tensor=on_tensor)
            for path in companions:
                shutil.copyfile(path, folder / path.name)
        sizes = [path.stat().st_size for path in target.glob(f"*{PLAIN}")]
    else:
        corrected = decompress_file(files[0], target, on_tensor=on_tensor)
        sizes = [target.stat().st_size]
    return {
        "source": str(source),
        "output": str(target),
        "tensors": sum(len(file.tensors) for file in files),
        "corrected_words": corrected,
        "bytes_before": sum(file.path.stat().st_size for file in files),
        "bytes_after": sum(sizes),
        "seconds": time.perf_counter() - begin,
        "versions": versions_of("halfbyte", "numba"),
    }
