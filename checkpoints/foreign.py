"""Recognize weights that another program has quantized without a note in the configuration."""

import re
from collections.abc import Mapping
from pathlib import Path

from halfbyte.base import UserError
from halfbyte.checkpoints.tensor_file import StoredTensor

__all__ = ["check_no_codes"]

# The ends of the names of plain weights, and of the codes that GPTQ, AWQ, compressed-tensors, HQQ,
# MXFP4 (as in gpt-oss) and Quanto store.
_WEIGHT = re.compile(r"(?:^|[._])(?:weight|weight_packed|qweight|qzeros|W_q|blocks|_data)$")
_NOT_CODES = ("BF16", "I64", "U64")  # these types begin with I, U or B, but hold no codes


def check_no_codes(tensors: Mapping[str, StoredTensor], folder: Path) -> None:
    """Raise UserError if a weight is stored as codes, which must not be read as numbers.

    Integers and booleans count as codes, except for 64-bit integers, which are indices. FP8 counts
    as a code if the same layer has a scale, and as a plain number otherwise.
    """
    scaled = {_layer(name) for name in tensors if "scale" in name.rpartition(".")[2].lower()}
    for name, tensor in tensors.items():
        is_integer = tensor.dtype[0] in "IUB" and tensor.dtype not in _NOT_CODES
        is_scaled = tensor.dtype.startswith("F8_") and _layer(name) in scaled
        if _WEIGHT.search(name) and (is_integer or is_scaled):
            raise UserError(
                f"{folder} is quantized already ({name[:200]} is stored as {tensor.dtype}): give "
                "the model with its original weights"
            )


def _layer(name: str) -> str:
    """The name of the layer that a tensor belongs to."""
    return name.rpartition(".")[0]
