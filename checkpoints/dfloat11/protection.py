"""Read stored tensors that have check bytes beside them, and correct wrong bits."""

from collections.abc import Iterator

import torch
from torch import Tensor

from halfbyte.checkpoints.dfloat11.reading import read_bytes
from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.golden.dfloat11 import CorruptError
from halfbyte.golden.dfloat11.secded import WORD_BYTES, check_bytes, correct

__all__ = ["CHECKS", "check_tensor", "read_corrected", "read_head", "read_pieces"]

CHECKS = ".secded"
"""The end of the name of a tensor that holds the check bytes of another."""


def check_tensor(checks: Tensor) -> Tensor:
    """Check bytes as they are stored: padded to whole words, so that the next tensor is aligned."""
    return torch.nn.functional.pad(checks, (0, -len(checks) % WORD_BYTES))


def _checks_of(checks: StoredTensor, size: int) -> Tensor:
    words = -(-size // WORD_BYTES)
    if checks.dtype != "U8":
        raise CorruptError(f"check bytes must be U8, not {checks.dtype}")
    if not words <= checks.bytes < words + WORD_BYTES:
        raise CorruptError(f"{size} bytes need {words} check bytes, not {checks.bytes}")
    return checks.read_bytes(0, words)


def read_head(tensor: StoredTensor, checks: StoredTensor | None, size: int) -> Tensor:
    """The first ``size`` bytes of a tensor, corrected; all if it is shorter. 8 divides ``size``."""
    size = min(tensor.bytes, size)
    data = tensor.read_bytes(0, size)
    if checks is None:
        return data
    wanted = _checks_of(checks, tensor.bytes)[: -(-size // WORD_BYTES)]
    return correct(data, wanted)[0]


def read_corrected(tensor: StoredTensor, checks: StoredTensor | None) -> tuple[Tensor, int]:
    """All bytes of a tensor, and how many words were corrected.

    Raises CorruptError if a word has more than one wrong bit.
    """
    data = read_bytes(tensor)
    return (data, 0) if checks is None else correct(data, _checks_of(checks, len(data)))


def read_pieces(tensor: StoredTensor, checks: StoredTensor | None) -> Iterator[tuple[Tensor, int]]:
    """The bytes of a tensor in pieces, and how many words of each were corrected."""
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
    """The check bytes for ``data``, as they are stored."""
    return check_tensor(check_bytes(data))
