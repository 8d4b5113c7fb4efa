"""Digests of files, and the comparison of a compressed file with its source."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.tensor_file import StoredTensor, memory_of

__all__ = ["RunningDigest", "compare", "digest_of"]

_AT_ONCE = 1 << 19  # bytes: what was just read or decoded is still in a cache


def _filled(file: Any, buffer: Tensor) -> bool:
    view = memory_of(buffer)
    while len(view) and (count := file.readinto(view)):
        view = view[count:]
    return not len(view)


class RunningDigest:
    """SHA-256 of a file, of which most is in memory at one time or another.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._digest = hashlib.sha256()

    def offer(self, tensor: StoredTensor, data: Tensor) -> None:
        """Take the bytes of a tensor from memory, and those before it from the file."""
        if tensor.start >= self._position and len(data) >= _AT_ONCE:
            self._read_to(tensor.start)
            self._digest.update(memory_of(data))
            self._position += len(data)

    def hexdigest(self) -> str:
        """The digest of the whole file, in hexadecimal digits."""
        self._read_to(None)
        return self._digest.hexdigest()

    def _read_to(self, end: int | None) -> None:
        buffer = memory_of(torch.empty(_AT_ONCE, dtype=torch.uint8))
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._position)
            while end is None or self._position < end:
                room = _AT_ONCE if end is None else min(_AT_ONCE, end - self._position)
                count = file.readinto(buffer[:room])
                if not count:
                    break
                self._digest.update(buffer[:count])
                self._position += count


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return RunningDigest(path).hexdigest()


def _equal(first: Tensor, second: Tensor) -> bool:
    """Whether bytes are equal; words of eight at a time, which NumPy compares faster."""
    whole = len(first) // 8 * 8
    a, b = first.numpy(), second.numpy()
    same = np.array_equal(a[:whole].view(np.uint64), b[:whole].view(np.uint64))
    return same and np.array_equal(a[whole:], b[whole:])


def compare(written: Path, source: Path) -> None:
    """RuntimeError unless the file that was written holds the source, byte for byte."""
    buffer = torch.empty(_AT_ONCE, dtype=torch.uint8)
    with source.open("rb", buffering=0) as file:
        for piece in CompressedFile.open(written).original():
            for part in torch.split(piece, _AT_ONCE):
                found = buffer[: len(part)]
                if not (_filled(file, found) and _equal(found, part)):
                    raise RuntimeError(f"{source} was not written as it is; nothing is kept")
        if file.read(1):
            raise RuntimeError(f"{source} was not written to its end; nothing is kept")
