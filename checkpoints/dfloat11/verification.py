"""Compute SHA-256 digests of files, and compare a compressed file with its source."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.tensor_file import StoredTensor, memory_of
from halfbyte.golden.dfloat11 import CorruptError
from halfbyte.golden.dfloat11.digests import Digest
from halfbyte.golden.dfloat11.threads import behind, meanwhile

__all__ = ["DigestBehind", "RunningDigest", "compare"]

_AT_ONCE = 1 << 19  # bytes at a time, few enough to stay in the processor's cache between two uses


def _filled(file: Any, buffer: Tensor) -> bool:
    """Fill ``buffer`` from a file. Returns False if the file ends before ``buffer`` is full."""
    view = memory_of(buffer)
    while len(view) and (count := file.readinto(view)):
        view = view[count:]
    return not len(view)


class RunningDigest:
    """SHA-256 of a file whose large tensors the caller reads anyway.

    The caller adds the bytes of these tensors to the digest, so that they are read only once. This
    object reads the bytes between them.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.position = 0
        """Bytes of the file that are in the digest."""
        self._digest = Digest()
        self._buffer = torch.empty(_AT_ONCE, dtype=torch.uint8)

    def up_to(self, tensor: StoredTensor, size: int) -> Digest | None:
        """The digest of all bytes before a tensor; the caller must add the tensor's ``size`` bytes.

        Returns None if the tensor is small, or already in the digest. Then the caller adds nothing.
        """
        if tensor.start < self.position or size < _AT_ONCE:
            return None
        self.read_to(tensor.start)
        self.position += size
        return self._digest

    def hexdigest(self) -> str:
        """The digest of the whole file, in hexadecimal digits."""
        self.read_to(None)
        return self._digest.digest().hex()

    def read_to(self, end: int | None) -> None:
        """Read the file up to byte ``end``, or up to its end if None, and add the bytes."""
        with self._path.open("rb", buffering=0) as file:
            file.seek(self.position)
            while end is None or self.position < end:
                room = _AT_ONCE if end is None else min(_AT_ONCE, end - self.position)
                count = file.readinto(memory_of(self._buffer[:room]))
                if not count:
                    break
                self._digest.add(self._buffer.numpy()[:count])
                self.position += count


class DigestBehind:
    """A context manager that computes the SHA-256 of a file while the caller writes the file.

    It reads the written bytes back, on another core if there is one.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._digest = RunningDigest(path)
        self._end = 0
        self._is_reading = threading.Lock()
        self._wait: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end = 0
        self._wait()
        # The old function refers to this object; replace it, or each keeps the other alive.
        self._wait = lambda: None

    def written_to(self, end: int) -> None:
        """Note that the file is written up to byte ``end``, and start a reader if none runs."""
        self._end = end
        if self._is_reading.acquire(blocking=False):
            self._wait()
            self._wait = meanwhile(self._follow)

    def _follow(self) -> None:
        """Read up to the last written byte; the writer may add bytes in the meantime."""
        try:
            while self._digest.position < (end := self._end):
                self._digest.read_to(min(end, self._digest.position + _AT_ONCE))
        finally:
            self._is_reading.release()

    def hexdigest(self) -> str:
        """The digest of the complete file, in hexadecimal digits."""
        self._wait()
        return self._digest.hexdigest()


def _equal(first: Tensor, second: Tensor) -> bool:
    """Whether two uint8 tensors are equal. Whole words of eight bytes are compared, for speed."""
    whole = len(first) // 8 * 8
    a, b = first.numpy(), second.numpy()
    same = np.array_equal(a[:whole].view(np.uint64), b[:whole].view(np.uint64))
    return same and np.array_equal(a[whole:], b[whole:])


def compare(written: Path, source: Path, heads: Mapping[str, bytes]) -> None:
    """Raise RuntimeError unless the compressed file ``written`` decodes exactly to the source.

    ``heads`` has the header of each compressed tensor as it was in memory, by the tensor's name. It
    must be equal to the header in the file.
    """
    wrong = f"{source}: its compressed form does not restore it; nothing is kept"
    buffer = torch.empty(_AT_ONCE, dtype=torch.uint8)
    try:
        opened = CompressedFile.open(written)
        for name, head in heads.items():
            if opened.file.tensors[name].read_bytes(0, len(head)).numpy().tobytes() != head:
                raise RuntimeError(wrong)
        with source.open("rb", buffering=0) as file:

            def check(piece: Tensor) -> None:
                for part in torch.split(piece, _AT_ONCE):
                    found = buffer[: len(part)]
                    if not (_filled(file, found) and _equal(found, part)):
                        raise RuntimeError(wrong)

            behind(opened.original(digests=False), check)
            if file.read(1):
                raise RuntimeError(f"{source}: its compressed form ends too early; nothing is kept")
    except CorruptError as error:
        raise RuntimeError(f"{wrong} ({error})") from error
