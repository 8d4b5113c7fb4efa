"""Read compressed files of version 1, which earlier releases wrote, and files without an index.

In version 1, a compressed tensor ``NAME`` is stored as ``NAME.df11``. All other tensors are copied
under their own names. The metadata contain a JSON object, the *description*, with the original's
header as text. There is no digest of the whole original. Each compressed tensor has its own digest,
and one digest covers all copied tensors.
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

KEY = "halfbyte.dfloat11"  # the entry of the metadata with the description
_CODED = ".df11"  # the end of a compressed tensor's name
_HEAD = 1 << 13  # bytes; the header of a compressed tensor has fewer


class _Description(NamedTuple):
    """The description: the original's header, and the SHA-256 of all copied tensors."""

    header: bytes
    copied_sha256: object


def _description(file: TensorFile) -> _Description:
    """Read the description. Raises CorruptError if it is missing or of another version."""
    if KEY not in file.metadata:
        raise CorruptError(
            f"{file.path} lacks its description: another tool dropped it, or the file is damaged"
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
    """Type and shape of the original of a stored tensor.

    A compressed tensor has them in its own header, at its start.
    """
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
    """The stored tensors by their original names; tensors of check bytes are left out."""
    return {
        name.removesuffix(_CODED): tensor
        for name, tensor in file.tensors.items()
        if not (name.endswith(CHECKS) and name.removesuffix(CHECKS) in file.tensors)
    }


def read_index(file: TensorFile) -> Index:
    """Make an index for a file of version 1 from its description, and verify the copied tensors.

    Raises CorruptError if the description is missing or damaged, if it contradicts the stored
    tensors, or if a copied tensor is damaged.
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
    """An index of the tensors that can be found without an index or a description.

    These are the compressed tensors with a readable header, and tensors that were copied under
    their own names. Small tensors that were compressed together become a single one,
    ``halfbyte.group``: without an index, nothing says where each begins.
    """
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
    # A reader of this header sorts tensors by their place in the data, which keeps the order of the
    # parts. Only empty tensors can have the same start and end as others. Their order does not
    # matter, since they are never compressed.
    return Index(json.dumps(entries).encode(), "", tuple(parts))
