"""Fit distributions to a tensor's values, as they are and divided by the largest in their block."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from halfbyte.accuracy.profile.fits import MIN_COUNT, Fits, fit_distributions
from halfbyte.base import Record, UserError

__all__ = ["MAX_SAMPLES", "TensorProfile", "TensorRecord", "profile_matrix"]

MAX_SAMPLES = 2**20  # the most values of a tensor that are fitted


@dataclass(frozen=True, kw_only=True)
class TensorRecord(Record):
    """How a tensor's values are distributed. If nothing can be fitted, the results are null."""

    model: str | None = None
    """The model; null for a tensor without one."""
    seed: int | None = None
    """Seed of the random sample that is fitted if a tensor has too many values."""
    versions: Mapping[str, str | None] | None = None
    """Versions of the libraries."""
    inputs: str | None = None
    """What the model was run on to get activations: ``text`` or ``random``; null for weights."""
    layer: str
    """Name of the layer in the model."""
    what: str
    """``weight`` or ``activation``."""
    block: int
    """Number of values that share a scale."""
    elements: int
    """Number of values in the tensor."""
    zeros: float
    """The share of zeros, 0 to 1."""
    normalised: bool
    """Whether each block was divided by its largest magnitude."""
    count: int
    """Number of values in the sample that are not zero. These values are fitted."""
    nu: float | None = None
    """Degrees of freedom of Student's t."""
    loc: float | None = None
    """Centre of Student's t."""
    scale: float | None = None
    """Width of Student's t."""
    normal_loc: float | None = None
    """Centre of the normal distribution."""
    normal_scale: float | None = None
    """Standard deviation of the normal distribution."""
    laplace_loc: float | None = None
    """Centre of the Laplace distribution."""
    laplace_scale: float | None = None
    """Width of the Laplace distribution."""
    ks_t: float | None = None
    """Kolmogorov-Smirnov distance of Student's t, 0 to 1."""
    ks_normal: float | None = None
    """Kolmogorov-Smirnov distance of the normal distribution, 0 to 1."""
    ks_laplace: float | None = None
    """Kolmogorov-Smirnov distance of the Laplace distribution, 0 to 1."""
    ks_delta: float | None = None
    """``ks_normal`` minus ``ks_t``: positive if Student's t is nearer."""
    note: str | None = None
    """Why nothing was fitted; null if the values were fitted."""


@dataclass(frozen=True)
class TensorProfile:
    """The profile of one tensor.

    Parameters
    ----------
    record : TensorRecord
        The fitted parameters, and the counts of values.
    fits : Fits or None
        The fitted distributions, for plots; None if nothing can be fitted.
    """

    record: TensorRecord
    fits: Fits | None


def profile_matrix(
    layer: str, what: str, matrix: Tensor, *, block: int = 128, seed: int = 0
) -> list[TensorProfile]:
    """Two profiles: the values, and the values divided by the largest magnitude in their block.

    matrix: (rows, inputs) floating point. Blocks of ``block`` values run along the inputs; the last
    block of a row may be shorter. If there are more than :data:`MAX_SAMPLES` values, whole blocks
    are drawn at random. Zeros are counted but left out of the fits. Nearly every format represents
    zero exactly, and many zeros would make a fit impossible.

    Raises
    ------
    UserError
        The matrix has NaN or infinities; the message names the layer.
    """
    if not bool(matrix.isfinite().all()):
        raise UserError(
            f"The {what} of layer {layer[:200]} must be finite, but has NaN or infinite values"
        )
    blocks = _sampled_blocks(matrix, block, seed)
    maxima = blocks.abs().amax(dim=1, keepdim=True)
    return [
        _profile(
            TensorRecord(
                layer=layer,
                what=what,
                block=block,
                elements=matrix.numel(),
                zeros=float((matrix == 0).sum()) / max(1, matrix.numel()),
                normalised=normalized,
                count=int((blocks != 0).sum()),
            ),
            values[blocks != 0],
        )
        for normalized, values in ((False, blocks), (True, blocks / maxima))
    ]


def _sampled_blocks(matrix: Tensor, block: int, seed: int) -> Tensor:
    """The blocks of a matrix, or a random sample if there are too many: (blocks, block) float32.

    A short block is padded with zeros.
    """
    padded = torch.nn.functional.pad(matrix, (0, -matrix.shape[1] % block))
    blocks = padded.reshape(-1, block)
    room = max(1, MAX_SAMPLES // block)
    if len(blocks) > room:
        generator = torch.Generator().manual_seed(seed)
        blocks = blocks[torch.randperm(len(blocks), generator=generator)[:room]]
    return blocks.float()


def _profile(empty: TensorRecord, values: Tensor) -> TensorProfile:
    """Fit ``values``, (count,) without zeros, and add the results to the record ``empty``."""
    if values.numel() < MIN_COUNT:
        note = f"fewer than {MIN_COUNT} values that are not zero"
        return TensorProfile(replace(empty, note=note), None)
    try:
        fits = fit_distributions(values)
    except ValueError as error:  # too many values are equal, so the likelihood has no maximum
        return TensorProfile(replace(empty, note=str(error)), None)
    record = replace(
        empty,
        nu=fits.student_t.nu,
        loc=fits.student_t.loc,
        scale=fits.student_t.scale,
        normal_loc=fits.normal.loc,
        normal_scale=fits.normal.scale,
        laplace_loc=fits.laplace.loc,
        laplace_scale=fits.laplace.scale,
        ks_t=fits.student_t.ks,
        ks_normal=fits.normal.ks,
        ks_laplace=fits.laplace.ks,
        ks_delta=fits.ks_delta,
    )
    return TensorProfile(record, fits)
