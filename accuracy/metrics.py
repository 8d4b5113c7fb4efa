"""Figures of merit, on tensors."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Fidelity", "fidelity", "sqnr_db"]


def sqnr_db(signal: float, noise: float) -> float:
    """Signal-to-quantisation-noise ratio in dB from sums of squares; infinite without noise."""
    if signal <= 0:
        raise ValueError("A signal-to-noise ratio needs a signal")
    return 10 * math.log10(signal / noise) if noise > 0 else math.inf


@dataclass(frozen=True)
class Fidelity:
    """A correlation and its standard error over the choice of texts."""

    value: float
    error: float


def fidelity(embeddings: Tensor, reference: Tensor) -> Fidelity:
    """Pearson correlation of all pairwise cosine similarities of two sets of embeddings.

    Both (N, D) with rows of unit length, N at least 4; 1 for equal sets. The standard error is the
    jackknife's: how much the correlation moves when one text is left out (Efron and Stein, 1981).
    """
    if embeddings.shape != reference.shape or reference.ndim != 2 or len(reference) < 4:
        raise ValueError(
            f"Embeddings must be two (N, D) sets, N >= 4, not {tuple(embeddings.shape)} and "
            f"{tuple(reference.shape)}"
        )
    count = len(reference)
    ours, theirs = (_similarities(each) for each in (embeddings, reference))  # (N, N), diagonal 0
    products = (ours, theirs, ours * ours, theirs * theirs, ours * theirs)
    of_text = torch.stack([each.sum(1) for each in products])  # (5, N): pairs of each text
    of_all = of_text.sum(1) / 2  # each pair stands in two rows
    value = _correlation(of_all, math.comb(count, 2))
    without = _correlation(of_all[:, None] - of_text, math.comb(count - 1, 2))  # (N,)
    variance = (count - 1) / count * (without - without.mean()).square().sum()
    return Fidelity(float(value), float(variance.sqrt()))


def _similarities(embeddings: Tensor) -> Tensor:
    rows = embeddings.double()
    return (rows @ rows.T).fill_diagonal_(0)


def _correlation(sums: Tensor, pairs: int) -> Tensor:
    """Pearson's coefficient from the sums of x, y, x^2, y^2 and xy over ``pairs`` pairs.

    sums: (5, ...). Returns (...).
    """
    x, y, xx, yy, xy = (sums / pairs).unbind()
    return (xy - x * y) / ((xx - x * x) * (yy - y * y)).sqrt()
