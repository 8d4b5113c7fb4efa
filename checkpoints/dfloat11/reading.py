"""Read large tensors on all cores. Memory of earlier tensors that are no longer used is reused."""

import torch
from torch import Tensor

from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.golden.dfloat11.rooms import room
from halfbyte.golden.dfloat11.threads import over_ranges

__all__ = ["read_bytes"]

_BLOCK = 1 << 21  # bytes of a large page of memory; threads read multiples of it


def read_bytes(tensor: StoredTensor, count: int | None = None) -> Tensor:
    """Read the first ``count`` bytes of a tensor's data, by default all: (count,) uint8."""
    size = tensor.bytes if count is None else count
    data = torch.from_numpy(room(size))

    def read(first: int, last: int) -> None:
        tensor.read_into(data[first * _BLOCK : last * _BLOCK], first * _BLOCK)

    over_ranges(read, -(-size // _BLOCK), per_thread=2)
    return data
