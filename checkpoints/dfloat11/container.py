"""One safetensors file to its compressed form and back, tensor by tensor.

A tensor ``NAME`` that coding makes smaller becomes ``NAME.df11``, the bytes that
:func:`halfbyte.golden.dfloat11.compress` gives; the others are copied. With SECDED, every tensor of
the file has its check bytes in a tensor ``.secded`` beside it. The metadata hold the header of the
original, so that decompressing gives the same file, byte for byte.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11.growing_file import (
    GrowingTensorFileWriter,
    HeaderTensorFileWriter,
)
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile, TensorFileWriter
from halfbyte.golden.dfloat11 import (
    CorruptError,
    compress,
    decompress,
    measure,
    read_header,
)
from halfbyte.golden.dfloat11.elements import ELEMENT_TYPES
from halfbyte.golden.dfloat11.secded import WORD_BYTES, check_bytes, correct

__all__ = [
    "CHECKS",
    "CODED",
    "KEY",
    "TensorRecord",
    "compress_file",
    "decode",
    "decompress_file",
    "is_compressed",
    "read_data",
    "read_tensor",
    "stored_type",
]

CODED, CHECKS = ".df11", ".secded"
KEY = "halfbyte.dfloat11"
"""In the metadata: JSON with the layout's version, the original header, the digest of what was
copied."""
_VERSION = 1
_ELEMENT_TYPES = {name: kind for name, kind in ELEMENT_TYPES.items() if name != "U8"}

OnTensor = Callable[[str], None]
"""Called with the name of each tensor as it is begun."""


@dataclass(frozen=True)
class TensorRecord:
    """What became of one tensor.

    Parameters
    ----------
    name, dtype : str
    elements, raw_bytes, stored_bytes : int
        Check bytes are not counted.
    coded : bool
        False for a copy.
    """

    name: str
    dtype: str
    elements: int
    raw_bytes: int
    stored_bytes: int
    coded: bool


def is_compressed(file: TensorFile) -> bool:
    """Whether :func:`compress_file` wrote this file, as far as its header tells."""
    return KEY in file.metadata or any(name.endswith(CODED) for name in file.tensors)


def stored_type(
    tensor: StoredTensor, checks: StoredTensor | None = None
) -> tuple[str, tuple[int, ...]]:
    """Type and shape of the tensor that a compressed one holds, by its first bytes."""
    # A header is its fixed part, the shape and at most 257 rows of the code table.
    size = min(tensor.bytes, 1 << 13)
    try:
        data = tensor.read_bytes(0, size)
        if checks is not None:
            data, _ = correct(data, _checks_of(checks, tensor.bytes)[: -(-size // WORD_BYTES)])
        header = read_header(data.numpy())
    except CorruptError as error:
        raise _located(tensor, error) from None
    return header.kind.name, header.shape


def read_data(tensor: StoredTensor, checks: StoredTensor | None = None) -> tuple[Tensor, int]:
    """The bytes of a compressed tensor, corrected, and how many words that took."""
    data = tensor.read_bytes()
    if checks is None:
        return data, 0
    try:
        return correct(data, _checks_of(checks, len(data)))
    except CorruptError as error:
        raise _located(tensor, error) from None


def decode(tensor: StoredTensor, data: Tensor) -> Tensor:
    """What the bytes of a compressed tensor hold, verified."""
    try:
        return decompress(data)
    except CorruptError as error:
        raise _located(tensor, error) from None


def read_tensor(tensor: StoredTensor, checks: StoredTensor | None = None) -> tuple[Tensor, int]:
    """What a compressed tensor ``NAME.df11`` holds, verified; and how many words were corrected."""
    data, corrected = read_data(tensor, checks)
    return decode(tensor, data), corrected


def _located(tensor: StoredTensor, error: CorruptError) -> CorruptError:
    name = tensor.name.removesuffix(CODED)
    return CorruptError(f"Tensor {name} in {tensor.file} is damaged: {error}")


def _checks_of(checks: StoredTensor, size: int) -> Tensor:
    words = -(-size // WORD_BYTES)
    if checks.dtype != "U8" or not words <= checks.bytes < words + WORD_BYTES:
        raise CorruptError(f"{size} bytes need {words} check bytes, not {checks.bytes}")
    return checks.read_bytes(0, words)


def _room(source: TensorFile, metadata: Mapping[str, str]) -> int:
    """Bytes that the header of the compressed file takes at most."""
    limit = 2 * source.path.stat().st_size  # of an offset
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    for name, tensor in source.tensors.items():
        for suffix in (CODED, CODED + CHECKS):
            shape = (*tensor.shape, limit)
            entry = {"dtype": "F8_E4M3FNUZ", "shape": shape, "data_offsets": (limit, limit)}
            header[name + suffix] = entry
    return len(json.dumps(header, separators=(",", ":")))


class _Compressor:
    """The state while one file is compressed."""

    def __init__(
        self, writer: GrowingTensorFileWriter, *, codes: str, secded: bool, verify: bool
    ) -> None:
        self._writer = writer
        self._codes = codes
        self._secded = secded
        self._verify = verify
        self.copied = hashlib.sha256()
        self.records: list[TensorRecord] = []

    def code(self, tensor: StoredTensor) -> bool:
        """Write a tensor compressed; False, and nothing written, if that does not pay."""
        kind = _ELEMENT_TYPES[tensor.dtype]
        elements = tensor.read_bytes().view(kind.torch_dtype).reshape(tensor.shape)
        measured = measure(elements, codes=self._codes)
        if not measured.pays:
            return False
        data = compress(elements, measured)
        del elements  # at most the compressed and the decoded form are held at a time
        if self._verify:
            decompress(data)
        name = tensor.name + CODED
        self._writer.add(name, "U8", (len(data),), len(data))
        self._writer.append(name, data)
        if self._secded:
            self._add_checks(name, check_bytes(data))
        self._record(tensor, len(data), coded=True)
        return True

    def copy(self, tensor: StoredTensor) -> None:
        """Write a tensor as it is."""
        self._writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes)
        checks = []
        for piece in tensor.pieces():
            self.copied.update(piece.numpy().data)
            self._writer.append(tensor.name, piece)
            if self._secded:
                checks.append(check_bytes(piece))
        if checks:
            self._add_checks(tensor.name, torch.cat(checks))
        self._record(tensor, tensor.bytes, coded=False)

    def _add_checks(self, name: str, checks: Tensor) -> None:
        """Filled up to whole words, so that the tensor after them is aligned."""
        filled = torch.nn.functional.pad(checks, (0, -len(checks) % WORD_BYTES))
        self._writer.add(name + CHECKS, "U8", (len(filled),), len(filled))
        self._writer.append(name + CHECKS, filled)

    def _record(self, tensor: StoredTensor, size: int, *, coded: bool) -> None:
        self.records.append(
            TensorRecord(tensor.name, tensor.dtype, tensor.elements, tensor.bytes, size, coded)
        )


def compress_file(
    source: TensorFile,
    target: Path,
    *,
    codes: str = "best",
    secded: bool = False,
    verify: bool = True,
    on_tensor: OnTensor = lambda name: None,
) -> list[TensorRecord]:
    """Write the compressed form of ``source`` to ``target``, which appears when it is complete.

    Tensors of BF16, FP16, FP8 and INT8 are coded, one at a time, where that makes them smaller.
    ``codes``: as :func:`halfbyte.golden.dfloat11.measure` takes them.
    ``secded`` adds check bytes, which correct one wrong bit in each 64; ``verify`` decodes what was
    coded, before it is written.

    Raises UserError if the file is compressed already.
    """
    taken = [name for name in source.tensors if name.endswith((CODED, CHECKS))]
    if is_compressed(source) or taken:
        raise UserError(f"{source.path} is compressed already, or has tensors of such names")
    metadata = {**source.metadata, KEY: _description(source, "0" * 64)}
    room = _room(source, metadata)
    with GrowingTensorFileWriter(target, room) as writer:
        worker = _Compressor(writer, codes=codes, secded=secded, verify=verify)
        left = []
        for name, tensor in source.tensors.items():
            on_tensor(name)
            if tensor.dtype not in _ELEMENT_TYPES or not tensor.elements or not worker.code(tensor):
                left.append(tensor)
        # Compressed tensors are whole words of eight bytes; then the widest types first, so that
        # each is aligned to its type.
        for tensor in sorted(left, key=lambda each: -each.element_bits):
            on_tensor(tensor.name)
            worker.copy(tensor)
        writer.metadata = {**source.metadata, KEY: _description(source, worker.copied.hexdigest())}
    return worker.records


def _description(source: TensorFile, copied: str) -> str:
    return json.dumps(
        {"version": _VERSION, "header": source.header_text(), "copied_sha256": copied},
        separators=(",", ":"),
    )


def _read_description(file: TensorFile) -> dict[str, Any]:
    """What the metadata say; empty if another tool has dropped them."""
    if KEY not in file.metadata:
        return {}
    try:
        found = dict(json.loads(file.metadata[KEY]))
        if found["version"] == _VERSION:
            found["header"].encode()
            return found
        what = f"its layout has version {found['version']!r:.20}, and this release reads {_VERSION}"
    except AttributeError:
        what = f"the header in its metadata {KEY} is no text"
    except (ValueError, TypeError, KeyError, RecursionError):
        what = f"its metadata {KEY} cannot be read"
    raise CorruptError(f"{file.path}: {what}")


def _contents(file: TensorFile) -> Iterator[tuple[str, StoredTensor]]:
    """Original name and stored tensor, without check bytes, in the order of the file."""
    for name, tensor in file.tensors.items():
        if not (name.endswith(CHECKS) and name.removesuffix(CHECKS) in file.tensors):
            yield name.removesuffix(CODED), tensor


def _writer_for(
    file: TensorFile,
    layout: Mapping[str, tuple[str, tuple[int, ...]]],
    description: Mapping[str, Any],
    target: Path,
) -> TensorFileWriter:
    """A writer of the original file; of an equal one where its header was lost."""
    if not description:
        metadata = {key: text for key, text in file.metadata.items() if key != KEY}
        return TensorFileWriter(target, layout, metadata)
    raw = description["header"].encode()
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        found = {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}
        places = {name: tuple(entry["data_offsets"]) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        found, places = {}, {}
    if found != layout or not _are_places(places, file, layout):
        raise CorruptError(f"{file.path}: the original's header contradicts the tensors")
    return HeaderTensorFileWriter(target, raw, places)


def _are_places(
    places: Mapping[str, Any], file: TensorFile, layout: Mapping[str, tuple[str, tuple[int, ...]]]
) -> bool:
    """Whether the places of tensors lie end to end, and each is as large as its tensor."""
    sizes = {
        name: StoredTensor(name, file.path, dtype, shape, 0).bytes
        for name, (dtype, shape) in layout.items()
    }
    position = 0
    for name in sorted(places, key=lambda name: (places[name], name)):
        if places[name] != (position, position + sizes[name]):
            return False
        position += sizes[name]
    return True


def decompress_file(
    source: TensorFile, target: Path, *, on_tensor: OnTensor = lambda name: None
) -> int:
    """Write the file that ``source`` was compressed from, byte for byte, to ``target``.

    Everything is verified: CRCs, digests of all tensors, and that codes end where they should.
    Returns how many words SECDED corrected. Raises :class:`CorruptError`, and leaves no file, if
    anything is wrong.
    """
    if not is_compressed(source):
        raise UserError(f"{source.path} is not compressed: it has no tensors *{CODED}")
    description = _read_description(source)
    contents = dict(_contents(source))
    layout = {
        name: stored_type(tensor, source.tensors.get(tensor.name + CHECKS))
        if tensor.name.endswith(CODED)
        else (tensor.dtype, tensor.shape)
        for name, tensor in contents.items()
    }
    corrected = 0
    copied = hashlib.sha256()
    with _writer_for(source, layout, description, target) as writer:
        for name, tensor in contents.items():
            on_tensor(name)
            checks = source.tensors.get(tensor.name + CHECKS)
            if tensor.name.endswith(CODED):
                elements, words = read_tensor(tensor, checks)
                if (elements.dtype, elements.shape) != _torch_type(layout[name]):
                    raise CorruptError(f"Tensor {name} in {source.path} changed while it was read")
                writer.append(name, elements)
                corrected += words
                continue
            for piece, words in _copied_pieces(tensor, checks):
                copied.update(piece.numpy().data)
                writer.append(name, piece)
                corrected += words
        if description and copied.hexdigest() != description.get("copied_sha256"):
            raise CorruptError(f"{source.path}: the SHA-256 of the copied tensors is wrong")
    return corrected


def _torch_type(layout: tuple[str, tuple[int, ...]]) -> tuple[torch.dtype, torch.Size]:
    dtype, shape = layout
    return _ELEMENT_TYPES[dtype].torch_dtype, torch.Size(shape)


def _copied_pieces(
    tensor: StoredTensor, checks: StoredTensor | None
) -> Iterator[tuple[Tensor, int]]:
    """The pieces of a copied tensor, and how many words of each were corrected."""
    wanted = _checks_of(checks, tensor.bytes) if checks is not None else None
    word = 0
    for piece in tensor.pieces():
        words = -(-len(piece) // WORD_BYTES)
        if wanted is None:
            yield piece, 0
        else:
            yield correct(piece, wanted[word : word + words])
        word += words
