"""The profile of one tensor: its values as they are, and as the block quantizer sees them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from halfbyte.accuracy.profile.fits import MIN_COUNT, Fits, fit_distributions
from halfbyte.base import UserError

__all__ = ["MAX_SAMPLES", "TensorProfile", "profile_matrix"]

MAX_SAMPLES = 2**20
_FIGURES = (
    "nu", "loc", "scale", "normal_loc", "normal_scale", "laplace_loc", "laplace_scale",
    "ks_t", "ks_normal", "ks_laplace", "ks_delta",
)  # fmt: skip


@dataclass(frozen=True)
class TensorProfile:
    """What was found for one tensor.

    Parameters
    ----------
    record : dict
        ``layer``, ``what`` (``weight`` or ``activation``), ``normalized`` (by block or not),
        ``block``, ``elements`` of the tensor, ``zeros`` (their share), ``count`` (values fitted),
        ``nu``, ``loc`` and ``scale`` of Student's t, those of the other two with their names in
        front, ``ks_t``, ``ks_normal``, ``ks_laplace``, ``ks_delta``, and ``note``: why there are
        no figures, or null.
    fits : Fits or None
        For plots.
    """

    record: dict[str, Any]
    fits: Fits | None


def profile_matrix(
    layer: str, what: str, matrix: Tensor, *, block: int = 128, seed: int = 0
) -> list[TensorProfile]:
    """Two profiles: of the values as they are, and of blocks divided by their largest magnitude.

    matrix: (rows, inputs) floating point; blocks of ``block`` run along the inputs, the tail is a
    shorter one. Of more than :data:`MAX_SAMPLES` values, whole blocks are drawn at random. Zeros
    are counted and left out: every format has them exactly, and a third of them would leave no fit.

    Raises
    ------
    UserError
        NaN or infinities, naming the layer.
    """
    if not bool(matrix.isfinite().all()):
        raise UserError(f"The {what} of layer {layer[:200]} has NaN or infinite values")
    blocks = _sampled_blocks(matrix, block, seed)
    maxima = blocks.abs().amax(dim=1, keepdim=True)
    inputs = {
        "layer": layer,
        "what": what,
        "block": block,
        "elements": matrix.numel(),
        "zeros": float((matrix == 0).sum()) / max(1, matrix.numel()),
    }
    return [
        _profile({**inputs, "normalised": normalized}, values[blocks != 0])
        for normalized, values in ((False, blocks), (True, blocks / maxima))
    ]


def _sampled_blocks(matrix: Tensor, block: int, seed: int) -> Tensor:
    """(blocks, block) float32; a tail is filled up with zeros."""
    padded = torch.nn.functional.pad(matrix, (0, -matrix.shape[1] % block))
    blocks = padded.reshape(-1, block)
    room = max(1, MAX_SAMPLES // block)
    if len(blocks) > room:
        generator = torch.Generator().manual_seed(seed)
        blocks = blocks[torch.randperm(len(blocks), generator=generator)[:room]]
    return blocks.float()


def _profile(inputs: dict[str, Any], values: Tensor) -> TensorProfile:
    empty = {"count": values.numel(), **dict.fromkeys(_FIGURES)}
    if values.numel() < MIN_COUNT:
        note = f"fewer than {MIN_COUNT} values that are not zero"
        return TensorProfile({**inputs, **empty, "note": note}, None)
    try:
        fits = fit_distributions(values)
    except ValueError as error:  # no likelihood has a maximum where values hardly differ
        return TensorProfile({**inputs, **empty, "note": str(error)}, None)
    figures = {
        "nu": fits.student_t.nu,
        "loc": fits.student_t.loc,
        "scale": fits.student_t.scale,
        "normal_loc": fits.normal.loc,
        "normal_scale": fits.normal.scale,
        "laplace_loc": fits.laplace.loc,
        "laplace_scale": fits.laplace.scale,
        "ks_t": fits.student_t.ks,
        "ks_normal": fits.normal.ks,
        "ks_laplace": fits.laplace.ks,
        "ks_delta": fits.ks_delta,
    }
    return TensorProfile({**inputs, **empty, **figures, "note": None}, fits)
