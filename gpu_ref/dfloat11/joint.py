"""Decodes tensors in DFloat11's joint layout, or multiplies them by vectors, on their device.

DFloat11 is a lossless compression of weights. ``docs/dfloat11.md`` defines the layout: chunks of
65,536 elements, each coded by 32 coders that share one stream.
"""

import math
import struct
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from halfbyte.golden.dfloat11 import CorruptError
from halfbyte.gpu_ref.dfloat11.damage import check, no_failure, raise_failure
from halfbyte.gpu_ref.dfloat11.memory import TYPES, aligned, check_bytes
from halfbyte.gpu_ref.dfloat11_structures import DecodeJoint, JointContainer, JointProduct
from halfbyte.gpu_ref.library import library_for

__all__ = ["MOST_VECTORS", "JointTensor", "multiply_plain"]

MOST_VECTORS = 8
"""The most vectors that one call multiplies."""
_CHUNK = 65536  # elements of a chunk
_FIXED = 60  # bytes of the header before the shape


@dataclass(frozen=True)
class JointTensor:
    """A tensor in the joint layout whose header and index have been read once.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8, on the CPU or a GPU.
    container : JointContainer
        Content of the header.
    shape : tuple of int
        Shape of the tensor.
    slots : Tensor
        (4096,) int32: the decoding table, which ``JointContainer`` in dfloat11_joint_container.h
        explains, on the device of ``data``.
    starts : Tensor
        (3, chunks + 1) int64: the first word, escape and raw byte of each chunk, and last the total
        numbers of words, escapes and raw bytes; on the device of ``data``.
    """

    data: Tensor
    container: JointContainer
    shape: tuple[int, ...]
    slots: Tensor
    starts: Tensor

    @classmethod
    def open(cls, data: Tensor) -> "JointTensor":
        """Read and check the header and the index of chunks.

        data: (bytes,) uint8. Raises TypeError if it is not bytes, CorruptError if it is not a
        tensor in the joint layout or if the header or the index is damaged.
        """
        check_bytes(data)
        size = int.from_bytes(data[8:12].cpu().numpy().tobytes(), "little")
        head = data[: max(size, _FIXED)].cpu().contiguous()
        library = library_for(data.device)
        damage, found = library.read_joint(head, len(data))
        check(damage)
        sizes = data[found.sizes : found.sizes + 12 * found.chunks].cpu().contiguous()
        damage, starts = library.index_joint(found, sizes)
        check(damage)
        raw = head[_FIXED : _FIXED + 8 * found.dimensions].numpy().tobytes()
        shape = struct.unpack(f"<{found.dimensions}Q", raw)
        slots = torch.from_numpy(np.ctypeslib.as_array(found.slots).view(np.int32).copy())
        device = data.device
        return cls(aligned(data), found, shape, slots.to(device), starts.to(device))

    @property
    def dtype(self) -> torch.dtype:
        """Element type of the tensor."""
        return TYPES[self.container.type]

    @property
    def chunks(self) -> int:
        """Number of chunks, each decoded by a warp."""
        return int(self.container.chunks)

    def _call(self, out: Tensor | None, failure: Tensor, *, verify: bool) -> DecodeJoint:
        """The arguments of the kernels; a product has no ``out``."""
        found, base = self.container, self.data.data_ptr()
        return DecodeJoint(
            crcs=base + found.crcs,
            sizes=base + found.sizes,
            starts=self.starts.data_ptr(),
            words=base + found.stream,
            escapes=base + found.escaped,
            raw=base + found.raw,
            slots=self.slots.data_ptr(),
            out=None if out is None else out.data_ptr(),
            failure=failure.data_ptr(),
            elements=found.elements,
            chunks=found.chunks,
            raw_words=(found.size - found.raw) // 4,
            bytes=found.bytes,
            width=found.width,
            shift=found.shift,
            escape=found.escape,
            rows=found.rows,
            base=found.base,
            verify=int(verify),
        )

    def launch(self, out: Tensor, failure: Tensor, *, verify: bool) -> None:
        """Decode into ``out``, (elements,) of :attr:`dtype`, without waiting for the GPU.

        ``failure``: from :func:`.damage.no_failure`; the kernels report damage there.
        """
        call = self._call(out, failure, verify=verify)
        library_for(self.data.device).call("hb_dfloat11_joint", self.data.device, call)

    def decode(self, *, verify: bool = True) -> Tensor:
        """Decode the tensor, to the original bits, type and shape.

        ``verify`` also checks the CRCs of the elements. If damage is found, raises CorruptError,
        which names the chunk.
        """
        device = self.data.device
        out = torch.empty(self.container.elements, dtype=self.dtype, device=device)
        failure = no_failure(device)
        self.launch(out, failure, verify=verify)
        raise_failure(failure, "chunk", self.chunks)
        return out.reshape(self.shape)

    def multiply(self, x: Tensor) -> Tensor:
        """Multiply the matrix by up to eight vectors, without writing decoded weights to memory.

        x: (vectors, inputs) float32 on the same device. Returns (vectors, outputs) float32, with
        the same bits as :func:`multiply_plain` gives for the decoded matrix. Raises TypeError or
        ValueError for other types, shapes or devices, CorruptError for a damaged stream.
        """
        failure = no_failure(self.data.device)
        if x.device != self.data.device:
            raise ValueError(f"Vectors must be on {self.data.device}, not on {x.device}")
        y = _multiply(self._call(None, failure, verify=False), None, self.shape, self.dtype, x)
        raise_failure(failure, "chunk", self.chunks)
        return y


def _multiply(
    weights: DecodeJoint,
    plain: Tensor | None,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    x: Tensor,
) -> Tensor:
    """Multiply ``plain``, or ``weights`` if that is None, by each vector; (vectors, outputs)."""
    if dtype != torch.bfloat16 or x.dtype != torch.float32:
        raise TypeError(f"Products take BF16 weights and FP32 vectors, not {dtype} and {x.dtype}")
    if len(shape) != 2:
        raise ValueError(f"Products take weights with 2 dimensions, not {len(shape)}")
    if x.ndim != 2 or x.shape[1] != shape[1]:
        raise ValueError(f"Vectors must have shape (N, {shape[1]}), not {tuple(x.shape)}")
    if not 1 <= len(x) <= MOST_VECTORS:
        raise ValueError(f"The number of vectors must be 1 to {MOST_VECTORS}, not {len(x)}")
    x, (outputs, inputs) = x.contiguous(), shape
    # A chunk has elements of at most ``parts`` rows.
    chunks, parts = -(-outputs * inputs // _CHUNK), -(-_CHUNK // inputs) + 1
    sums = torch.empty(chunks * parts * len(x), dtype=torch.float32, device=x.device)
    y = torch.empty(len(x), outputs, dtype=torch.float32, device=x.device)
    call = JointProduct(
        weights=weights,
        plain=None if plain is None else plain.data_ptr(),
        x=x.data_ptr(),
        sums=sums.data_ptr(),
        y=y.data_ptr(),
        outputs=outputs,
        inputs=inputs,
        parts=parts,
        vectors=len(x),
    )
    library_for(x.device).call("hb_dfloat11_product", x.device, call)
    return y


def multiply_plain(weight: Tensor, x: Tensor) -> Tensor:
    """Multiply an uncompressed matrix by up to eight vectors, like :meth:`JointTensor.multiply`.

    Products are added in the same order, so that the bits are the same. weight: (outputs, inputs)
    BF16. x: (vectors, inputs) float32, on the same device. Returns (vectors, outputs) float32, in
    which every NaN is 7FC00000.
    """
    if x.device != weight.device:
        raise ValueError(f"Vectors must be on {weight.device}, not on {x.device}")
    weight = weight.contiguous()
    elements = math.prod(weight.shape)
    shape = DecodeJoint(elements=elements, chunks=-(-elements // _CHUNK))
    return _multiply(shape, weight, tuple(weight.shape), weight.dtype, x)


def is_joint(data: Tensor) -> bool:
    """Whether the header of compressed data names the joint layout.

    Raises TypeError if the data is not bytes, CorruptError if it is too short.
    """
    check_bytes(data)
    if len(data) < _FIXED:
        raise CorruptError("the header is cut off, or its length is wrong")
    return data[6:8].tolist() == [2, 0]
