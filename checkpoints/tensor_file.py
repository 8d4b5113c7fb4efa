"""Read and write safetensors files in pieces, without memory for a whole tensor.

A file has three parts: eight bytes with the length of the header, the header in JSON (name, dtype,
shape and place of each tensor), and the data (https://github.com/huggingface/safetensors,
"Format"). The safetensors package maps files into memory. This module reads them instead, because
mapped pages count as used memory, and because the process is killed if another program shortens a
mapped file.
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
METADATA = "__metadata__"  # the only entry of a header that is not a tensor; it maps text to text
_LENGTH_BYTES = 8  # bytes at the start of a file that hold the length of the header
_COPY_BYTES = 1 << 22  # how many bytes are read at a time when data is copied

FLOATING = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Floating-point types that are read as numbers. FP8 is left out: it usually comes with scales."""

_TORCH = FLOATING | {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
}
_EIGHT_BITS = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
# Bits per element of each type that the file format knows.
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
        The size of each dimension.
    start : int
        The offset in the file, in bytes, at which the tensor's data begins.
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
        """The type in PyTorch. Raises UserError if this module cannot read it as numbers."""
        if self.dtype not in _TORCH:
            raise UserError(f"Tensor {self.name} in {self.file} has unsupported type {self.dtype}")
        return _TORCH[self.dtype]

    @property
    def torch_dtype_of_bytes(self) -> torch.dtype:
        """Like :attr:`torch_dtype`, but also for E4M3 and E5M2, which are read only as bytes."""
        return _EIGHT_BITS.get(self.dtype) or self.torch_dtype

    def read(self, first: int = 0, last: int | None = None) -> Tensor:
        """Read rows ``first`` to ``last`` (excluded) of the first dimension, by default all.

        A tensor without dimensions is read whole. Raises UserError if the file is too short, or if
        this module cannot read the type as numbers.
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
        """Read ``count`` bytes of the data, by default all, from ``offset`` on: (count,) uint8."""
        data = memory_for(self.bytes if count is None else count)
        self.read_into(data, offset)
        return data

    def read_into(self, data: Tensor, offset: int = 0) -> None:
        """Fill ``data``, (bytes,) uint8, with the tensor's data from byte ``offset`` on."""
        with self.file.open("rb", buffering=0) as file:
            file.seek(self.start + offset)
            _fill(file, memory_of(data), self.file)

    def pieces(self) -> Iterator[Tensor]:
        """The data, whatever its type, as uint8 in pieces of 4 MiB; the last may be shorter."""
        for offset in range(0, self.bytes, _COPY_BYTES):
            yield self.read_bytes(offset, min(_COPY_BYTES, self.bytes - offset))

    def copy_to(self, writer: "TensorFileWriter") -> None:
        """Write the data, whatever its type, to the tensor of the same name in another file."""
        for piece in self.pieces():
            writer.append(self.name, piece)


def memory_for(size: int) -> Tensor:
    """New memory, (size,) uint8, with undefined content.

    Large memory comes from NumPy, which asks for large pages; their first use is quicker.
    """
    if size < _COPY_BYTES:
        return torch.empty(size, dtype=torch.uint8)
    return torch.from_numpy(np.empty(size, dtype=np.uint8))


def memory_of(data: Tensor) -> memoryview:
    """The memory of a uint8 tensor as a memoryview, for file operations."""
    array: Any = data.numpy()
    return memoryview(array)


def _fill(file: Any, view: memoryview, path: Path) -> None:
    """Read until ``view`` is full. One call may read less: on Linux, at most 2 GiB."""
    while len(view):
        count = file.readinto(view)
        if not count:
            raise _corrupt(path, "it ends before its data does")
        view = view[count:]


def _read_header(path: Path) -> bytes:
    """The JSON of the header. Raises UserError if the file is too short for it."""
    with path.open("rb") as file:
        prefix = file.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "little")
        available = path.stat().st_size - _LENGTH_BYTES
        if len(prefix) < _LENGTH_BYTES or not 2 <= length <= min(available, MAX_HEADER):
            raise _corrupt(path, "its header is cut off, or its first 8 bytes are not a length")
        return file.read(length)


def parse_header(raw: bytes, path: Path) -> tuple[dict[str, "StoredTensor"], dict[str, str]]:
    """Read the JSON of a header: the tensors in the order of their data, and the metadata.

    Raises UserError, which names ``path``, if the header is invalid or contradicts itself.
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
    """Whether a value is a list of integers that are not negative."""
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _stored(path: Path, name: str, entry: Any, data_start: int) -> tuple[StoredTensor, int]:
    """A tensor from its entry in the header, and the byte at which it ends."""
    what = f"tensor {name[:200]!r}"
    if any("\ud800" <= letter <= "\udfff" for letter in name):  # valid in JSON, but not in UTF-8
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
        raise _corrupt(path, f"{what} has {end - begin} bytes, which do not fit its shape and type")
    return StoredTensor(name, path, dtype, tuple(shape), data_start + begin), data_start + end


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file whose header was read and checked against the file's size.

    Parameters
    ----------
    path : Path
        The file.
    tensors : dict
        The tensors by name, in the order of the data.
    metadata : dict
        The header's metadata, which maps text to text.
    """

    path: Path
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]

    def header_bytes(self) -> bytes:
        """The bytes of the header as they are in the file: JSON, perhaps padded with blanks."""
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            return file.read(length)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the header of a file, but no data.

        Raises UserError if the file is too short or otherwise damaged.
        """
        raw = _read_header(path)
        tensors, metadata = parse_header(raw, path)
        expected = _LENGTH_BYTES + len(raw) + sum(tensor.bytes for tensor in tensors.values())
        if (size := path.stat().st_size) != expected:
            raise _corrupt(path, f"it should have {expected} bytes, not {size}")
        return cls(path, tensors, metadata)


class TensorFileWriter:
    """A context manager that writes a safetensors file in pieces.

    The pieces go to a hidden file in the same folder, which gets the name ``path`` when it is
    complete. After an error, the hidden file is removed. If the process is killed, the next writer
    of ``path`` removes the hidden file. Each process that writes ``path`` has its own hidden file.

    Parameters
    ----------
    path : Path
        The file to write.
    layout : mapping
        For the name of each tensor, its dtype (named as in safetensors) and its shape.
    metadata : mapping
        The header's metadata, which maps text to text.
    replace : bool
        Whether to replace an existing file. If False, UserError is raised at the end if ``path``
        exists.
    check : callable, optional
        Called with the path of the complete hidden file before it gets its final name. If it
        raises, the file is removed.
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
        """Give every tensor its place; returns the bytes of the header, with its length.

        Tensors with the widest elements come first, so that all are aligned.
        """
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
        """Write ``data``, in row-major order, after the data that tensor ``name`` already has."""
        raw = memory_of(data.contiguous().flatten().view(torch.uint8))
        position = self._next[name]
        assert position + len(raw) <= self._end[name], f"more data than {name} has room for"  # noqa: S101
        self._file.seek(position)
        self._file.write(raw)
        self._next[name] = position + len(raw)

    def _complete(self) -> None:
        """Wait until the file's data is on the disk, and call ``check`` in the meantime.

        A later run assumes that a file with its final name is complete. So all data must be on the
        disk before the file gets this name, in case the power fails.
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
