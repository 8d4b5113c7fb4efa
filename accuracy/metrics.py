"""Figures of merit, on tensors."""

import math

import torch
from torch import Tensor

__all__ = ["fidelity", "sqnr_db"]


def sqnr_db(signal: float, noise: float) -> float:
    """Signal-to-quantisation-noise ratio in dB from sums of squares; infinite without noise."""
    if signal <= 0:
        raise ValueError("A signal-to-noise ratio needs a signal")
    return 10 * math.log10(signal / noise) if noise > 0 else math.inf


def fidelity(embeddings: Tensor, reference: Tensor) -> float:
    """Pearson correlation of all pairwise cosine similarities of two sets of embeddings.

    Both (N, D) with rows of unit length, N at least 3; 1 for equal sets.
    """
    if embeddings.shape != reference.shape or reference.ndim != 2 or len(reference) < 3:
        raise ValueError(
            f"Embeddings must be two (N, D) sets, N >= 3, not {tuple(embeddings.shape)} and "
            f"{tuple(reference.shape)}"
        )
    row, column = torch.triu_indices(len(reference), len(reference), offset=1)
    similarities = [
        (each.double() @ each.double().T)[row, column] for each in (embeddings, reference)
    ]
    return float(torch.corrcoef(torch.stack(similarities))[0, 1])
