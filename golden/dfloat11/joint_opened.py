"""Decodes chunks of a compressed tensor in layout 2, after its header and sizes were checked.

``docs/dfloat11.md`` describes the layout. A *chunk* has 65536 elements. The *symbol* of an element
is the part that is coded, and the other bits are *raw*. *Escapes* are symbols without a row in the
symbol table. Chunks ``first`` up to ``last`` do not include chunk ``last``.
"""

import ctypes
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.golden.dfloat11 import joint_kernels
from halfbyte.golden.dfloat11.joint_layout import (
    CHUNK,
    PAIR,
    STATE_WORDS,
    JointHeader,
    JointParts,
    read_header,
    split,
)
from halfbyte.golden.dfloat11.joint_raw import are_sound, raw_sizes
from halfbyte.golden.dfloat11.layout import CorruptError, aligned_bytes
from halfbyte.golden.dfloat11.native import address, library
from halfbyte.golden.dfloat11.rooms import room
from halfbyte.golden.dfloat11.threads import over_ranges

__all__ = ["OpenedJoint", "Structure", "structure_of"]

_REASONS = {
    1: "its CRC is wrong",
    2: "its codes do not end where its sizes say",
    3: "its escapes are not as many as its sizes say",
}
_TOGETHER = 2 * PAIR  # chunks for a core at a time; waking a core takes as long as decoding one


class Structure(ctypes.Structure):
    """The C++ structure ``joint::Tensor`` of joint.h."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in (
            "bytes", "width", "shift", "rows", "base", "escape")),
        ("elements", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in (
            "table", "crcs", "word_starts", "escape_starts", "raw_starts", "zeros", "words",
            "escapes", "raw")),
    )  # fmt: skip


def structure_of(header: JointHeader, *pointers: int) -> Structure:
    """The argument of the C++ loops. The header and the parts must outlive the result.

    pointers: addresses of the parts, in the order of the structure; missing ones are null.
    """
    fields, table = header.fields, header.table
    return Structure(
        header.kind.bytes, fields.width, fields.shift, len(table.frequencies), table.base,
        table.escape, header.elements, address(table.slots), *pointers,
    )  # fmt: skip


class OpenedJoint:
    """A compressed tensor whose header was read and whose parts were found consistent.

    Parameters
    ----------
    header : JointHeader
    parts : JointParts
        Views of the data.

    Raises
    ------
    CorruptError
        The sizes of the chunks contradict the header, or are not valid.
    """

    def __init__(self, header: JointHeader, parts: JointParts) -> None:
        self.header = header
        self.parts = parts
        self.zeros = np.ascontiguousarray(parts.sizes[:, 2])
        if not are_sound(self.zeros, header.elements, header.fields.shift):
            raise CorruptError("a chunk's note of the low bits that it leaves out is not valid")
        sizes = parts.sizes.T.astype(np.int64)
        sizes[2] = raw_sizes(self.zeros, header.elements, header.fields.raw_bits)
        # By part (words, escapes, raw bits): where each chunk begins, and where the last one ends.
        self.starts = np.zeros((3, sizes.shape[1] + 1), dtype=np.int64)
        np.cumsum(sizes, axis=1, out=self.starts[:, 1:])
        if tuple(self.starts[:, -1]) != (header.words, header.escapes, header.raw_bytes):
            raise CorruptError("the sizes of the chunks contradict the header")
        if sizes[0].size and sizes[0].min() < STATE_WORDS:
            raise CorruptError("a chunk is too short for the states that it begins with")

    @classmethod
    def of(cls, data: Tensor) -> "OpenedJoint":
        """Open a compressed tensor, (bytes,) uint8 on the CPU.

        Raises TypeError for another type or shape, CorruptError if the data is not in layout 2.
        """
        raw = aligned_bytes(data)
        header = read_header(raw)
        return cls(header, split(raw, header))

    @cached_property
    def structure(self) -> Structure:
        """The argument of the C++ loops. This object must outlive the result."""
        parts = self.parts
        return structure_of(
            self.header, address(parts.crcs), *map(address, self.starts), address(self.zeros),
            address(parts.words), address(parts.escapes), address(parts.raw),
        )  # fmt: skip

    def decode(
        self, first: int, last: int, *, verify: bool, out: NDArray[Any] | None = None
    ) -> Tensor:
        """Elements of chunks ``first`` up to ``last``. CorruptError says which chunk is damaged.

        out: (elements or more,) unsigned integers of the elements' size, to decode into.
        """
        header, kind = self.header, self.header.kind
        size = min(last * CHUNK, header.elements) - min(first * CHUNK, header.elements)
        if out is None:
            out = room(size, f"u{kind.bytes}")
        out = out[:size]
        results = np.zeros(last - first, dtype=np.uint8)
        native, structure = library(), self.structure

        def decode(begin: int, end: int) -> None:
            if native is None:
                joint_kernels.decode(self, first + begin, first + end, verify,
                                     out[begin * CHUNK :], results[begin:])  # fmt: skip
                return
            native.hb_joint_decode(
                ctypes.byref(structure), first + begin, first + end, verify,
                address(out[begin * CHUNK :]), address(results[begin:]),
            )  # fmt: skip

        if last > first:
            over_ranges(decode, last - first, step=_TOGETHER)
        bad = np.flatnonzero(results)
        if len(bad):
            chunk, reason = first + int(bad[0]), _REASONS[int(results[bad[0]])]
            raise CorruptError(f"chunk {chunk} of {header.chunks}: {reason}")
        return torch.from_numpy(out).view(kind.torch_dtype)

    def product(self, x: Tensor) -> Tensor | None:
        """The matrix times each vector; the decoded matrix is not written to memory.

        x: (vectors, inputs) float32 on the CPU. Returns (vectors, outputs) float32, summed in FP32
        in the order of ``product.h``; None if the weights are not BF16 or the C++ loops are
        missing. Raises CorruptError for codes that do not end where they should.
        """
        native, header = library(), self.header
        outputs, inputs = header.shape
        if native is None or header.kind.name != "BF16":
            return None
        x = x.contiguous()
        vectors, most = len(x), -(-CHUNK // inputs) + 1
        sums = np.zeros((header.chunks, most, vectors), dtype=np.float32)
        structure, wanted = self.structure, x.numpy()

        def multiply(first: int, last: int) -> bool:
            return bool(
                native.hb_joint_product(
                    ctypes.byref(structure), first, last, address(wanted), vectors, inputs, most,
                    address(sums[first]),
                )
            )  # fmt: skip

        if not all(over_ranges(multiply, header.chunks)):
            raise CorruptError("the codes of a chunk do not end where its sizes say")
        y = np.zeros((outputs, vectors), dtype=np.float32)
        for chunk in range(header.chunks):  # a row may be in two chunks or more
            first = chunk * CHUNK // inputs
            rows = y[first : first + most]
            rows += sums[chunk, : len(rows)]
        return torch.from_numpy(y).T
