"""Compares a matrix product from another program with the kernels' result, bit by bit."""

from typing import Any

import torch
from torch import Tensor

from halfbyte.gpu_ref.unit_gemm import unit_gemm

__all__ = ["compare_product"]


def compare_product(product: Tensor, *operands: Tensor, **arithmetic: Any) -> str:
    """Return ``the same bits``, or how many results of :func:`unit_gemm` differ from ``product``.

    product: (M, N) float32. ``operands`` and ``arithmetic`` are the arguments of ``unit_gemm``.
    """
    seen = unit_gemm(*operands, **arithmetic)
    different = int((seen.view(torch.int32) != product.view(torch.int32)).sum())
    return "the same bits" if not different else f"{different} results differ"
