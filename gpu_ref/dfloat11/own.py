"""Decodes our own layout on the device that holds its bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from halfbyte.gpu_ref.abi import Container, Decode
from halfbyte.gpu_ref.dfloat11.damage import check, no_failure, raise_failure
from halfbyte.gpu_ref.library import library_for

__all__ = ["CompressedTensor", "decode", "prepare"]

HEADER_BYTES = 2400  # of the longest header
ALIGNMENT = 16  # bytes; the kernels rely on it

# Numbered as in docs/dfloat11.md.
_TYPES = {
    1: torch.bfloat16,
    2: torch.float16,
    3: torch.float8_e4m3fn,
    4: torch.float8_e5m2,
    5: torch.int8,
    6: torch.uint8,
}


def aligned(data: Tensor) -> Tensor:
    """Contiguous data at an aligned address; copied if necessary."""
    data = data.contiguous()
    return data if data.data_ptr() % ALIGNMENT == 0 else data.clone()


@dataclass(frozen=True)
class CompressedTensor:
    """A compressed tensor whose header has been read once; decoding does not read it again.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8, on the CPU or a GPU.
    container : Container
        Content of the header.
    lookup : Tensor
        (4096,) int16: the code as the kernels look it up, on the device of ``data``.
    """

    data: Tensor
    container: Container
    lookup: Tensor

    @classmethod
    def open(cls, data: Tensor) -> "CompressedTensor":
        """Read and check the header. Raises TypeError if the data is not bytes, CorruptError if it
        is not a compressed tensor.
        """
        if data.dtype != torch.uint8 or data.ndim != 1:
            raise TypeError(f"Compressed data must be bytes in one dimension, not {data.dtype}")
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
        return _TYPES[self.container.type]

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
        """The tensor: the same bits, type and shape. Raises CorruptError, which names the chunk.

        ``verify`` also checks the CRCs of the chunks. Only
        :func:`halfbyte.golden.dfloat11.decompress` checks the digest of the whole.
        """
        device = self.data.device
        out = torch.empty(self.container.elements, dtype=self.dtype, device=device)
        failure = no_failure(device)
        self.launch(out, failure, verify=verify)
        raise_failure(failure, "chunk", self.container.chunks)
        return out.reshape(self.shape)


def decode(data: Tensor, *, verify: bool = True) -> Tensor:
    """The tensor that was compressed to ``data``, on the same device, the CPU or a GPU.

    data: (bytes,) uint8, as :func:`halfbyte.golden.dfloat11.compress` gives it. Raises TypeError if
    it is not bytes, CorruptError for damaged data, ToolError if the kernels cannot be built.
    ``verify`` checks the CRCs of the chunks.
    """
    return CompressedTensor.open(data).decode(verify=verify)


def prepare(data: Tensor) -> Callable[[], Tensor]:
    """A function that decodes ``data``, which must be verified before.
    :func:`halfbyte.golden.dfloat11.prepare` uses it for CUDA tensors.
    """
    return partial(CompressedTensor.open(data).decode, verify=False)
