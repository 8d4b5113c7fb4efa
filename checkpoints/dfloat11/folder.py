"""Compress a model's folder, or a single file, and restore it.

Each ``X.safetensors`` becomes ``X.df11.safetensors``, in subfolders, too. Other files, such as the
index and the configuration, are copied. Hidden files, and weights in other file formats, are left
out. Because of the new names, a tool that cannot read compressed files reports that
``model.safetensors`` is missing, instead of loading wrong weights.
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

# Weights in other file formats. They are left out, since safetensors files hold the same weights.
_OTHER_WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".ot")
_INDEX = ".index.json"


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in order. Hidden and linked folders are listed, but not entered."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def other_files(folder: Path) -> tuple[list[Path], list[str]]:
    """The paths of the files to copy with the weights, and of the files to leave out.

    All paths are relative to the folder, and include files in subfolders. Hidden files, links to
    folders, and weights in other file formats are left out.
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
    """Copy files from ``source`` to ``target``; ``paths`` are relative to both folders."""
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """Give a new folder to write to. At the end of the context it gets the name ``target``.

    After an error, the new folder is removed. Raises UserError if ``target`` exists and is not an
    empty folder. This is checked at the start and again at the end.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists already; give another name, or remove it")
    with partial_folder(target) as partial:
        yield partial
        publish(partial, target)


def _weights(folder: Path, suffix: str) -> list[Path]:
    """The safetensors files below a folder that have names ending in ``suffix``.

    Raises UserError if there are none, or if a shard (one of several files of a model) is missing.
    """
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
    """Check that a model in several files, the shards, has all files that its index names.

    All indices below ``folder`` are checked. The name of a stored shard ends in ``suffix``. If the
    shards are not compressed, each must also have the tensors that the index places there. Raises
    UserError if an index cannot be read, or if a shard or a tensor is missing.
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
    """Raise UserError if a shard lacks one of the tensors that an index places there."""
    missing = set(names) - TensorFile.open(path).tensors.keys()
    if missing:
        raise UserError(
            f"Tensor {min(missing)[:200]} is not in {path.name}, where the index places it; the "
            "files are not from the same checkpoint"
        )


def _files(source: Path, suffix: str) -> list[Path]:
    """The files to read: the single file, or all in the folder whose names end in ``suffix``."""
    if source.is_dir():
        found = _weights(source, suffix)
        check_indices(source, suffix)
        return found
    if not source.exists():
        raise UserError(f"There is no {source}: give a safetensors file or a model's folder")
    return [source]


def _check_target(source: Path, target: Path) -> None:
    """Raise UserError if ``target`` cannot be written, or is within the folder ``source``."""
    if source.is_file() and target.is_dir():
        raise UserError(f"{target} is a folder, and the input is a file; give a file to write to")
    if source.is_file() and target.exists():
        raise UserError(f"{target} exists already; give another name, or remove it")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        if target.resolve() == source.resolve():
            return  # fresh_folder refuses it, since it is not empty
        raise UserError(f"{target} is within {source}; give a folder elsewhere")


def _counter(paths: Sequence[Path], on_progress: Progress | None) -> OnBytes:
    """A function that counts the bytes that are done in all files, and reports the progress."""
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

    ``target`` gets its name only when everything is done.

    Parameters
    ----------
    source, target : Path
        The file or folder to read, and the one to write.
    layout, codes : str
        How tensors are coded: see :class:`.container.Coding`.
    secded : bool
        Whether to add check bytes, which correct one wrong bit in each 64.
    verify : bool
        Whether to decode every new file and to compare it with its source.
    on_progress : callable, optional
        Called with the number of bytes that are done, the number of all bytes, and the name of the
        current tensor.

    Returns
    -------
    CompressionRecord
        Sizes, counts, seconds, and how each tensor was stored.

    Raises
    ------
    UserError
        The input is missing, damaged or compressed already, or ``target`` exists.
    ValueError
        ``layout`` is unknown, or does not allow these ``codes``.
    RuntimeError
        A new file does not decode to its source. ``target`` is not written.
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
    """Restore the files that :func:`compress_path` compressed, byte for byte, and verify them.

    ``target`` gets its name only if everything is correct.

    Parameters
    ----------
    source, target : Path
        The file or folder to read, and the one to write.
    salvage : bool
        If the index inside a compressed file is damaged, whether to write those tensors that can
        still be decoded.
    on_progress : callable, optional
        Called with the number of bytes that are done, the number of all bytes, and the name of the
        current tensor.

    Returns
    -------
    DecompressionRecord
        Sizes, seconds, corrected words, and the names of damaged tensors that were lost.

    Raises
    ------
    halfbyte.golden.dfloat11.CorruptError
        The data is damaged.
    UserError
        There is no compressed file, a file is missing, or ``target`` exists.
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
    """Decode a compressed file, or all in a folder, and check the SHA-256 of the originals.

    Returns a record for each file; its field ``error`` says what is damaged, if anything. Raises
    UserError if there is no compressed file, or if one of several files of a model is missing.
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
