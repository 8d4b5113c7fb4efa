"""Decide how each tensor of a file is stored: coded, unchanged, or not at all if it is a duplicate.

A tensor is *coded* if it is stored in the lossless code of :mod:`halfbyte.golden.dfloat11`, the
*codec*. A code of its own costs a tensor about 400 bytes, for a table and an entry in the file. So
small tensors of one type form *groups* that share a code, if that makes the file smaller. The
smallest tensors are always grouped. A *part* is what is coded together: a single tensor or a group.
A *symbol* consists of the bits of an element that are coded, such as the exponent of a BF16 number.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from halfbyte.checkpoints.dfloat11.reading import read_bytes
from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.golden.dfloat11.joint_counts import JointCounts, count
from halfbyte.golden.dfloat11.joint_layout import JOINT_TYPES

__all__ = ["CODED_AS", "Plan", "PlannedPart", "elements_of", "plan_parts", "read_together"]

CODED_AS = {name: name for name in JOINT_TYPES} | dict.fromkeys(
    ("BOOL", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), "U8"
)
"""The types of elements that can be coded, by their names in files, and the codec's type for each.

The codec takes some types as plain bytes, U8.
"""

# A tensor with this many elements or more is coded alone: its table costs less than 0.02 bits per
# element.
_LARGE = 1 << 18
# Tensors with fewer elements than this are always grouped, and are not compared to find duplicates.
_TINY = 1 << 12
_MOST = 1 << 22  # the most elements of a group; reading one of its tensors decodes all of it
_OWN_BITS = 8 * 400  # bits that a separate code costs, besides the coded elements
_SAMPLE = 1 << 12  # bytes at the start that are compared first; most tensors differ there


@dataclass
class PlannedPart:
    """One tensor, or several, that are coded together.

    Parameters
    ----------
    kind : str
        The codec's type of the elements.
    numbers : list of int
        Numbers of the tensors, in the order of the file.
    counts : JointCounts or None
        How often each symbol occurs in the part; None if that was not counted.
    elements : int
        Number of elements of all its tensors.
    """

    kind: str
    numbers: list[int] = field(default_factory=list)
    counts: JointCounts | None = None
    elements: int = 0

    def add(self, number: int, tensor: StoredTensor, counts: JointCounts | None = None) -> None:
        """Add a tensor, with its number and the counts of its symbols."""
        known = self.counts if self.numbers else counts
        self.numbers.append(number)
        self.elements += tensor.elements
        if len(self.numbers) > 1:
            known = known + counts if known is not None and counts is not None else None
        self.counts = known


@dataclass(frozen=True)
class Plan:
    """How each tensor of a file is stored; tensors are numbered in the order of the file.

    Parameters
    ----------
    parts : tuple of PlannedPart
        The tensors to code, in the order of the first tensor of each part.
    raw : tuple of int
        Numbers of the tensors that are stored unchanged.
    copies : dict
        For the number of each tensor that repeats an earlier one, the number of the earlier one.
    """

    parts: tuple[PlannedPart, ...]
    raw: tuple[int, ...]
    copies: dict[int, int]


def elements_of(data: Tensor, kind: str) -> Tensor:
    """Bytes, uint8, as elements of the codec's type ``kind``: (elements,)."""
    return data.view(JOINT_TYPES[kind].torch_dtype)


def read_together(tensors: Sequence[StoredTensor]) -> Tensor:
    """The bytes of several tensors, one after the other: (bytes,) uint8.

    Tensors that are neighbours in the file are read together.
    """
    spans: list[tuple[StoredTensor, int]] = []
    for tensor in tensors:
        if spans and spans[-1][0].start + spans[-1][1] == tensor.start:
            spans[-1] = spans[-1][0], spans[-1][1] + tensor.bytes
        else:
            spans.append((tensor, tensor.bytes))
    pieces = [read_bytes(first, size) for first, size in spans]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _same(first: StoredTensor, second: StoredTensor) -> bool:
    """Whether two tensors of the same size have the same bytes."""
    return all(torch.equal(a, b) for a, b in zip(first.pieces(), second.pieces(), strict=True))


def _copies(tensors: Sequence[StoredTensor]) -> dict[int, int]:
    """For the number of each tensor that repeats an earlier one, the number of the earlier one.

    The smallest tensors are left out. Two tensors are compared in full only if their sizes and
    first bytes are equal.
    """
    by_size: dict[int, list[int]] = {}
    for number, tensor in enumerate(tensors):
        if tensor.elements >= _TINY:
            by_size.setdefault(tensor.bytes, []).append(number)
    copies: dict[int, int] = {}
    for numbers in by_size.values():
        if len(numbers) < 2:
            continue
        seen: dict[bytes, list[int]] = {}
        for number in numbers:
            head = tensors[number].read_bytes(0, min(_SAMPLE, tensors[number].bytes))
            others = seen.setdefault(hashlib.sha256(head.numpy().data).digest(), [])
            twin = next((o for o in others if _same(tensors[o], tensors[number])), None)
            if twin is None:
                others.append(number)
            else:
                copies[number] = twin
    return copies


def _best_group(groups: list[PlannedPart], counts: JointCounts) -> PlannedPart | None:
    """The group that grows least if a tensor with these counts joins it.

    Returns None if the tensor takes fewer bits with its own code.
    """
    best, least = None, counts.entropy() + _OWN_BITS
    for group in groups:
        if group.counts is None or group.elements + counts.elements > _MOST:
            continue
        more = (group.counts + counts).entropy() - group.counts.entropy()
        if more < least:
            best, least = group, more
    return best


class _Groups:
    """The groups of the small tensors of one type."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._tiny: PlannedPart | None = None
        self._groups: list[PlannedPart] = []

    def add(self, number: int, tensor: StoredTensor) -> PlannedPart | None:
        """Put a tensor into a group. Returns the group if it is new, otherwise None."""
        if tensor.elements < _TINY:
            if self._tiny is not None and self._tiny.elements + tensor.elements <= _MOST:
                self._tiny.add(number, tensor)
                return None
            self._tiny = PlannedPart(self._kind)
            self._tiny.add(number, tensor)
            return self._tiny
        counts = count(elements_of(tensor.read_bytes(), self._kind))
        group = _best_group(self._groups, counts)
        if group is not None:
            group.add(number, tensor, counts)
            return None
        self._groups.append(PlannedPart(self._kind))
        self._groups[-1].add(number, tensor, counts)
        return self._groups[-1]


def plan_parts(
    tensors: Sequence[StoredTensor],
    *,
    takes: Callable[[str], bool] = lambda kind: True,
) -> Plan:
    """Decide how to store the tensors of a file, given in the order of its data.

    ``takes`` says for each of the codec's types whether tensors of this type are coded.
    """
    copies = _copies(tensors)
    parts: list[PlannedPart] = []
    raw: list[int] = []
    groups: dict[str, _Groups] = {}
    for number, tensor in _stored(tensors, copies):
        kind = CODED_AS.get(tensor.dtype)
        if kind is None or not tensor.elements or not takes(kind):
            raw.append(number)
        elif tensor.elements >= _LARGE:
            parts.append(PlannedPart(kind))
            parts[-1].add(number, tensor)
        else:
            begun = groups.setdefault(kind, _Groups(kind)).add(number, tensor)
            parts += [begun] if begun is not None else []
    return Plan(tuple(parts), tuple(raw), copies)


def _stored(
    tensors: Sequence[StoredTensor], copies: dict[int, int]
) -> Iterator[tuple[int, StoredTensor]]:
    """The tensors that do not repeat another, with their numbers."""
    return ((number, each) for number, each in enumerate(tensors) if number not in copies)
