"""GPTQ (Frantar et al., 2022): round the columns of a weight in order, to correct earlier errors.

The Hessian of a layer's squared output error is proportional to the Gram matrix of its inputs. Here
all inputs are those of the unquantized model. The scale of every block is chosen first, from the
original weights. Columns are rounded from first to last. In a convolution, each kernel position
corrects only its own errors.
"""

import torch
from torch import Tensor

from halfbyte.golden.rounding import BlockRounding

__all__ = ["gptq"]

DAMPING = 0.01  # of the mean of the Hessian's diagonal (Frantar et al., 2022, section 4)
CHUNK = 128  # columns between two updates of all later columns


def gptq(
    weight: Tensor, gram: Tensor, rounding: BlockRounding, clip: float | Tensor = 1.0
) -> Tensor:
    """The rounded weight; (outputs, width) float32, like ``weight``.

    gram: (width, width) float64, the sum of the outer products of the layer's input vectors.
    clip: a factor of at most 1 for all block scales, or a tensor with a factor for each block.

    Raises UserError if the weight is not finite.
    """
    grid = rounding.grid(weight, clip)
    size = rounding.operand.block or max(1, weight.shape[1])
    scales, steps = grid.scales.T.contiguous(), grid.steps.T.contiguous()  # (blocks, outputs)
    spread = _error_spread(gram)
    columns: Tensor = weight.T.clone(memory_format=torch.contiguous_format)  # (width, outputs)
    width = len(columns)
    for begin in range(0, width, CHUNK):
        end = min(begin + CHUNK, width)
        errors = torch.empty_like(columns[begin:end])
        for index in range(begin, end):
            block = index // size
            rounded = rounding.nearest(columns[index] / scales[block]) * steps[block]
            error = (columns[index] - rounded) / spread[index, index]
            columns[index + 1 : end].addr_(spread[index, index + 1 : end], error, alpha=-1)
            columns[index], errors[index - begin] = rounded, error
        columns[end:].addmm_(spread[begin:end, end:].T, errors, alpha=-1)
    transposed: Tensor = columns.t()
    return transposed


def _error_spread(gram: Tensor) -> Tensor:
    """How a column's error is spread over later columns; (width, width) float32.

    This is the upper Cholesky factor of the inverse of ``gram`` with damping. An input that is
    always zero neither passes errors on nor receives any.
    """
    diagonal = gram.diagonal()
    added = DAMPING * diagonal.mean() + (diagonal == 0)
    factor = torch.linalg.cholesky(gram + torch.diag(added))
    inverse = torch.cholesky_inverse(factor)
    spread: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return spread.float()
