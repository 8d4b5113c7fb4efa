"""Holds the operands of a matrix product, as codes of their formats."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.golden import Quantized

__all__ = ["Codes", "Operands"]

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Operands:
    """The codes of both matrices of a product ``A W^T``, and of the scales of their blocks.

    A block consists of neighbouring elements of a row that share a scale.

    Parameters
    ----------
    a, w : array
        (M, K) and (N, K) uint8, codes of the matrices.
    a_scales, w_scales : array, optional
        (M, K / block) and (N, K / block) uint8, codes of the scales; None for a unit without
        scales.
    """

    a: Codes
    w: Codes
    a_scales: Codes | None = None
    w_scales: Codes | None = None

    @classmethod
    def of(cls, a: Quantized, w: Quantized) -> "Operands":
        """The codes of two quantized matrices, (M, K) and (N, K), and of their scales.

        Raises UserError if the size of a block does not divide K, and ValueError if the scales are
        not codes of eight bits.
        """
        length = a.codes.shape[1]
        if length % a.block:
            raise UserError(
                f"Blocks of {a.block} do not divide the {length} elements of a row: choose another "
                "block size"
            )
        if a.scale_codes is None or w.scale_codes is None:
            raise ValueError("The scales of both matrices must be codes of eight bits")
        return cls(a.codes.numpy(), w.codes.numpy(), a.scale_codes.numpy(), w.scale_codes.numpy())

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The codes of A and W, then of their scales; raises ValueError if scales are missing."""
        if self.a_scales is None or self.w_scales is None:
            raise ValueError("These operands have no scales")
        arrays = (self.a, self.w, self.a_scales, self.w_scales)
        a, w, a_scales, w_scales = map(torch.from_numpy, arrays)
        return a, w, a_scales, w_scales
