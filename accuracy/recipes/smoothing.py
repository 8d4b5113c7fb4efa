"""SmoothQuant (Xiao et al., 2022): move outliers from activations into weights.

Input ``j`` of a layer is divided by ``s_j = max|X_j|^alpha / max|W_j|^(1 - alpha)``, and column
``j`` of its weight is multiplied by ``s_j``. In the paper, the preceding layer does the division.
Here each layer's own input is divided, so that any module can be smoothed. Hardware would either
fold the division into the preceding layer, or need one multiplication per input.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from halfbyte.accuracy.recipes.calibration import LayerInputs
from halfbyte.accuracy.recipes.recipe import SEARCH

__all__ = ["ALPHAS", "divisors", "smoothing_divisors"]

ALPHAS = tuple(step / 10 for step in range(11))
Rounding = Callable[[Tensor], Tensor]


def divisors(inputs: LayerInputs, weight: Tensor, alpha: float) -> Tensor:
    """The divisor of each input; (width,) float32, 1 if its values or its weights are all zero.

    weight: (outputs, width) float32.
    """
    largest = weight.abs().amax(0)
    ratio = inputs.absmax.double().pow(alpha) / largest.double().pow(1 - alpha)
    is_dead = (inputs.absmax == 0) | (largest == 0)
    return torch.where(is_dead, torch.ones_like(ratio), ratio).to(torch.float32)


def smoothing_divisors(
    inputs: LayerInputs,
    weight: Tensor,
    smooth: float | str,
    round_weight: Rounding,
    round_inputs: Rounding,
) -> Tensor:
    """The divisors of a layer for a given alpha, or for the best one; (width,) float32.

    On the input vectors that were kept in calibration, the search tries the layer without
    smoothing, and with each of the alphas 0, 0.1, ..., 1. It chooses the divisors with the smallest
    squared error of the layer's output.
    """
    if smooth != SEARCH:
        return divisors(inputs, weight, float(smooth))
    expected = inputs.rows @ weight.T
    candidates = [torch.ones_like(inputs.absmax)]
    candidates += [divisors(inputs, weight, alpha) for alpha in ALPHAS]

    def error(candidate: Tensor) -> float:
        outputs = round_inputs(inputs.rows / candidate) @ round_weight(weight * candidate).T
        return float((outputs - expected).double().square().sum())

    return min(candidates, key=error)
