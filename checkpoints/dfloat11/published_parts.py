"""A compressed module of the published layout as tensors, six for each module, and back."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from halfbyte.checkpoints.dfloat11.published_plan import ModulePlan
from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.golden.dfloat11 import CorruptError, published

__all__ = ["MARKS", "PARTS", "SPLITS", "module_of", "tensors_of"]

MARKS = ("encoded_exponent", "sign_mantissa")  # of compressed modules
SPLITS = "split_positions"
PARTS = ("luts", "encoded_exponent", "sign_mantissa", "output_positions", "gaps", SPLITS)
_ARRAYS = PARTS[:-1]
_TYPES = {"output_positions": ("U8", "I32", "U32"), SPLITS: ("I64", "I32")}


def tensors_of(module: published.Module) -> dict[str, Tensor]:
    """The tensors of a module by the last part of their names."""
    arrays = {part: getattr(module, part) for part in _ARRAYS}
    arrays["output_positions"] = module.output_positions.view(np.uint8)
    tensors = {part: torch.from_numpy(array) for part, array in arrays.items()}
    return {**tensors, SPLITS: torch.tensor(module.split_positions, dtype=torch.int64)}


def module_of(tensors: Mapping[str, StoredTensor], plan: ModulePlan) -> published.Module:
    """A module from its tensors. CorruptError if one is missing or of a wrong type.

    A module of one weight may lack its split positions, which the package does not ask for there.
    """
    found = {part: tensors.get(f"{plan.name}.{part}") for part in PARTS}
    if found[SPLITS] is None and len(plan.weights) == 1:
        del found[SPLITS]
    arrays = {}
    for part, tensor in found.items():
        if tensor is None or tensor.dtype not in _TYPES.get(part, ("U8",)):
            raise CorruptError(f"Module {plan.name}: {part} is missing, or of another type")
        arrays[part] = tensor.read_bytes().numpy()
    if arrays["output_positions"].size % 4:
        raise CorruptError(f"Module {plan.name}: output_positions are not integers of 32 bits")
    luts, splits = found["luts"], found.get(SPLITS)
    assert luts is not None  # noqa: S101 (see above)
    return published.Module(
        arrays["luts"].reshape(luts.shape),
        arrays["encoded_exponent"],
        arrays["sign_mantissa"],
        arrays["output_positions"].view("<u4"),
        arrays["gaps"],
        tuple(splits.read().flatten().tolist()) if splits is not None else (),
    )
