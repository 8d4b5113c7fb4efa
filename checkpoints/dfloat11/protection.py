"""Read stored tensors that have check bytes, and correct wrong bits.

The code is SECDED (single error correction, double error detection): each word of eight bytes has a
check byte. One wrong bit in a word is corrected; two wrong bits are detected. The check bytes of a
tensor ``NAME`` are the tensor ``NAME.secded``.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from halfbyte.checkpoints.dfloat11.reading import read_bytes
from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.golden.dfloat11 import CorruptError
from halfbyte.golden.dfloat11.secded import WORD_BYTES, check_bytes, correct

__all__ = ["CHECKS", "check_tensor", "read_corrected", "read_head", "read_pieces"]

CHECKS = ".secded"
"""How the name of a tensor of check bytes ends, after the name of the tensor that it protects."""


def check_tensor(checks: Tensor) -> Tensor:
    """Check bytes as they are stored: padded to whole words, to keep the next tensor aligned."""
    return torch.nn.functional.pad(checks, (0, -len(checks) % WORD_BYTES))


def _checks_of(checks: StoredTensor, size: int) -> Tensor:
    """Read the check bytes of a tensor of ``size`` bytes, one for each word."""
    words = -(-size // WORD_BYTES)
    if checks.dtype != "U8":
        raise CorruptError(f"check bytes must be U8, not {checks.dtype}")
    if not words <= checks.bytes < words + WORD_BYTES:
        raise CorruptError(f"{size} bytes need {words} check bytes, not {checks.bytes}")
    return checks.read_bytes(0, words)


def read_head(tensor: StoredTensor, checks: StoredTensor | None, size: int) -> Tensor:
    """The first ``size`` bytes of a tensor, or all if it has fewer, with wrong bits corrected.

    ``size`` is a multiple of 8. ``checks`` is the tensor of check bytes, or None if there is none.
    """
    size = min(tensor.bytes, size)
    data = tensor.read_bytes(0, size)
    if checks is None:
        return data
    wanted = _checks_of(checks, tensor.bytes)[: -(-size // WORD_BYTES)]
    return correct(data, wanted)[0]


def read_corrected(tensor: StoredTensor, checks: StoredTensor | None) -> tuple[Tensor, int]:
    """All bytes of a tensor with wrong bits corrected, and how many words had a wrong bit.

    Raises CorruptError if the wrong bits of a word cannot be corrected.
    """
    data = read_bytes(tensor)
    return (data, 0) if checks is None else correct(data, _checks_of(checks, len(data)))


def read_pieces(tensor: StoredTensor, checks: StoredTensor | None) -> Iterator[tuple[Tensor, int]]:
    """Like :func:`read_corrected`, in pieces: their bytes, and how many words had a wrong bit."""
    wanted = _checks_of(checks, tensor.bytes) if checks is not None else None
    word = 0
    for piece in tensor.pieces():
        words = -(-len(piece) // WORD_BYTES)
        if wanted is None:
            yield piece, 0
        else:
            yield correct(piece, wanted[word : word + words])
        word += words


def checks_for(data: Tensor) -> Tensor:
    """Compute the check bytes for ``data``, as they are stored."""
    return check_tensor(check_bytes(data))
