"""Reads compressed tensors in any layout. The version in the header says which layout it is.

:data:`LAYOUTS` has an entry for each layout. Later releases will read all of these layouts.
halfbyte's hardware decodes only version 1 (:mod:`.codec`). Version 2 (:mod:`.joint`) is smaller and
also supports FP32.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.dfloat11 import codec, joint, joint_layout, layout
from halfbyte.golden.dfloat11.elements import ElementType
from halfbyte.golden.dfloat11.layout import MAGIC, CorruptError

__all__ = ["LAYOUTS", "Header", "Layout", "decompress", "decompress_chunks", "layout_of",
           "opened", "pieces", "read_header"]  # fmt: skip


class Header(Protocol):
    """The content of every layout's header."""

    @property
    def kind(self) -> ElementType:
        """Type of the elements."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""

    @property
    def chunks(self) -> int:
        """Number of chunks, which can be decoded separately."""

    @property
    def size(self) -> int:
        """Bytes of the header."""


@dataclass(frozen=True)
class Layout:
    """How tensors of one version are read.

    Parameters
    ----------
    title : str
        The name by which users choose this layout.
    chunk : int
        Elements of a chunk, the part of a tensor that can be decoded separately.
    read_header : callable
        Takes the first bytes of a compressed tensor, or all; returns the header.
    decompress, decompress_chunks : callable
        Take all bytes; return the tensor, or the elements of some chunks.
    opened : callable
        Takes all bytes; returns a function that decodes them without verification, as often as it
        is called.
    pieces : callable
        Takes all bytes, and whether to compare the digest of the whole tensor, if the layout has
        one; yields the elements piece by piece, verified.
    """

    title: str
    chunk: int
    read_header: Callable[[NDArray[np.uint8]], Any]
    decompress: Callable[..., Tensor]
    decompress_chunks: Callable[..., Tensor]
    opened: Callable[[Tensor], Callable[[], Tensor]]
    pieces: Callable[[Tensor, bool], Iterator[Tensor]]


LAYOUTS: dict[int, Layout] = {
    layout.VERSION: Layout(
        "prefix", codec.CHUNK, layout.read_header, codec.decompress, codec.decompress_chunks,
        codec.opened, lambda data, digest: codec.pieces(data, digest=digest),
    ),
    joint_layout.VERSION: Layout(
        "joint", joint_layout.CHUNK, joint_layout.read_header, joint.decompress,
        joint.decompress_chunks, joint.opened, lambda data, _: joint.pieces(data),
    ),
}  # fmt: skip
"""The layouts by version."""


def layout_of(data: NDArray[np.uint8]) -> Layout:
    """The layout of a compressed tensor, by its first bytes; CorruptError if they name none."""
    if len(data) < 8 or data[: len(MAGIC)].tobytes() != MAGIC:
        raise CorruptError("this is not a compressed tensor: it does not begin with 'hbdf11'")
    version = int.from_bytes(data[6:8].tobytes(), "little")
    if version not in LAYOUTS:
        known = ", ".join(map(str, LAYOUTS))
        raise CorruptError(f"the layout's version is {version}; this release reads {known}")
    return LAYOUTS[version]


def read_header(data: NDArray[np.uint8]) -> Header:
    """The header of a compressed tensor. ``data`` are all its bytes, or only the first ones.

    Raises CorruptError if they are not a header.
    """
    found: Header = layout_of(data).read_header(data)
    return found


def _of(data: Tensor) -> Layout:
    return layout_of(layout.aligned_bytes(data))


def decompress(data: Tensor, *, verify: bool = True) -> Tensor:
    """The tensor that was compressed to ``data``, in any layout: the same bits, type and shape.

    data: (bytes,) uint8, on the CPU. Raises CorruptError for data that ``compress`` did not write;
    for a damaged chunk, the message gives its number. ``verify`` checks CRCs and digests. Without
    it, damage may stay undetected, but memory accesses stay in bounds.
    """
    return _of(data).decompress(data, verify=verify)


def decompress_chunks(data: Tensor, first: int, last: int, *, verify: bool = True) -> Tensor:
    """The elements of chunks ``first`` up to ``last`` (excluded), (elements,).

    Other chunks are not decoded. The layout decides how many elements a chunk has. Raises the
    errors of :func:`decompress`, and ValueError for chunks that do not exist. ``verify`` checks the
    CRCs of these chunks.
    """
    return _of(data).decompress_chunks(data, first, last, verify=verify)


def opened(data: Tensor) -> Callable[[], Tensor]:
    """A function that decodes ``data``, without verification, as often as it is called.

    The header is read only once, here. Raises the errors of :func:`decompress`.
    """
    return _of(data).opened(data)


def pieces(data: Tensor, *, digest: bool = True) -> Iterator[Tensor]:
    """Yield the elements that were compressed to ``data``, in order, verified, in pieces.

    A piece, (elements of a few chunks,), is overwritten when the second piece after it is decoded.
    ``digest=False`` checks the CRCs but not the digest of the whole tensor; it is for callers who
    compare the elements with the original. Raises the errors of :func:`decompress`, perhaps after
    some pieces.
    """
    return _of(data).pieces(data, digest)
