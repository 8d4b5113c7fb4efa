"""The index of a compressed file: its tensor ``halfbyte.index``, which describes the original.

The index consists of a line of JSON, and the original's header, byte for byte. Both are compressed
by zlib. The line has the version, the SHA-256 of the whole original, the parts, and the tensors
that repeat others and are not stored. A *part* is a tensor of the compressed file. For each part,
the index lists the tensors of the original that it contains. These tensors are numbered in the
order of their data in the original.
"""

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halfbyte.base import UserError
from halfbyte.checkpoints.tensor_file import MAX_HEADER, StoredTensor, parse_header
from halfbyte.golden.dfloat11 import CorruptError

__all__ = ["INDEX_TENSOR", "Index", "Part"]

INDEX_TENSOR = "halfbyte.index"
VERSION = 2
_MOST = 2 * MAX_HEADER  # bytes of the decompressed index; more are not read


@dataclass(frozen=True)
class Part:
    """A tensor of the compressed file.

    Parameters
    ----------
    name : str
        The tensor's name.
    coded : bool
        Whether it is compressed; otherwise it is a copy of the original bytes.
    tensors : tuple of int
        Numbers of the tensors of the original that it contains.
    crc : int, optional
        CRC-32 of a copied part, as zlib computes it. Compressed parts contain their own checksums.
        It is None for a compressed part. It is also None in the index that is made for a file of
        version 1, which has one digest for all copied parts instead.
    """

    name: str
    coded: bool
    tensors: tuple[int, ...]
    crc: int | None = None

    def to_list(self) -> list[object]:
        """The part as a list for the line of JSON."""
        known = [self.crc] if self.crc is not None else []
        return [self.name, int(self.coded), _runs(self.tensors), *known]

    @classmethod
    def from_list(cls, items: list[Any], limit: int) -> "Part":
        """Undo :meth:`to_list`; ``limit`` is the number of tensors in the original.

        Raises ValueError or TypeError for a list that is not a part.
        """
        name, coded, runs, *known = items
        if len(known) > 1 or not all(type(crc) is int for crc in known):
            raise ValueError("the checksum of a part is not one number")
        return cls(str(name), bool(coded), _numbers(list(runs), limit), *known)


def _runs(numbers: tuple[int, ...]) -> list[int]:
    """Consecutive numbers as runs: the first number and the length of each run, in one list."""
    runs: list[int] = []
    for number in numbers:
        if runs and number == runs[-2] + runs[-1]:
            runs[-1] += 1
        else:
            runs += [number, 1]
    return runs


def _numbers(runs: list[int], limit: int) -> tuple[int, ...]:
    """Undo :func:`_runs`. Raises ValueError for wrong runs, or for more numbers than ``limit``."""
    if len(runs) % 2 or not all(type(each) is int and 0 <= each <= limit for each in runs):
        raise ValueError("the tensor numbers of a part are wrong")
    found: list[int] = []
    for first, count in zip(runs[::2], runs[1::2], strict=True):
        if len(found) + count > limit:
            raise ValueError("a part has more tensors than the original")
        found += range(first, first + count)
    return tuple(found)


@dataclass(frozen=True)
class Index:
    """A description of the original file, and where its tensors are stored.

    Parameters
    ----------
    header : bytes
        The JSON of the original's header, with any padding.
    sha256 : str
        Digest of the whole original, in hexadecimal digits. It is empty in an index that is made
        for a file of version 1 or for a damaged file; an index in a file always has it.
    parts : tuple of Part
        The parts of the compressed file.
    copies : dict
        For the number of each tensor that is not stored because it repeats another, the number of
        the tensor that it repeats.
    """

    header: bytes
    sha256: str
    parts: tuple[Part, ...]
    copies: dict[int, int] = field(default_factory=dict)

    def tensors(self, path: Path) -> tuple[StoredTensor, ...]:
        """The tensors of the original, in the order of their data.

        Their places are those in the original; ``path`` is the file that error messages
        name.
        """
        found, _ = parse_header(self.header, path)
        return tuple(found.values())

    def to_bytes(self) -> bytes:
        """The stored bytes of the index, padded with zeros to whole words of eight bytes."""
        line = {
            "version": VERSION,
            "sha256": self.sha256,
            "parts": [part.to_list() for part in self.parts],
            "copies": [[copy, other] for copy, other in self.copies.items()],
        }
        text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        raw = zlib.compress(text + self.header)
        return raw + bytes(-len(raw) % 8)

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> "Index":
        """Undo :meth:`to_bytes`. Raises CorruptError, which names ``path``, for any other bytes.

        Damage is found by zlib's checksum. The content is checked for contradictions.
        """
        try:
            engine = zlib.decompressobj()
            raw = engine.decompress(data, _MOST)
            if not engine.eof or engine.unused_data.strip(b"\0"):
                raise ValueError("it does not end where it should")
            text, _, header = raw.partition(b"\n")
            line = dict(json.loads(text))
            if line["version"] != VERSION:
                version = line["version"]
                is_newer = type(version) is int and version > VERSION
                hint = "; a newer release may read it" if is_newer else ""
                what = f"the index has version {version!r:.20}, not {VERSION}"
                raise CorruptError(f"{path}: {what}{hint}")
            return cls._checked(line, header, path)
        except CorruptError:
            raise
        except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
            raise CorruptError(f"{path}: its index is damaged ({str(e)[:120]})") from None

    @classmethod
    def _checked(cls, line: dict[str, Any], header: bytes, path: Path) -> "Index":
        """The index from the line of JSON and the header. Raises ValueError if they are wrong."""
        try:
            count = len(parse_header(header, path)[0])
        except UserError:
            raise ValueError("the original's header cannot be read") from None
        parts = tuple(Part.from_list(items, count) for items in line["parts"])
        copies = {int(copy): int(other) for copy, other in line["copies"]}
        stored = [number for part in parts for number in part.tensors]
        if sorted([*stored, *copies]) != list(range(count)):
            raise ValueError("every tensor must be in exactly one part, or be a copy")
        if not set(copies.values()) <= set(stored):
            raise ValueError("a copy refers to a tensor that is not stored")
        if not isinstance(line["sha256"], str) or len(line["sha256"]) != 64:
            raise ValueError("its digest is not a text of 64 characters")
        return cls(header, line["sha256"], parts, copies)
