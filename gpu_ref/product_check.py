"""Compares a product that something else computed with the kernels' product, bit by bit."""

import torch
from torch import Tensor

from halfbyte.golden import Quantized
from halfbyte.gpu_ref.multiply import matmul
from halfbyte.gpu_ref.packed import Packed

__all__ = ["compare_product"]


def compare_product(product: Tensor, a: Quantized, w: Quantized) -> str:
    """Whether the kernels give the bits of ``product``, in words, or why that cannot be compared.

    product: (M, N) float32, as :func:`halfbyte.golden.unit_gemm.unit_gemm` gives it. It leaves out
    the scales of whole tensors, and all but a power of two of the quanta. The kernels include both.
    """
    quanta = a.format.quantum * w.format.quantum
    powers = [number & (number - 1) == 0 for number in (quanta.numerator, quanta.denominator)]
    if not all(powers) or a.tensor_scale is not None:
        return "not comparable: it takes in scales that the unit leaves out"
    seen = matmul(Packed.from_golden(a), Packed.from_golden(w))
    different = int((seen.view(torch.int32) != product.view(torch.int32)).sum())
    return "the same bits" if not different else f"{different} results differ"
