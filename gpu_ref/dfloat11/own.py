"""Decodes halfbyte's own DFloat11 layouts on the device that holds the bytes.

DFloat11 is a lossless compression of weights. This module implements the prefix layout;
:mod:`.joint` implements the joint layout. ``docs/dfloat11.md`` defines both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from halfbyte.gpu_ref.dfloat11.damage import check, no_failure, raise_failure
from halfbyte.gpu_ref.dfloat11.joint import JointTensor, is_joint
from halfbyte.gpu_ref.dfloat11.memory import TYPES, aligned, check_bytes
from halfbyte.gpu_ref.dfloat11_structures import Container, Decode
from halfbyte.gpu_ref.library import library_for

__all__ = ["CompressedTensor", "decode", "opened", "prepare"]

HEADER_BYTES = 2400  # of the longest header: 255 dimensions and 257 rows of the code table


@dataclass(frozen=True)
class CompressedTensor:
    """A tensor in the prefix layout. Its header is read once, when it is opened.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8, on the CPU or a GPU.
    container : Container
        Content of the header.
    lookup : Tensor
        (4096,) int16: the decoding table, which ``Container`` in dfloat11_container.h explains, on
        the device of ``data``.
    """

    data: Tensor
    container: Container
    lookup: Tensor

    @classmethod
    def open(cls, data: Tensor) -> "CompressedTensor":
        """Read and check the header.

        data: (bytes,) uint8. Raises TypeError if it is not bytes, CorruptError if it is not a
        tensor in the prefix layout or if the header is damaged.
        """
        check_bytes(data)
        head = data[:HEADER_BYTES].cpu().contiguous()
        damage, container = library_for(data.device).read_container(head, len(data))
        check(damage)
        lookup = torch.from_numpy(np.ctypeslib.as_array(container.lookup).view(np.int16).copy())
        return cls(aligned(data), container, lookup.to(data.device))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return tuple(self.container.shape[: self.container.dimensions])

    @property
    def dtype(self) -> torch.dtype:
        """Element type of the tensor."""
        return TYPES[self.container.type]

    def launch(self, out: Tensor, failure: Tensor, *, verify: bool) -> None:
        """Decode into ``out``, (elements,) of :attr:`dtype`, without waiting for the GPU.

        ``failure``: from :func:`.damage.no_failure`; the kernels report damage there.
        """
        found, base = self.container, self.data.data_ptr()
        call = Decode(
            crcs=base + found.crcs,
            starts=base + found.starts,
            lengths=base + found.lengths,
            stream=base + found.stream,
            raw=base + found.raw if found.wide else None,
            lookup=self.lookup.data_ptr(),
            out=out.data_ptr(),
            failure=failure.data_ptr(),
            elements=found.elements,
            chunks=found.chunks,
            stream_words=found.stream_words,
            max_length=found.max_length,
            wide=found.wide,
            verify=int(verify),
        )
        library_for(self.data.device).call("hb_dfloat11_decode", self.data.device, call)

    def decode(self, *, verify: bool = True) -> Tensor:
        """Decode the tensor, to the original bits, type and shape.

        ``verify`` also checks the CRCs of the chunks. Only
        :func:`halfbyte.golden.dfloat11.decompress` checks the digest of the whole tensor. If damage
        is found, raises CorruptError, which names the chunk.
        """
        device = self.data.device
        out = torch.empty(self.container.elements, dtype=self.dtype, device=device)
        failure = no_failure(device)
        self.launch(out, failure, verify=verify)
        raise_failure(failure, "chunk", self.container.chunks)
        return out.reshape(self.shape)


def opened(data: Tensor) -> CompressedTensor | JointTensor:
    """Open a tensor in the prefix or the joint layout. Raises the errors of their ``open``."""
    return JointTensor.open(data) if is_joint(data) else CompressedTensor.open(data)


def decode(data: Tensor, *, verify: bool = True) -> Tensor:
    """Decode the tensor that was compressed to ``data``, on the device of ``data``.

    data: (bytes,) uint8, in the prefix or the joint layout. Raises TypeError if it is not bytes,
    CorruptError for damaged data, ToolError if the kernels cannot be built.
    ``verify`` checks the CRCs of the chunks.
    """
    return opened(data).decode(verify=verify)


def prepare(data: Tensor) -> Callable[[], Tensor]:
    """Return a function that decodes ``data``, whose CRCs the caller has already checked.

    :func:`halfbyte.golden.dfloat11.prepare` uses it for CUDA tensors.
    """
    return partial(opened(data).decode, verify=False)
