"""Read compressed files of version 1, which earlier releases wrote, and files without an index.

A coded tensor ``NAME`` is stored as ``NAME.df11``; any other keeps its name. The metadata contain a
JSON object with the original's header as text. There is no digest of the whole file. Each coded
tensor has a digest, and all copied tensors share one.
"""

import hashlib
import json
from typing import NamedTuple

from halfbyte.base import JsonObject, UserError
from halfbyte.checkpoints.dfloat11.index import Index, Part
from halfbyte.checkpoints.dfloat11.protection import CHECKS, read_head, read_pieces
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile, parse_header
from halfbyte.golden.dfloat11 import CorruptError, read_header

__all__ = ["KEY", "guess_index", "read_index"]

KEY = "halfbyte.dfloat11"
_CODED = ".df11"
_HEAD = 1 << 13  # bytes; more than any header takes


class _Description(NamedTuple):
    """The description in the metadata: the original's header, and the digest of copied tensors."""

    header: bytes
    copied_sha256: object


def _description(file: TensorFile) -> _Description:
    if KEY not in file.metadata:
        raise CorruptError(
            f"{file.path} lacks its description: another tool dropped it, or it is damaged"
        )
    try:
        found = dict(json.loads(file.metadata[KEY]))
        if found["version"] == 1:
            return _Description(found["header"].encode(), found.get("copied_sha256"))
        what = f"its layout has version {found['version']!r:.20}, and this release reads 1 and 2"
    except AttributeError:
        what = f"the header in its metadata {KEY} is not text"
    except (ValueError, TypeError, KeyError, RecursionError):
        what = f"its metadata {KEY} cannot be read"
    raise CorruptError(f"{file.path}: {what}")


def _stored_type(file: TensorFile, tensor: StoredTensor) -> tuple[str, tuple[int, ...]]:
    """Type and shape of the original tensor. A coded tensor has them in its first bytes."""
    if not tensor.name.endswith(_CODED):
        return tensor.dtype, tensor.shape
    try:
        head = read_head(tensor, file.tensors.get(tensor.name + CHECKS), _HEAD)
        header = read_header(head.numpy())
    except CorruptError as error:
        name = tensor.name.removesuffix(_CODED)
        raise CorruptError(f"Tensor {name} in {file.path} is damaged: {error}") from None
    return header.kind.name, header.shape


def _contents(file: TensorFile) -> dict[str, StoredTensor]:
    """The stored tensors by their original names, without tensors of check bytes."""
    return {
        name.removesuffix(_CODED): tensor
        for name, tensor in file.tensors.items()
        if not (name.endswith(CHECKS) and name.removesuffix(CHECKS) in file.tensors)
    }


def read_index(file: TensorFile) -> Index:
    """Make an index from the description of a file of version 1, and verify the copied tensors.

    Raises CorruptError if the description is missing or damaged, or contradicts the tensors.
    """
    description = _description(file)
    header = description.header
    contents = _contents(file)
    try:
        tensors, _ = parse_header(header, file.path)
    except UserError:
        tensors = {}
    wanted = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
    if wanted != {name: _stored_type(file, tensor) for name, tensor in contents.items()}:
        raise CorruptError(f"{file.path}: the original's header contradicts the tensors")
    copied = hashlib.sha256()
    for tensor in contents.values():
        if not tensor.name.endswith(_CODED):
            for piece, _ in read_pieces(tensor, file.tensors.get(tensor.name + CHECKS)):
                copied.update(piece.numpy().data)
    if copied.hexdigest() != description.copied_sha256:
        raise CorruptError(f"{file.path}: the SHA-256 of the copied tensors is wrong")
    numbers = {name: number for number, name in enumerate(tensors)}
    parts = tuple(
        Part(tensor.name, tensor.name.endswith(_CODED), (numbers[name],))
        for name, tensor in contents.items()
    )
    return Index(header, "", parts)


def guess_index(file: TensorFile) -> Index:
    """An index of the coded tensors that have original names and readable headers."""
    entries: dict[str, JsonObject] = {}
    parts: list[Part] = []
    position = 0
    for name, tensor in _contents(file).items():
        if not tensor.name.endswith(_CODED) and name.startswith("halfbyte."):
            continue
        try:
            dtype, shape = _stored_type(file, tensor)
        except CorruptError:
            continue
        size = StoredTensor(name, file.path, dtype, shape, 0).bytes
        entries[name] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [position, position + size],
        }
        position += size
        parts.append(Part(tensor.name, tensor.name.endswith(_CODED), (len(parts),)))
    # A reader sorts tensors by place. Only empty ones share a place, and those are never coded.
    return Index(json.dumps(entries).encode(), "", tuple(parts))
