"""Write files whose size is not known in advance."""

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from halfbyte.base.files import partial_file, publish
from halfbyte.checkpoints.tensor_file import METADATA, TensorFileWriter, memory_of

__all__ = ["GrowingTensorFileWriter", "PlainFileWriter"]

_LENGTH_BYTES = 8  # bytes at the start of a safetensors file that hold the length of the header
_FEW = 2000  # at most one byte in 2000 of a file may be an unused blank
_AT_ONCE = 1 << 20  # bytes that are moved at a time
_TO_DISK = 1 << 24  # bytes after which the system is told to write a file's data to the disk


class GrowingTensorFileWriter(TensorFileWriter):
    """Write a safetensors file tensor by tensor; the sizes need not be known at the start.

    Space for the header is reserved at the start of the file. Unused space is filled with blanks.
    If more than one byte in 2000 would be a blank, the data is moved towards the start instead.

    Parameters
    ----------
    path : Path
        The file to write.
    room : int
        Bytes to reserve for the header. An AssertionError is raised if the header needs more.
    replace, check
        The same as for :class:`TensorFileWriter`.
    """

    def __init__(
        self,
        path: Path,
        room: int,
        *,
        replace: bool = True,
        check: Callable[[Path], None] | None = None,
    ) -> None:
        super().__init__(path, {}, {}, replace=replace, check=check)
        self._start = self._position = _LENGTH_BYTES * (1 + -(-room // _LENGTH_BYTES))
        self._header = bytes(self._start)
        self._entries: dict[str, object] = {}
        self.metadata: Mapping[str, str] = {}
        """The header's metadata, from text to text. It may be set until the file is closed."""

    def add(self, name: str, dtype: str, shape: tuple[int, ...], size: int) -> None:
        """Begin a tensor of ``size`` bytes; the caller then appends its data."""
        begin = self._position - self._start
        entry = {"dtype": dtype, "shape": shape, "data_offsets": (begin, begin + size)}
        self._entries[name] = entry
        self._next[name] = self._position
        self._position += size
        self._end[name] = self._position

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            metadata = {METADATA: dict(self.metadata)} if self.metadata else {}
            header = {**metadata, **self._entries}
            raw = json.dumps(header, separators=(",", ":")).encode()
            room = self._start - _LENGTH_BYTES
            assert len(raw) <= room, "too little room for the header"  # noqa: S101
            spare = (room - len(raw)) // _LENGTH_BYTES * _LENGTH_BYTES
            if spare * _FEW > self._position:
                self._move_up(spare)
                room -= spare
            self._file.seek(0)
            self._file.write(room.to_bytes(_LENGTH_BYTES, "little") + raw.ljust(room))
        super().__exit__(kind, error, traceback)

    def _move_up(self, by: int) -> None:
        """Move all data by this many bytes towards the start of the file."""
        for place in range(self._start, self._position, _AT_ONCE):
            self._file.seek(place)
            data = self._file.read(_AT_ONCE)
            self._file.seek(place - by)
            self._file.write(data)
        self._file.truncate(self._position - by)


class PlainFileWriter:
    """A context manager that writes a file from its first byte to its last.

    As with :class:`TensorFileWriter`, the file gets its name when it is complete, and after an
    error nothing is left. Data goes to the disk while the file grows, so that the wait for the disk
    at the end is short.

    Parameters
    ----------
    path : Path
        The file to write. UserError is raised at the end if it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="halfbyte-disk")
        self._on_disk: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._context = partial_file(self.path)
        self.partial = self._context.__enter__()
        self._file = self.partial.open("r+b", buffering=0)
        return self

    def write(self, data: Tensor) -> int:
        """Write the next bytes, (bytes,) uint8; returns how many bytes the file has now."""
        view = memory_of(data.contiguous())
        while len(view):  # one call may write only a part: on Linux, at most 2 GiB
            view = view[self._file.write(view) :]
        end = self._file.tell()
        if end // _TO_DISK > len(self._on_disk):
            self._on_disk.append(self._disk.submit(os.fdatasync, self._file.fileno()))
        return end

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for each in self._on_disk:
                    each.result()  # raises if that write failed; the fsync below would not
                os.fsync(self._file.fileno())
                publish(self.partial, self.path)
        finally:
            self._disk.shutdown(cancel_futures=True)
            self._file.close()
            self._context.__exit__(None, None, None)
