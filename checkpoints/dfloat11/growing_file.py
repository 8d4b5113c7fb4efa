"""Writers of files whose sizes are found on the way, or whose bytes are given in order."""

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
_TO_DISK = 1 << 24  # bytes after which a file that grows is brought to the disk


class GrowingTensorFileWriter(TensorFileWriter):
    """Writes tensors one after the other, whose sizes are not known when the file is begun.

    Room for the header is left free at the start. What the header does not need becomes blanks.

    Parameters
    ----------
    path : Path
    room : int
        Bytes for the header; an AssertionError if they are too few.
    replace, check
        As :class:`TensorFileWriter` has them.
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
        """Begin a tensor of ``size`` bytes, which is then appended to."""
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
            self._file.seek(0)
            self._file.write(room.to_bytes(_LENGTH_BYTES, "little") + raw.ljust(room))
        super().__exit__(kind, error, traceback)


class PlainFileWriter:
    """Writes a file from its first byte to its last; it appears under its name when complete.

    It goes to the disk while it grows, so that little is left for the end. A context manager, as
    :class:`TensorFileWriter`: an error leaves nothing.

    Parameters
    ----------
    path : Path
        UserError at the end if there is something of this name.
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
