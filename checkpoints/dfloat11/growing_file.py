"""Writers of safetensors files whose sizes are found on the way, or whose header is given."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from halfbyte.checkpoints.tensor_file import METADATA, TensorFileWriter

__all__ = ["GrowingTensorFileWriter", "HeaderTensorFileWriter"]

_LENGTH_BYTES = 8


class GrowingTensorFileWriter(TensorFileWriter):
    """Writes tensors one after the other, whose sizes are not known when the file is begun.

    Room for the header is left free at the start, and what it does not take is blanks.

    Parameters
    ----------
    path : Path
    room : int
        Bytes for the header; an AssertionError if they are too few.
    """

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, {}, {})
        self._start = self._position = _LENGTH_BYTES * (1 + -(-room // _LENGTH_BYTES))
        self._header = bytes(self._start)
        self._entries: dict[str, Any] = {}
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
            header = {METADATA: dict(self.metadata), **self._entries}
            raw = json.dumps(header, separators=(",", ":")).encode()
            room = self._start - _LENGTH_BYTES
            assert len(raw) <= room, "too little room for the header"  # noqa: S101
            self._file.seek(0)
            self._file.write(room.to_bytes(_LENGTH_BYTES, "little") + raw.ljust(room))
        super().__exit__(kind, error, traceback)


class HeaderTensorFileWriter(TensorFileWriter):
    """Writes a file that begins with a given header, byte for byte.

    Parameters
    ----------
    path : Path
    header : bytes
        JSON, with blanks if any, as between the length and the data of a safetensors file.
    places : mapping
        Tensor name to its first and last byte (excluded) in the data, as the header says.
    """

    def __init__(self, path: Path, header: bytes, places: Mapping[str, tuple[int, int]]) -> None:
        super().__init__(path, {}, {})
        self._header = len(header).to_bytes(_LENGTH_BYTES, "little") + header
        start = len(self._header)
        for name, (begin, end) in places.items():
            self._next[name], self._end[name] = start + begin, start + end
