"""Compress a model's folder, or a file, and restore it.

Each ``X.safetensors`` becomes ``X.df11.safetensors``, in subfolders, too. Other files, such as the
index and the configuration, are copied, so that the folder can be restored. Hidden files and
weights in other forms are left out. Tools that do not know the compressed form report that
``model.safetensors`` is missing.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import Progress, UserError, versions_of
from halfbyte.base.files import partial_folder, publish
from halfbyte.base.strict_json import unique_keys
from halfbyte.checkpoints.dfloat11.container import (
    Coding,
    OnBytes,
    compress_file,
    decompress_file,
    verify_file,
)
from halfbyte.checkpoints.index import check_shards
from halfbyte.checkpoints.records import (
    CompressionRecord,
    DecompressionRecord,
    VerificationRecord,
)
from halfbyte.checkpoints.tensor_file import TensorFile
from halfbyte.golden.dfloat11 import CorruptError

__all__ = ["PLAIN", "SUFFIX", "check_indices", "compress_path", "copy_files",
           "decompress_path",
           "fresh_folder", "other_files", "verify_path"]  # fmt: skip

PLAIN, SUFFIX = ".safetensors", ".df11.safetensors"

# Weights in other forms. Beside safetensors files they are second copies, so they are left out.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot")
_INDEX = ".index.json"


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in order. Hidden folders and linked ones are not entered."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def other_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files that are copied with the weights, and the names of what is left out.

    Both are relative to the folder, and include its subfolders. Left out are hidden files, links to
    folders, and weights in other forms.
    """
    found = [path for path in _walk(folder) if path.suffix != PLAIN]
    taken = [
        path
        for path in found
        if path.is_file() and not path.name.startswith(".") and path.suffix not in _OTHER_WEIGHTS
    ]
    left = [path.relative_to(folder).as_posix() for path in found if path not in taken]
    return [path.relative_to(folder) for path in taken], left


def copy_files(paths: Sequence[Path], source: Path, target: Path) -> None:
    """Copy files, given relative to ``source``, to the same places below ``target``."""
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """A folder to write to. It becomes ``target`` at the end; after an error it is removed.

    Raises UserError if ``target`` exists, now or at the end, and is not an empty folder.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists already; give another name, or remove it")
    with partial_folder(target) as partial:
        yield partial
        publish(partial, target)


def _weights(folder: Path, suffix: str) -> list[Path]:
    """The safetensors files below a folder whose names end in ``suffix``, all shards of them."""
    wanted = [path for path in _walk(folder) if path.name.endswith(suffix)]
    wanted = [path for path in wanted if path.is_file() and not path.name.startswith(".")]
    if suffix == PLAIN:
        wanted = [path for path in wanted if not path.name.endswith(SUFFIX)]
    if not wanted:
        is_done = suffix == PLAIN and any(folder.rglob(f"*{SUFFIX}"))
        remedy = ": it is compressed already" if is_done else ""
        raise UserError(f"{folder} has no *{suffix} files{remedy}")
    check_shards(wanted)
    return wanted


def check_indices(folder: Path, suffix: str) -> None:
    """Check that every shard in an index below ``folder`` exists and has its tensors.

    ``suffix`` is the end of the names of the stored shards. Raises UserError if an index cannot be
    read, or if a shard or a tensor is missing.
    """
    for path in [each for each in _walk(folder) if each.name.endswith(f"{PLAIN}{_INDEX}")]:
        try:
            index = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
            places = dict(index["weight_map"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{path} cannot be read: {str(error)[:200]}") from None
        for shard in sorted(set(map(str, places.values()))):
            stored = path.parent / (shard.removesuffix(PLAIN) + suffix)
            if not stored.is_file():
                raise UserError(
                    f"{stored} is missing, but {path.name} names it; fetch the folder again"
                )
            if suffix == PLAIN:
                _check_shard(stored, [name for name, at in places.items() if at == shard])


def _check_shard(path: Path, names: Sequence[str]) -> None:
    missing = set(names) - TensorFile.open(path).tensors.keys()
    if missing:
        raise UserError(
            f"Tensor {min(missing)[:200]} is not in {path.name}, where the index places it; the "
            "files are not of one checkpoint"
        )


def _files(source: Path, suffix: str) -> list[Path]:
    if source.is_dir():
        found = _weights(source, suffix)
        check_indices(source, suffix)
        return found
    if not source.exists():
        raise UserError(f"There is no {source}: give a safetensors file or a model's folder")
    return [source]


def _check_target(source: Path, target: Path) -> None:
    if source.is_file() and target.is_dir():
        raise UserError(f"{target} is a folder, and the input is a file; give a file to write to")
    if source.is_file() and target.exists():
        raise UserError(f"{target} exists already; give another name, or remove it")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        if target.resolve() == source.resolve():
            return  # refused as a folder that is not empty
        raise UserError(f"{target} is within {source}; give a folder elsewhere")


def _counter(paths: Sequence[Path], on_progress: Progress | None) -> OnBytes:
    """A function that counts bytes over all files, for a progress bar."""
    total = sum(path.stat().st_size for path in paths)
    done = 0

    def count(size: int, name: str) -> None:
        nonlocal done
        done = min(done + size, total)
        if on_progress is not None and name:
            on_progress(done, total, name)

    return count


def compress_path(
    source: Path,
    target: Path,
    *,
    layout: str = "joint",
    codes: str = "best",
    secded: bool = False,
    verify: bool = True,
    on_progress: Progress | None = None,
) -> CompressionRecord:
    """Compress a safetensors file to a file, or a model's folder to a folder.

    ``target`` appears only when everything is done.

    Parameters
    ----------
    source, target : Path
        What is read, and where to write.
    layout, codes : str
        See :class:`.container.Coding`.
    secded : bool
        Whether check bytes are added, which correct one wrong bit in each 64.
    verify : bool
        Whether every new file is read again and compared with its source.
    on_progress : callable, optional
        Called with the bytes done, all bytes, and the name of the present tensor.

    Returns
    -------
    CompressionRecord
        Sizes, counts, seconds, and the result for each part.

    Raises
    ------
    UserError
        The input is missing, damaged or compressed already, or ``target`` exists.
    """
    begin = time.perf_counter()
    coding = Coding(layout, codes)
    _check_target(source, target)
    paths = _files(source, PLAIN)
    on_bytes = _counter(paths, on_progress)
    records = []
    left_out: list[str] = []

    def compress(path: Path, to: Path) -> int:
        to.parent.mkdir(parents=True, exist_ok=True)
        records.extend(
            compress_file(
                TensorFile.open(path), to, coding=coding, secded=secded, verify=verify,
                on_bytes=on_bytes,
            )
        )  # fmt: skip
        return to.stat().st_size

    if source.is_dir():
        companions, left_out = other_files(source)
        with fresh_folder(target) as folder:
            size = sum(compress(path, folder / _renamed(path, source, PLAIN, SUFFIX))
                       for path in paths)  # fmt: skip
            copy_files(companions, source, folder)
    else:
        size = compress(paths[0], target)
    coded = [record for record in records if record.coded]
    weights, stored = (sum(getattr(r, key) for r in coded) for key in ("elements", "stored_bytes"))
    return CompressionRecord(
        source=str(source),
        output=str(target),
        layout=layout,
        codes=codes,
        secded=secded,
        verified=verify,
        tensors=sum(record.tensors for record in records),
        coded=sum(record.tensors for record in coded),
        coded_elements=weights,
        coded_bits_per_element=8 * stored / weights if weights else None,
        bytes_before=sum(path.stat().st_size for path in paths),
        bytes_after=size,
        left_out=tuple(left_out),
        details=tuple(records),
        seconds=time.perf_counter() - begin,
        versions=versions_of("halfbyte", "numba"),
    )


def _renamed(path: Path, folder: Path, before: str, after: str) -> Path:
    """The path of a file relative to the folder, with another suffix."""
    relative = path.relative_to(folder)
    return relative.with_name(relative.name.removesuffix(before) + after)


def decompress_path(
    source: Path,
    target: Path,
    *,
    salvage: bool = False,
    on_progress: Progress | None = None,
) -> DecompressionRecord:
    """Undo :func:`compress_path`, to the last byte, and verify everything.

    ``target`` appears only if everything is correct.

    Parameters
    ----------
    source, target : Path
        What is read, and where to write.
    salvage : bool
        Whether a file with a damaged index gives the tensors that can still be decoded.
    on_progress : callable, optional
        Called with the bytes done, all bytes, and the name of the present tensor.

    Returns
    -------
    DecompressionRecord
        Sizes, seconds, corrected words, and lost parts.

    Raises
    ------
    halfbyte.golden.dfloat11.CorruptError
        The data is damaged.
    UserError
        There is nothing to restore, or ``target`` exists.
    """
    begin = time.perf_counter()
    _check_target(source, target)
    paths = _files(source, SUFFIX)
    on_bytes = _counter(paths, on_progress)
    corrected, lost, after = 0, [], 0

    def decompress(path: Path, to: Path) -> None:
        nonlocal corrected, after
        to.parent.mkdir(parents=True, exist_ok=True)
        words, names = decompress_file(
            TensorFile.open(path), to, salvage=salvage, on_bytes=on_bytes
        )
        corrected += words
        lost.extend(names)
        after += to.stat().st_size

    if source.is_dir():
        companions, _ = other_files(source)
        with fresh_folder(target) as folder:
            for path in paths:
                decompress(path, folder / _renamed(path, source, SUFFIX, PLAIN))
            copy_files(companions, source, folder)
            if not salvage:
                check_indices(folder, PLAIN)
    else:
        decompress(paths[0], target)
    return DecompressionRecord(
        source=str(source),
        output=str(target),
        corrected_words=corrected,
        lost=tuple(lost),
        bytes_before=sum(path.stat().st_size for path in paths),
        bytes_after=after,
        seconds=time.perf_counter() - begin,
        versions=versions_of("halfbyte", "numba"),
    )


def verify_path(source: Path, *, on_progress: Progress | None = None) -> list[VerificationRecord]:
    """Decode every compressed file of a folder, or one file, and compare with the digests.

    Returns a record for each file; ``error`` in it says what is damaged. Raises UserError only if
    there is nothing to verify, or if a shard is missing.
    """
    paths = _files(source, SUFFIX)
    on_bytes = _counter(paths, on_progress)
    records = []
    for path in paths:
        begin = time.perf_counter()
        error, words = None, 0
        try:
            words = verify_file(TensorFile.open(path), on_bytes=on_bytes)
        except CorruptError as found:
            error = str(found)
        records.append(
            VerificationRecord(
                file=os.fspath(path),
                bytes=path.stat().st_size,
                corrected_words=words,
                error=error,
                seconds=time.perf_counter() - begin,
            )
        )
    return records
