"""Clipping: shrink a block's absolute maximum (absmax) if that makes the squared error smaller."""

import torch
from torch import Tensor

from halfbyte.golden.operand import Clipping
from halfbyte.golden.rounding import BlockRounding

__all__ = ["RATIOS", "clip_ratios", "layer_errors"]

# The ratios that are tried: 1.000, 0.995 ... 0.805 (Dotzel et al., 2024).
RATIOS = tuple(1 - index / 200 for index in range(40))


def clip_ratios(rounding: BlockRounding, weight: Tensor) -> float | Tensor:
    """The factors by which absmax is multiplied, chosen by the rule ``rounding.operand.clip``.

    weight: (..., K) float32. Returns 1.0 without clipping or for an empty weight. Otherwise returns
    a float32 tensor: with ``MSE_LAYER`` one ratio for all blocks, without dimensions; with
    ``MSE_BLOCK`` one ratio for each block, (..., blocks). If several ratios have the smallest
    squared error, the largest of these is used.
    """
    clip = rounding.operand.clip
    if clip is Clipping.NONE or weight.numel() == 0:
        return 1.0
    best_ratio = torch.ones((), device=weight.device)
    best_error = torch.full((), torch.inf, dtype=torch.float64, device=weight.device)
    for ratio in RATIOS:
        error = _block_errors(rounding, weight, ratio)  # (..., blocks)
        if clip is Clipping.MSE_LAYER:
            error = error.sum()
        is_better = error < best_error
        best_ratio = torch.where(is_better, torch.full_like(best_ratio, ratio), best_ratio)
        best_error = torch.where(is_better, error, best_error)
    return best_ratio


def layer_errors(rounding: BlockRounding, weight: Tensor) -> Tensor:
    """The squared error of a part of a layer, for each ratio in :data:`RATIOS`; (40,) float64.

    weight: (..., K) float32, the part. The errors of all its elements are summed.
    """
    errors = [_block_errors(rounding, weight, ratio).sum() for ratio in RATIOS]
    return torch.stack(errors)


def _block_errors(rounding: BlockRounding, weight: Tensor, ratio: float) -> Tensor:
    """Squared error of each block; (..., blocks) float64."""
    return rounding.blocks(rounding(weight, ratio) - weight).square().sum(-1).double()
