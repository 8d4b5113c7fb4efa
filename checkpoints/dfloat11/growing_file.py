"""Write files from start to end, without knowing in advance how large they become."""

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

_LENGTH_BYTES = 8
_FEW = 2000  # at most one byte in 2000 of a file is an unused blank
_AT_ONCE = 1 << 20  # bytes that are moved at once
_TO_DISK = 1 << 24  # bytes that are written before each sync to the disk


class GrowingTensorFileWriter(TensorFileWriter):
    """Write tensors one after the other; their sizes need not be known when the file is begun.

    Space for the header is reserved at the start of the file. Unused space becomes blanks. If there
    would be too many of these, the data is moved towards the start instead.

    Parameters
    ----------
    path : Path
    room : int
        Bytes that are reserved for the header. Too few cause an AssertionError.
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
        """May be set until the file is closed."""

    def add(self, name: str, dtype: str, shape: tuple[int, ...], size: int) -> None:
        """Begin a tensor of ``size`` bytes; its data is then appended."""
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
        """Move all data by some bytes towards the start of the file."""
        for place in range(self._start, self._position, _AT_ONCE):
            self._file.seek(place)
            data = self._file.read(_AT_ONCE)
            self._file.seek(place - by)
            self._file.write(data)
        self._file.truncate(self._position - by)


class PlainFileWriter:
    """A context manager that writes a file from its first byte to its last.

    As with :class:`TensorFileWriter`, the file gets its name when it is complete, and after an
    error nothing is left. The data is written to the disk while the file grows, so that little is
    left for the end.

    Parameters
    ----------
    path : Path
        The file. If it exists at the end, UserError is raised.
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
        """Write the next bytes, (bytes,) uint8; returns where they end in the file."""
        view = memory_of(data.contiguous())
        while len(view):  # a call may write less, at most 2 GiB on Linux
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
                    each.result()  # an error is reported once only
                os.fsync(self._file.fileno())
                publish(self.partial, self.path)
        finally:
            self._disk.shutdown(cancel_futures=True)
            self._file.close()
            self._context.__exit__(None, None, None)
