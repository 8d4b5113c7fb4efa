"""Compress a safetensors file and restore it, byte for byte.

The compressed file is a safetensors file, too. Its tensors are called *parts*. A part holds one or
several tensors of the original, either compressed (a *coded* part) or copied. The index
(:mod:`.index`) says which tensor is in which part, and has the SHA-256 of the whole original. With
SECDED, an error-correcting code, each part also has a tensor of check bytes.

A coded part has one of two layouts: ``joint``, which is smaller, or ``prefix``, which halfbyte's
hardware decoder reads. CPUs and GPUs decode both.

A compressed file gets its name only after it was decoded and compared with the original, unless the
caller switches this off. A decompressed file gets its name only if it has the SHA-256 that the
index states. This cannot be checked if the index is lost, or if an old file states none.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile, is_compressed
from halfbyte.checkpoints.dfloat11.grouping import (
    PlannedPart,
    elements_of,
    plan_parts,
    read_together,
)
from halfbyte.checkpoints.dfloat11.growing_file import GrowingTensorFileWriter, PlainFileWriter
from halfbyte.checkpoints.dfloat11.index import INDEX_TENSOR, Index, Part
from halfbyte.checkpoints.dfloat11.protection import CHECKS, check_tensor, checks_for
from halfbyte.checkpoints.dfloat11.verification import DigestBehind, RunningDigest, compare
from halfbyte.checkpoints.records import TensorRecord
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile, memory_of
from halfbyte.golden.dfloat11 import CorruptError, compress, joint, measure, read_header
from halfbyte.golden.dfloat11.digests import Digest, Reading
from halfbyte.golden.dfloat11.elements import ELEMENT_TYPES
from halfbyte.golden.dfloat11.secded import check_bytes
from halfbyte.golden.dfloat11.threads import behind, meanwhile

__all__ = [
    "CODED",
    "LAYOUTS",
    "Coding",
    "OnBytes",
    "compress_file",
    "decompress_file",
    "verify_file",
]

CODED = ".df11"  # the end of a coded part's name
LAYOUTS = ("joint", "prefix")
"""Layouts of a coded part."""
_RAW = "halfbyte.raw"  # the part with all tensors that are copied
_GROUP = "halfbyte.group"  # the start of the name of a part with several coded tensors

OnBytes = Callable[[int, str], None]
"""Called with the number of bytes done since the last call, and the name of the current tensor."""


def _nothing(count: int, name: str) -> None:
    pass


@dataclass(frozen=True)
class Coding:
    """How parts are coded.

    Parameters
    ----------
    layout : str
        ``joint``, which is smaller, or ``prefix``, which halfbyte's hardware decoder reads.
    codes : str
        How the layout ``prefix`` codes weights: ``best`` makes the shortest code for each tensor;
        ``fixed``, for BF16 only, uses the best of eight codes that are built into the hardware.

    Raises
    ------
    ValueError
        The layout is unknown, or ``joint`` is combined with codes other than ``best``.
    """

    layout: str = "joint"
    codes: str = "best"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"The layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}")
        if self.layout != "prefix" and self.codes != "best":
            raise ValueError(f"Codes are chosen for the layout prefix only, not for {self.layout}")


def _joint(elements: Tensor, part: PlannedPart, whole: Digest | None) -> Tensor | None:
    """Code elements in the layout ``joint``; None if an estimate says that this makes them larger.

    Meanwhile another core adds their bytes to the digest ``whole``, if it is given.
    """
    added = meanwhile(
        lambda: whole.add(elements.view(torch.uint8).flatten().numpy()) if whole else None
    )
    try:
        counts = part.counts or joint.count(elements)
        # bytes() is an estimate. If it is 2 % above the original's size, the exact size is above
        # the original's size, too.
        if counts.bytes() >= 1.02 * elements.nbytes:
            return None
        return joint.compress(elements, counts)
    finally:
        added()


def _prefix(elements: Tensor, codes: str, whole: Digest | None) -> Tensor | None:
    """Code elements in the layout ``prefix``; None if that is not smaller.

    Their bytes are added to the digest ``whole``, if it is given.
    """
    reading = Reading(whole)
    measured = measure(elements, codes=codes, reading=reading)
    if measured.pays:
        return compress(elements, measured, reading)
    reading.digest()
    return None


def _coded(
    elements: Tensor, part: PlannedPart, coding: Coding, whole: Digest | None
) -> Tensor | None:
    """The coded form of elements; None if it is not smaller.

    The bytes of the elements are added to ``whole``, the digest of the source file, if it is given.
    """
    if coding.layout == "joint":
        data = _joint(elements, part, whole)
    else:
        data = _prefix(elements, coding.codes, whole)
    return data if data is not None and len(data) < elements.nbytes else None


class _Compressor:
    """Writes the parts of one compressed file, and collects the entries for the index.

    Attributes
    ----------
    digest : RunningDigest
        SHA-256 of the source file.
    heads : dict
        The header of each coded part, by the part's name. Verification compares it with the header
        in the written file.
    parts : list of Part
        The parts that were written.
    records : list of TensorRecord
        A record for each of these parts.
    """

    def __init__(
        self, source: TensorFile, writer: GrowingTensorFileWriter, *, coding: Coding, secded: bool
    ) -> None:
        self._tensors = tuple(source.tensors.values())
        self._writer = writer
        self._coding = coding
        self._secded = secded
        self._names = {INDEX_TENSOR, _RAW}
        self.digest = RunningDigest(source.path)
        self.heads: dict[str, bytes] = {}
        self.parts: list[Part] = []
        self.records: list[TensorRecord] = []

    def code(self, planned: PlannedPart) -> bool:
        """Write a part in coded form. If that is not smaller, write nothing and return False."""
        tensors = [self._tensors[number] for number in planned.numbers]
        data = self._encoded(tensors, planned)
        if data is None:
            return False
        part = Part(self._name(tensors), True, tuple(planned.numbers))
        self.heads[part.name] = data[: read_header(data.numpy()).size].numpy().tobytes()
        self._add(part.name, data)
        self._record(part, len(data))
        return True

    def _encoded(self, tensors: list[StoredTensor], planned: PlannedPart) -> Tensor | None:
        """The coded form of tensors, read one after the other; None if it is not smaller.

        A single tensor of up to 64 dimensions keeps its shape. If it is large and not yet in the
        digest of the source file, its bytes are added now, so that they need not be read again.
        """
        data = read_together(tensors)
        elements = elements_of(data, planned.kind)
        if len(tensors) > 1:
            return _coded(elements, planned, self._coding, None)
        if len(tensors[0].shape) <= 64:  # PyTorch allows no more
            elements = elements.reshape(tensors[0].shape)
        return _coded(elements, planned, self._coding, self.digest.up_to(tensors[0], len(data)))

    def copy(self, numbers: Iterable[int]) -> None:
        """Copy the tensors with these numbers into one part, one after the other."""
        tensors = tuple(numbers)
        size = sum(self._tensors[number].bytes for number in tensors)
        if not tensors:
            return
        self._writer.add(_RAW, "U8", (size,), size)
        crc, checks = 0, []
        held = torch.empty(0, dtype=torch.uint8)
        for number in tensors:
            for piece in self._tensors[number].pieces():
                self._writer.append(_RAW, piece)
                crc = zlib.crc32(memory_of(piece), crc)
                if self._secded:  # a check byte covers eight bytes, even of two tensors
                    held = torch.cat([held, piece])
                    whole = len(held) // 8 * 8
                    checks.append(check_bytes(held[:whole]))
                    held = held[whole:]
        if self._secded:
            joined = torch.cat([*checks, check_bytes(held)])
            self._add_plain(_RAW + CHECKS, check_tensor(joined))
        self._record(Part(_RAW, False, tensors, crc), size)

    def finish(self, index: Index) -> None:
        """Write the index."""
        raw = bytearray(index.to_bytes())
        self._add(INDEX_TENSOR, torch.frombuffer(raw, dtype=torch.uint8))

    def _name(self, tensors: list[StoredTensor]) -> str:
        """A name that describes the content of the part, and that no other part has."""
        stem = tensors[0].name if len(tensors) == 1 else _GROUP
        name = stem + CODED
        number = 1
        while name in self._names:
            number += 1
            name = f"{stem}.{number}{CODED}"
        self._names.add(name)
        return name

    def _add_plain(self, name: str, data: Tensor) -> None:
        """Write a tensor of bytes."""
        self._writer.add(name, "U8", (len(data),), len(data))
        self._writer.append(name, data)

    def _add(self, name: str, data: Tensor) -> None:
        """Write a tensor of bytes and, with SECDED, its check bytes."""
        self._add_plain(name, data)
        if self._secded:
            self._add_plain(name + CHECKS, checks_for(data))

    def _record(self, part: Part, stored: int) -> None:
        """Note a part that was written with this many bytes."""
        self.parts.append(part)
        tensors = [self._tensors[number] for number in part.tensors]
        self.records.append(
            TensorRecord(
                tensors[0].name, tensors[0].dtype, len(tensors),
                sum(t.elements for t in tensors), sum(t.bytes for t in tensors), stored, part.coded,
            )
        )  # fmt: skip


def compress_file(
    source: TensorFile,
    target: Path,
    *,
    coding: Coding | None = None,
    secded: bool = False,
    verify: bool = True,
    on_bytes: OnBytes = _nothing,
) -> list[TensorRecord]:
    """Write the compressed form of ``source`` to ``target``, which appears when it is complete.

    Tensors of BF16, FP16, FP32, FP8, 8-bit integers and booleans are coded if that makes them
    smaller; the layout ``prefix`` cannot code FP32. Small tensors of one type may be coded
    together. If several tensors of 4096 elements or more have the same bytes, only the first is
    stored.

    Parameters
    ----------
    source : TensorFile
        The file to compress.
    target : Path
        The file to write.
    coding : Coding, optional
        Layout and codes; the joint layout if not given.
    secded : bool
        Whether to add check bytes, which correct one wrong bit in each 64.
    verify : bool
        Whether to decode the new file and to compare it with the source.
    on_bytes : callable
        Called with the number of bytes of the original done since the last call, and the name of
        the current tensor.

    Returns
    -------
    list of TensorRecord
        One record for each part.

    Raises
    ------
    UserError
        The source is compressed already or changes during the run, or ``target`` exists.
    RuntimeError
        The new file does not decode to the source. No file is left.
    """
    if is_compressed(source):
        raise UserError(f"{source.path} is compressed already")
    before, coding = source.path.stat(), coding or Coding()
    plan = plan_parts(
        tuple(source.tensors.values()),
        takes=lambda kind: coding.layout == "joint" or kind in ELEMENT_TYPES,
    )

    def check(written: Path) -> None:
        now = source.path.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise UserError(f"{source.path} changed while it was compressed; try again")
        if verify:
            compare(written, source.path, worker.heads)

    names = [tensor.name for tensor in source.tensors.values()]
    listed = [names[part.numbers[0]] for part in plan.parts]
    room = _room(listed) * (2 if secded else 1)
    writer = GrowingTensorFileWriter(target, room, replace=False, check=check)
    with writer:
        worker = _Compressor(source, writer, coding=coding, secded=secded)
        left: list[int] = []
        for part in plan.parts:
            on_bytes(0, names[part.numbers[0]])
            if not worker.code(part):
                left += part.numbers
            size = sum(source.tensors[names[number]].bytes for number in part.numbers)
            on_bytes(size, names[part.numbers[0]])
        worker.copy(sorted([*plan.raw, *left]))
        digest = worker.digest.hexdigest()
        index = Index(source.header_bytes(), digest, tuple(worker.parts), plan.copies)
        worker.finish(index)
    return worker.records


def _room(names: list[str]) -> int:
    """The most bytes that the header of the compressed file can take for parts with these names."""
    entry = 140  # bytes: type, shape, two offsets of up to 19 digits, punctuation, end of the name
    # 400: for the part of all copied tensors, and for the index. JSON writes a UTF-16 unit in at
    # most 6 characters.
    return 400 + sum(6 * (len(name.encode("utf-16")) // 2) + entry for name in names)


def decompress_file(
    source: TensorFile, target: Path, *, salvage: bool = False, on_bytes: OnBytes = _nothing
) -> tuple[int, list[str]]:
    """Restore the original of the compressed file ``source``, byte for byte, as ``target``.

    The restored file is verified by the original's SHA-256, if the index states it. If anything is
    damaged, raises :class:`CorruptError` and leaves no file. There is one exception: if the index
    is damaged or missing, and ``salvage`` is True, the tensors that can still be decoded are
    written to a new file. This file differs from the original.

    Returns how many 64-bit words SECDED corrected, and the names of the parts that were lost.
    """
    opened = CompressedFile.open(source.path, salvage=salvage)
    if opened.salvaged:
        return opened.salvage(target)

    with PlainFileWriter(target) as writer, DigestBehind(writer.partial) as found:
        for piece in opened.original(on_bytes):
            found.written_to(writer.write(piece))
        if opened.digest is not None and found.hexdigest() != opened.digest:
            raise CorruptError(f"{source.path}: its content does not have the original's SHA-256")
    return opened.corrected, []


def verify_file(source: TensorFile, *, on_bytes: OnBytes = _nothing) -> int:
    """Decode a whole compressed file, and check the original's SHA-256, if the index states it.

    Writes nothing. Returns how many 64-bit words SECDED corrected. Raises :class:`CorruptError` if
    anything is damaged.
    """
    opened = CompressedFile.open(source.path)
    found = hashlib.sha256()
    behind(opened.original(on_bytes), lambda piece: found.update(memory_of(piece)))
    if opened.digest is not None and found.hexdigest() != opened.digest:
        raise CorruptError(f"{source.path}: its content does not have the original's SHA-256")
    return opened.corrected
