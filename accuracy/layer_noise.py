"""Compute signal-to-noise ratios of quantized layers without running the model for each format.

Each ratio takes milliseconds, so many block sizes and scales can be compared. The ratio does not
show how much of the noise matters to the model.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import torch
from torch import Tensor

from halfbyte.accuracy.models.loading import open_subject
from halfbyte.accuracy.models.reference import find_model
from halfbyte.accuracy.profile.activations import collect_activations
from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden import quantize
from halfbyte.golden.scales import ScaleFormat

__all__ = ["LayerSample", "layer_samples", "result_sqnr_db"]

ROWS = 48
"""Number of outputs, and number of input vectors, that are sampled from each layer."""
# The most input values that are kept for each layer: enough for 48 vectors of up to 5461 values.
_LIMIT = 2**18


@dataclass(frozen=True, eq=False)
class LayerSample:
    """Some rows of a layer's weight, and some of the layer's input vectors.

    Parameters
    ----------
    weight, inputs : Tensor
        (N, K) and (T, K) float32: the weights of N outputs, and T input vectors, of K values each.
    weight_absmax : Tensor
        Largest magnitude of the whole weight. Some scale formats need it for a scale of the tensor.
    """

    weight: Tensor
    inputs: Tensor
    weight_absmax: Tensor


def layer_samples(model: str, rows: int = ROWS) -> list[LayerSample]:
    """A sample of each layer: ``rows`` outputs and as many input vectors, evenly spaced.

    The input vectors come from the model's calibration text. Layers with fewer outputs or input
    vectors are left out. Raises UserError if no layer is left.
    """
    subject = open_subject(find_model(model))
    inputs = collect_activations(subject, limit=_LIMIT)
    samples = []
    for name, matrix in subject.matrices().items():
        if name not in inputs:
            continue
        weight, seen = matrix.read().float(), inputs[name]
        if min(len(weight), len(seen)) >= rows and seen.shape[1] == weight.shape[1]:
            chosen = (_spread(weight, rows), _spread(seen, rows))
            samples.append(LayerSample(*chosen, weight.abs().amax()))
    if not samples:
        raise UserError(
            f"{model} has no layer with at least {rows} outputs and {rows} input vectors"
        )
    return samples


def _spread(matrix: Tensor, rows: int) -> Tensor:
    """``rows`` rows of the matrix, evenly spaced from the first to the last, as float32."""
    return matrix[torch.linspace(0, len(matrix) - 1, rows).round().long()].float()


def result_sqnr_db(
    samples: Sequence[LayerSample], fmt: Format, block: int, scale_format: ScaleFormat
) -> float:
    """Mean signal-to-noise ratio of the layers' results in dB, with both operands in ``fmt``.

    Each block of ``block`` values along K shares a scale. Products are added in FP64.
    """
    code = partial(quantize, fmt=fmt, block=block, scale_format=scale_format)
    decibels = []
    for sample in samples:
        weight = code(sample.weight, tensor_absmax=sample.weight_absmax).dequantize()
        inputs = code(sample.inputs).dequantize()
        exact = sample.inputs.double() @ sample.weight.double().T
        noise = (inputs.double() @ weight.double().T - exact).square().sum()
        decibels.append(10 * math.log10(float(exact.square().sum() / noise)))
    return fmean(decibels)
