"""Read and write safetensors files piece by piece.

A file has three parts: eight bytes with the length of the header, the header in JSON (name, dtype,
shape and place of each tensor), and the data (https://github.com/huggingface/safetensors,
"Format"). The safetensors package maps the data into memory; this module reads it instead. Mapped
pages count as used memory, and the process ends if somebody shortens a mapped file. Pieces are
written at their place in the file. So neither reading nor writing needs memory for a whole tensor.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeGuard

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.base.files import partial_file, publish
from halfbyte.base.strict_json import unique_keys

__all__ = [
    "FLOATING",
    "MAX_HEADER",
    "StoredTensor",
    "TensorFile",
    "TensorFileWriter",
    "memory_for",
    "memory_of",
    "parse_header",
]

MAX_HEADER = 100_000_000  # bytes; the limit of the safetensors package
METADATA = "__metadata__"
_LENGTH_BYTES = 8
_COPY_BYTES = 1 << 22

FLOATING = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Floating-point types that are read as numbers. FP8 is not: it usually comes with scales."""

_TORCH = FLOATING | {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
}
_EIGHT_BITS = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
_BITS = {name: 8 * dtype.itemsize for name, dtype in _TORCH.items()} | {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "F8_E4M3": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2": 8,
    "F8_E5M2FNUZ": 8,
    "F8_E8M0": 8,
    "U16": 16,
    "U32": 32,
    "U64": 64,
    "C64": 64,
}


def _corrupt(file: Path, what: str) -> UserError:
    return UserError(f"{file} is not a valid safetensors file: {what}; fetch or save it again")


@dataclass(frozen=True)
class StoredTensor:
    """The description of a tensor in a file, without its data.

    Parameters
    ----------
    name : str
        The name in the model's state dictionary.
    file : Path
        The file that contains the tensor.
    dtype : str
        The type by its name in safetensors: ``BF16``, ``F32``, ``U8`` and so on.
    shape : tuple of int
    start : int
        Byte of the file at which its data begins.
    """

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def element_bits(self) -> int:
        """Bits per element in the file."""
        return _BITS[self.dtype]

    @property
    def bytes(self) -> int:
        """Bytes of the data in the file."""
        return self.elements * self.element_bits // 8

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type in PyTorch; UserError if this module cannot read it."""
        if self.dtype not in _TORCH:
            raise UserError(f"Tensor {self.name} in {self.file} has unsupported type {self.dtype}")
        return _TORCH[self.dtype]

    @property
    def torch_dtype_of_bytes(self) -> torch.dtype:
        """As :attr:`torch_dtype`, but also for 8-bit types that are only read as bytes."""
        return _EIGHT_BITS.get(self.dtype) or self.torch_dtype

    def read(self, first: int = 0, last: int | None = None) -> Tensor:
        """Rows ``first`` up to ``last`` (excluded) of the first dimension; all if not given.

        A tensor without dimensions is read whole. Raises UserError if the file was cut off.
        """
        dtype = self.torch_dtype
        if not self.shape:
            return self.read_bytes().view(dtype).reshape(())
        rows, *rest = self.shape
        last = rows if last is None else last
        stride = self.bytes // rows if rows else 0
        data = self.read_bytes(first * stride, (last - first) * stride)
        return data.view(dtype).reshape(last - first, *rest)

    def read_bytes(self, offset: int = 0, count: int | None = None) -> Tensor:
        """``count`` bytes of the data from ``offset`` on, uint8; all if not given."""
        data = memory_for(self.bytes if count is None else count)
        self.read_into(data, offset)
        return data

    def read_into(self, data: Tensor, offset: int = 0) -> None:
        """Fill ``data``, (bytes,) uint8, from byte ``offset`` of the tensor's data on."""
        with self.file.open("rb", buffering=0) as file:
            file.seek(self.start + offset)
            _fill(file, memory_of(data), self.file)

    def pieces(self) -> Iterator[Tensor]:
        """The data of any type, as uint8, in pieces of a few MiB (a multiple of 8 bytes)."""
        for offset in range(0, self.bytes, _COPY_BYTES):
            yield self.read_bytes(offset, min(_COPY_BYTES, self.bytes - offset))

    def copy_to(self, writer: "TensorFileWriter") -> None:
        """Append the data, whatever its type, to the tensor of this name in another file."""
        for piece in self.pieces():
            writer.append(self.name, piece)


def memory_for(size: int) -> Tensor:
    """New memory, (size,) uint8. NumPy asks for large pages, which are quicker on first use."""
    if size < _COPY_BYTES:
        return torch.empty(size, dtype=torch.uint8)
    return torch.from_numpy(np.empty(size, dtype=np.uint8))


def memory_of(data: Tensor) -> memoryview:
    """The memory of a uint8 tensor, for reading from it or into it."""
    array: Any = data.numpy()
    return memoryview(array)


def _fill(file: Any, view: memoryview, path: Path) -> None:
    """Read until ``view`` is full: one call may give less, at most 2 GiB on Linux."""
    while len(view):
        count = file.readinto(view)
        if not count:
            raise _corrupt(path, "it ends before its data does")
        view = view[count:]


def _read_header(path: Path) -> bytes:
    with path.open("rb") as file:
        prefix = file.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "little")
        room = path.stat().st_size - _LENGTH_BYTES
        if len(prefix) < _LENGTH_BYTES or not 2 <= length <= min(room, MAX_HEADER):
            raise _corrupt(path, "its header is cut off, or its first 8 bytes are not a length")
        return file.read(length)


def parse_header(raw: bytes, path: Path) -> tuple[dict[str, "StoredTensor"], dict[str, str]]:
    """Tensors in the order of their data, and the metadata, from the JSON of the header.

    Raises UserError, which names ``path``, if the header contradicts itself.
    """
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise _corrupt(path, f"its header cannot be read ({error})") from None
    if not isinstance(header, dict):
        raise _corrupt(path, "its header is not a mapping")
    metadata = header.pop(METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _corrupt(path, "its metadata is not text")
    data_start = _LENGTH_BYTES + len(raw)
    found = [_stored(path, name, entry, data_start) for name, entry in header.items()]
    found.sort(key=lambda each: (each[0].start, each[1]))
    expected = data_start
    for tensor, end in found:
        if tensor.start != expected:
            raise _corrupt(path, f"tensor {tensor.name[:200]!r} overlaps another or leaves a gap")
        expected = end
    return {tensor.name: tensor for tensor, _ in found}, metadata


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _stored(path: Path, name: str, entry: Any, data_start: int) -> tuple[StoredTensor, int]:
    """A tensor from its entry in the header, and the byte at which it ends."""
    what = f"tensor {name[:200]!r}"
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # JSON can say it, UTF-8 cannot
        raise _corrupt(path, f"{what} has half a surrogate pair in its name")
    if not isinstance(entry, dict):
        raise _corrupt(path, f"{what} has no description")
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _corrupt(path, f"{what} has the unknown type {dtype!r:.40}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _corrupt(path, f"{what} needs a shape and two offsets")
    begin, end = offsets
    if math.prod(shape) * _BITS[dtype] != 8 * (end - begin):
        raise _corrupt(path, f"{what} has {end - begin} bytes, which its shape and type do not fit")
    return StoredTensor(name, path, dtype, tuple(shape), data_start + begin), data_start + end


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file whose header was read and checked against the file's size.

    Parameters
    ----------
    path : Path
    tensors : dict
        Name to :class:`StoredTensor`, in the order of the data.
    metadata : dict
        Text to text.
    """

    path: Path
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]

    def header_bytes(self) -> bytes:
        """The header as it is in the file: JSON, perhaps padded with blanks."""
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            return file.read(length)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header, but no data.

        Raises UserError for a file that is truncated or otherwise corrupt.
        """
        raw = _read_header(path)
        tensors, metadata = parse_header(raw, path)
        expected = _LENGTH_BYTES + len(raw) + sum(tensor.bytes for tensor in tensors.values())
        if (size := path.stat().st_size) != expected:
            raise _corrupt(path, f"it should have {expected} bytes, not {size}")
        return cls(path, tensors, metadata)


class TensorFileWriter:
    """A context manager that writes a safetensors file in pieces.

    The file gets its name when it is complete. Until then, the pieces are in a hidden file beside
    it. An error removes this file; if the process is killed, the next attempt removes it. Several
    writers of one file do not disturb each other.

    Parameters
    ----------
    path : Path
    layout : mapping
        Tensor name to dtype (named as in safetensors) and shape.
    metadata : mapping
        Text to text.
    replace : bool
        Whether a file of this name may exist; otherwise it raises UserError at the end.
    check : callable, optional
        Called with the complete file before it gets its name; it may raise.
    """

    def __init__(
        self,
        path: Path,
        layout: Mapping[str, tuple[str, tuple[int, ...]]],
        metadata: Mapping[str, str],
        *,
        replace: bool = True,
        check: Callable[[Path], None] | None = None,
    ) -> None:
        self.path = path
        self._replace = replace
        self._check = check
        self._next: dict[str, int] = {}
        self._end: dict[str, int] = {}
        self._header = self._lay_out(layout, metadata)

    def _lay_out(
        self, layout: Mapping[str, tuple[str, tuple[int, ...]]], metadata: Mapping[str, str]
    ) -> bytes:
        """Give every tensor its place. The widest types are first, so that all are aligned."""
        header: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
        places: dict[str, tuple[int, int]] = {}
        position = 0
        for name in sorted(layout, key=lambda name: -_BITS[layout[name][0]]):
            dtype, shape = layout[name]
            end = position + math.prod(shape) * _BITS[dtype] // 8
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (position, end)}
            places[name] = (position, end)
            position = end
        raw = json.dumps(header, separators=(",", ":")).encode()
        raw += b" " * (-len(raw) % 8)
        start = _LENGTH_BYTES + len(raw)
        for name, (begin, end) in places.items():
            self._next[name], self._end[name] = start + begin, start + end
        return len(raw).to_bytes(_LENGTH_BYTES, "little") + raw

    def __enter__(self) -> Self:
        self._context = partial_file(self.path)
        self._partial = self._context.__enter__()
        self._file: BinaryIO = self._partial.open("r+b")
        self._file.write(self._header)
        return self

    def append(self, name: str, data: Tensor) -> None:
        """Write the next bytes of tensor ``name``: those of ``data``, in row-major order."""
        raw = memory_of(data.contiguous().flatten().view(torch.uint8))
        position = self._next[name]
        assert position + len(raw) <= self._end[name], f"more data than {name} has room for"  # noqa: S101
        self._file.seek(position)
        self._file.write(raw)
        self._next[name] = position + len(raw)

    def _complete(self) -> None:
        """Write the file through to the disk, and check it meanwhile.

        A later run trusts a file that has its name. So it must be whole even after a power cut.
        """
        if self._check is None:
            os.fsync(self._file.fileno())
            return
        with ThreadPoolExecutor(1) as other:
            is_on_disk = other.submit(os.fsync, self._file.fileno())
            self._check(self._partial)
            is_on_disk.result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                assert self._next == self._end, "a tensor was not written to its end"  # noqa: S101
                self._file.flush()
                self._complete()
                publish(self._partial, self.path, replace=self._replace)
        finally:
            self._file.close()
            self._context.__exit__(None, None, None)
