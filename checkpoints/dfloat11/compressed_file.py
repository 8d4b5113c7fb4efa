"""Read a compressed safetensors file: single tensors of the original, or the whole original.

The tensors of a compressed file are called *parts*. A part holds one or several tensors of the
original, either compressed (a *coded* part) or copied. An index says which tensor is in which part.
Parts may have check bytes, with which wrong bits are corrected (SECDED, an error-correcting code).
Files of version 1 have no index, but a description in their metadata.
"""

import math
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11 import first_version
from halfbyte.checkpoints.dfloat11.grouping import CODED_AS
from halfbyte.checkpoints.dfloat11.index import INDEX_TENSOR, Index, Part
from halfbyte.checkpoints.dfloat11.protection import CHECKS, read_corrected
from halfbyte.checkpoints.tensor_file import (
    StoredTensor,
    TensorFile,
    TensorFileWriter,
    memory_of,
)
from halfbyte.golden.dfloat11 import CorruptError, Header, decompress, pieces, read_header
from halfbyte.golden.dfloat11.joint_layout import JOINT_TYPES

__all__ = ["CompressedFile", "is_compressed"]

_CODED = ".df11"  # the end of a coded part's name
_KEPT = 12  # how many decoded parts stay in memory; the next tensor may be in one of them

OnBytes = Callable[[int, str], None]
"""Called with the number of bytes done since the last call, and the name of the current tensor."""


def is_compressed(file: TensorFile) -> bool:
    """Whether a file has a readable index, or a description in its metadata."""
    if first_version.KEY in file.metadata:
        return True
    try:
        return INDEX_TENSOR in file.tensors and bool(_read_index(file))
    except CorruptError:
        return False


def _read_index(file: TensorFile) -> tuple[Index, int]:
    """The index of a file, and how many of its 64-bit words were corrected.

    Raises CorruptError if the index is damaged.
    """
    stored = file.tensors[INDEX_TENSOR]
    try:
        data, words = read_corrected(stored, file.tensors.get(INDEX_TENSOR + CHECKS))
    except CorruptError as error:
        raise CorruptError(f"{file.path}: its index is damaged: {error}") from None
    return Index.from_bytes(data.numpy().tobytes(), file.path), words


class CompressedFile:
    """A compressed file with its index, which describes the original.

    Parameters
    ----------
    file : TensorFile
        The compressed file.
    index : Index
        Its index. For files of version 1, it is made from their description.
    salvaged : bool
        Whether the index was guessed, because the file's own index is damaged or missing.
    corrected : int
        How many 64-bit words of the index were corrected.
    """

    def __init__(
        self, file: TensorFile, index: Index, *, salvaged: bool = False, corrected: int = 0
    ) -> None:
        self.file = file
        self.index = index
        self.salvaged = salvaged
        self.tensors = index.tensors(file.path)
        self.parts = index.parts
        self.corrected = corrected
        """How many 64-bit words of the index and of the parts were corrected so far."""
        self._copied = set(index.copies.values())
        self._numbers = {tensor.name: number for number, tensor in enumerate(self.tensors)}
        self._places: dict[int, tuple[Part, int]] = {}
        for part in self.parts:
            begin = 0
            for number in part.tensors:
                self._places[number] = part, begin
                begin += self.tensors[number].bytes
            self._check(part, begin)
        for copy, other in index.copies.items():
            if self.tensors[copy].bytes != self.tensors[other].bytes:
                raise CorruptError(f"{file.path}: its index calls tensors of different sizes equal")
            self._places[copy] = self._places[other]
        self._decoded: OrderedDict[str, Tensor] = OrderedDict()
        self._checked: set[str] = set()

    def _check(self, part: Part, size: int) -> None:
        """Raise CorruptError if a part is missing or has a wrong size."""
        stored = self.file.tensors.get(part.name)
        if stored is None:
            raise CorruptError(f"{self.file.path}: its part {part.name!r:.200} is missing")
        if not part.coded and stored.bytes != size:
            raise CorruptError(f"{self.file.path}: {part.name!r:.200} has the wrong size")

    @classmethod
    def open(cls, path: Path, *, salvage: bool = False) -> Self:
        """Read the header and the index.

        In a file of version 1, the copied tensors are read and verified, too. With ``salvage``, a
        damaged or missing index is guessed from the headers of the parts. Raises UserError if the
        file is not compressed, CorruptError if it is damaged.
        """
        file = TensorFile.open(path)
        marks = INDEX_TENSOR in file.tensors or first_version.KEY in file.metadata
        if not marks and not any(name.endswith(_CODED) for name in file.tensors):
            raise UserError(f"{path} is not compressed: it has no tensor {INDEX_TENSOR}")
        try:
            if INDEX_TENSOR in file.tensors:
                index, words = _read_index(file)
                return cls(file, index, corrected=words)
            return cls(file, first_version.read_index(file))
        except CorruptError as error:
            if not salvage:
                raise CorruptError(f"{error}; --salvage saves what can still be decoded") from None
            return cls(file, first_version.guess_index(file), salvaged=True)

    @property
    def digest(self) -> str | None:
        """SHA-256 (hex) of the whole original; None if the index has none, as in version 1."""
        return self.index.sha256 or None

    def data(self, part: Part) -> Tensor:
        """The stored bytes of a part, with wrong bits corrected if there are check bytes."""
        stored = self.file.tensors[part.name]
        try:
            data, words = read_corrected(stored, self.file.tensors.get(part.name + CHECKS))
        except CorruptError as error:
            raise self._located(part, error) from None
        self.corrected += words
        return data

    def decoded(self, part: Part) -> Tensor:
        """The original bytes of a part's tensors, one after the other: (bytes,) uint8.

        A coded part is verified by its checksums. Raises CorruptError if one is wrong.
        """
        if part.name in self._decoded:
            self._decoded.move_to_end(part.name)
            return self._decoded[part.name]
        data = self.data(part)
        if part.coded:
            try:
                elements = decompress(data)
            except CorruptError as error:
                raise self._located(part, error) from None
            self._check_type(part, elements.dtype, elements.nbytes)
            data = elements.flatten().view(torch.uint8)
        if not self._is_alone(part):
            self._decoded[part.name] = data
            if len(self._decoded) > _KEPT:
                self._decoded.popitem(last=False)
        return data

    def _is_alone(self, part: Part) -> bool:
        """Whether a part holds the data of one tensor only, and no other tensor is equal to it."""
        return len(part.tensors) == 1 and part.tensors[0] not in self._copied

    def _pieces(self, part: Part, digests: bool) -> Iterator[Tensor]:
        """The verified original bytes of a coded part, in pieces."""
        data = self.data(part)
        try:
            header = read_header(data.numpy())
            size = header.kind.bytes * math.prod(header.shape)
            self._check_type(part, header.kind.torch_dtype, size)
            for elements in pieces(data, digest=digests):
                yield elements.view(torch.uint8)
        except CorruptError as error:
            raise self._located(part, error) from None

    def _check_type(self, part: Part, dtype: torch.dtype, nbytes: int) -> None:
        """Raise CorruptError unless a coded part has the type and size that the index states."""
        kinds = {CODED_AS.get(self.tensors[number].dtype) for number in part.tensors}
        size = sum(self.tensors[number].bytes for number in part.tensors)
        wanted = [JOINT_TYPES[kind].torch_dtype for kind in kinds if kind is not None]
        if None in kinds or wanted != [dtype] or nbytes != size:
            raise self._located(part, CorruptError("it is not of the type and size in the index"))

    def _located(self, part: Part, error: CorruptError) -> CorruptError:
        """The error with the names of the file and of the part's first tensor."""
        names = self.tensors[part.tensors[0]].name
        more = f" and {len(part.tensors) - 1} more" if len(part.tensors) > 1 else ""
        return CorruptError(f"Tensor {names}{more} in {self.file.path} is damaged: {error}")

    def bytes_of(self, number: int, *, digests: bool = True) -> Iterator[Tensor]:
        """The original bytes of the tensor with this number, in pieces.

        A piece may be overwritten when the second piece after it is decoded. Coded tensors are
        verified by the checksums of their pieces and, with ``digests``, by the digest of the whole
        tensor (:func:`halfbyte.golden.dfloat11.pieces`).
        """
        tensor, (part, begin) = self.tensors[number], self._places[number]
        if part.coded and self._is_alone(part):
            yield from self._pieces(part, digests)
            return
        if part.coded or part.name + CHECKS in self.file.tensors:
            yield self.decoded(part)[begin : begin + tensor.bytes]
            return
        stored = self.file.tensors[part.name]
        place = StoredTensor(tensor.name, stored.file, "U8", (tensor.bytes,), stored.start + begin)
        yield from place.pieces()

    def original(
        self, on_bytes: OnBytes = lambda count, name: None, *, digests: bool = True
    ) -> Iterator[Tensor]:
        """The whole original file as uint8, in pieces.

        What :meth:`bytes_of` says about pieces and ``digests`` is true here, too.
        """
        header = self.index.header
        head = len(header).to_bytes(8, "little") + header
        yield torch.frombuffer(bytearray(head), dtype=torch.uint8)
        for number, tensor in enumerate(self.tensors):
            on_bytes(0, tensor.name)
            yield from self.bytes_of(number, digests=digests)
            on_bytes(tensor.bytes, tensor.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the original's tensors."""
        return tuple(self._numbers)

    def read(self, name: str) -> Tensor:
        """The tensor of the original with this name, verified, in its type and shape."""
        number = self._numbers[name]
        tensor, (part, begin) = self.tensors[number], self._places[number]
        if part.coded:
            data = self.decoded(part)[begin : begin + tensor.bytes]
            data = data if self._is_alone(part) else data.clone()
        else:
            self._check_raw(part)
            data = torch.cat([torch.empty(0, dtype=torch.uint8), *self.bytes_of(number)])
        return data.view(tensor.torch_dtype_of_bytes).reshape(tensor.shape)

    def _check_raw(self, part: Part) -> None:
        """Raise CorruptError if a copied part has a wrong checksum. Each part is checked once."""
        if part.crc is None or part.name in self._checked:
            return
        stored, crc = self.file.tensors[part.name], 0
        is_protected = part.name + CHECKS in self.file.tensors
        for piece in [self.decoded(part)] if is_protected else stored.pieces():
            crc = zlib.crc32(memory_of(piece), crc)
        if crc != part.crc:
            raise self._located(part, CorruptError("its CRC is wrong"))
        self._checked.add(part.name)

    def compressed(self, name: str) -> Tensor | None:
        """The compressed form of a tensor, not verified; None unless it was compressed alone.

        A tensor with the bytes of another, but not with its type and shape, has no such form.
        """
        number = self._numbers[name]
        part, _ = self._places[number]
        if not part.coded or len(part.tensors) != 1:
            return None
        tensor, other = self.tensors[number], self.tensors[part.tensors[0]]
        is_same = (tensor.dtype, tensor.shape) == (other.dtype, other.shape)
        return self.data(part) if is_same else None

    def header_of(self, part: Part) -> Header:
        """The header of a coded part."""
        return read_header(self.data(part).numpy())

    def salvage(self, target: Path) -> tuple[int, list[str]]:
        """Write the tensors that can be decoded without the file's own index.

        Returns how many 64-bit words were corrected, and the names of the parts that are lost.
        Small tensors that were compressed together count as lost: they are written as one tensor,
        since only the index says where each of them begins.
        """
        found: dict[str, Tensor] = {}
        lost = [name for name in self.file.tensors
                if name.startswith("halfbyte.") and not name.endswith(CHECKS)]  # fmt: skip
        for part in self.parts:
            name = self.tensors[part.tensors[0]].name
            try:
                found[name] = self.decoded(part)
            except CorruptError:
                lost.append(part.name)
        by_name = {tensor.name: tensor for tensor in self.tensors}
        layout = {name: (by_name[name].dtype, by_name[name].shape) for name in found}
        with TensorFileWriter(target, layout, {}, replace=False) as writer:
            for name, data in found.items():
                writer.append(name, data)
        return self.corrected, lost
