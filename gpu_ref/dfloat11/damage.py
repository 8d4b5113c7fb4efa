"""Raises the errors for damaged DFloat11 data (losslessly compressed weights).

The messages are in the order of ``Damage`` in ``cuda/dfloat11_container.h``.
"""

import torch
from torch import Tensor

from halfbyte.golden.dfloat11 import CorruptError

__all__ = ["NAMES", "check", "no_failure", "raise_failure"]

# For each kind of damage, by number: its short name for the fuzz test, and the message.
_DAMAGES = (
    ("good", ""),
    ("magic", "this is not a compressed tensor: it does not begin with 'hbdf11'"),
    ("version", "the layout's version is not 1 or 2, which this release reads"),
    ("header size", "the header is cut off, or its length is wrong"),
    ("header CRC", "the header's CRC is wrong"),
    ("type", "the header names an unknown element type"),
    ("code table", "the code table is not a complete prefix code"),
    ("counts", "the header's counts contradict its shape or code table"),
    ("total size", "the size of the data is not what the header says"),
    ("short stream", "the stream is too short for the elements: each needs at least one bit"),
    ("index", "its start contradicts the lengths"),
    ("CRC", "its CRC is wrong"),
    ("no code", "its stream holds bits that are not a code"),
    ("length", "its codes do not end where its lengths say"),
    ("parts", "the sizes of the module's parts contradict each other"),
    (
        "lost",
        "some weights were huge, infinite or NaN, which the published layout cannot hold",
    ),
    ("positions", "output positions must ascend from 0 to the number of elements"),
    ("published no code", "its stream holds bits that are not a code"),
    ("gap", "a gap contradicts the stream"),
    ("end", "the number of its codes is not what its output positions say"),
    ("fields", "the symbols do not fit in an element, or the symbol table contradicts their width"),
    ("frequencies", "the frequencies of the table do not sum to 4096"),
    ("sizes", "the sizes of the chunks contradict the header"),
    ("coders", "its codes do not end where its sizes say"),
    ("escapes", "its escapes are not as many as its sizes say"),
)
NAMES = tuple(name for name, _ in _DAMAGES)
_PLACE = 32  # kernels report the number of a chunk or block, times 32, plus the damage's number
_NONE = 2**63 - 1  # what the kernels leave in place if there is no damage


def check(damage: int) -> None:
    """Raise the CorruptError for the kind of damage with this number; 0 means no damage."""
    if damage:
        raise CorruptError(_DAMAGES[damage][1])


def no_failure(device: torch.device) -> Tensor:
    """A tensor, (1,) int64, in which the kernels report the first damaged chunk or block."""
    return torch.full((1,), _NONE, dtype=torch.int64, device=device)


def raise_failure(failure: Tensor, unit: str, count: int) -> None:
    """Raise CorruptError if a kernel reported damage in one of ``count`` chunks or blocks."""
    found = int(failure)
    if found != _NONE:
        index, damage = divmod(found, _PLACE)
        raise CorruptError(f"{unit} {index} of {count}: {_DAMAGES[damage][1]}")
