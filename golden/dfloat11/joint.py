"""Compresses and decompresses tensors in layout 2 (``docs/dfloat11.md``).

The exponent and some upper mantissa bits of an element are coded together, as a *symbol*. The codes
take about 0.02 bits per weight more than the entropy of the symbols. In layout 1 the excess is
about 0.1 bits per weight, since the length of a code is a whole number and segment lengths are
stored. Layout 2 also supports FP32. halfbyte's hardware decodes layout 1 only.

A tensor is divided into *chunks* of 65536 elements, each of which can be decoded alone.
"""

from collections.abc import Callable, Iterator

from torch import Tensor

from halfbyte.golden.checks import check_integer
from halfbyte.golden.dfloat11.joint_counts import JointCounts, count, joint_type
from halfbyte.golden.dfloat11.joint_encoder import compress
from halfbyte.golden.dfloat11.joint_layout import CHUNK
from halfbyte.golden.dfloat11.joint_opened import OpenedJoint
from halfbyte.golden.dfloat11.rooms import room
from halfbyte.golden.dfloat11.threads import cores

__all__ = [
    "JointCounts",
    "OpenedJoint",
    "compress",
    "count",
    "decompress",
    "decompress_chunks",
    "joint_type",
    "opened",
    "pieces",
]

_PIECE = 16  # `pieces` decodes this many chunks for each core at a time: 2 MiB of BF16


def decompress_chunks(data: Tensor, first: int, last: int, *, verify: bool = True) -> Tensor:
    """The elements of chunks ``first`` up to ``last`` (excluded), (elements,).

    Other chunks are not decoded. Every chunk except the last has 65536 elements. Raises the errors
    of :func:`decompress`, and ValueError for chunks that do not exist.
    """
    opened = OpenedJoint.of(data)
    check_integer("first", first, 0, opened.header.chunks)
    check_integer("last", last, first, opened.header.chunks)
    return opened.decode(first, last, verify=verify)


def decompress(data: Tensor, *, verify: bool = True) -> Tensor:
    """The tensor that was compressed to ``data`` in layout 2: the same bits, type and shape.

    data: (bytes,) uint8, on the CPU. Raises CorruptError for data that :func:`compress` did not
    write; for a damaged chunk, the message gives its number. ``verify`` checks the CRCs of the
    elements. Without it, damage may stay undetected, but memory accesses stay in bounds.
    """
    opened = OpenedJoint.of(data)
    return opened.decode(0, opened.header.chunks, verify=verify).reshape(opened.header.shape)


def opened(data: Tensor) -> Callable[[], Tensor]:
    """A function that decodes ``data`` without verification; the header is read only once, here."""
    found = OpenedJoint.of(data)
    header = found.header
    return lambda: found.decode(0, header.chunks, verify=False).reshape(header.shape)


def pieces(data: Tensor) -> Iterator[Tensor]:
    """Yield the elements in order, verified, in pieces of 16 chunks for each core.

    A piece is overwritten when the second piece after it is decoded. Raises the errors of
    :func:`decompress`.
    """
    found = OpenedJoint.of(data)
    chunks, kind = found.header.chunks, found.header.kind
    step = _PIECE * cores()
    size = min(step * CHUNK, found.header.elements)
    rooms = [room(size, f"u{kind.bytes}") for _ in range(2)]
    for first in range(0, chunks, step):
        rooms.reverse()
        yield found.decode(first, min(first + step, chunks), verify=True, out=rooms[0])
