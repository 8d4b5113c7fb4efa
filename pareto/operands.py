"""Collect weights and activations of a model, to measure the energy of MACs on them."""

import torch
from torch import Tensor

from halfbyte.accuracy import find_model
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.accuracy.profile.activations import collect_activations
from halfbyte.area.timing.operands import CYCLES, LAYERS, ROWS, Operands
from halfbyte.base import UserError

__all__ = ["collect_operands"]

# The number of values in a block.
BLOCK = 128
# The most values that are kept of each layer's input. For the widest layers, these are a few rows.
_LIMIT = 2**16


def collect_operands(model: str) -> Operands:
    """Rows of weights and rows of activations, from four layers of a model.

    Each block of 128 values is divided by its largest magnitude. The layers are spread evenly over
    those that are large enough. The activations come from the model's calibration text. Raises
    UserError if the model has fewer than four layers that are large enough.
    """
    reference = find_model(model)
    subject = open_subject(reference)
    inputs = collect_activations(subject, limit=_LIMIT)
    matrices = {name: matrix.read() for name, matrix in subject.matrices().items()}
    wide = [
        name
        for name, matrix in matrices.items()
        if name in inputs
        and matrix.shape[1] >= CYCLES
        and min(len(matrix), len(inputs[name])) >= ROWS
    ]
    if len(wide) < LAYERS:
        raise UserError(
            f"Operands need {LAYERS} layers of at least {CYCLES} inputs and {ROWS} outputs; "
            f"{model} has {len(wide)} of them"
        )
    chosen = [wide[round(place)] for place in torch.linspace(0, len(wide) - 1, LAYERS).tolist()]
    weights, activations = (
        torch.stack([_rows(source[name]) for name in chosen]).numpy()
        for source in (matrices, inputs)
    )
    return Operands.of(reference.name, weights, activations)


def _rows(matrix: Tensor) -> Tensor:
    """Rows spread from the first to the last; each block is divided by its largest magnitude.

    The shape is (ROWS, CYCLES).
    """
    places = torch.linspace(0, len(matrix) - 1, ROWS).round().long()
    blocks = matrix[places, :CYCLES].float().reshape(ROWS, -1, BLOCK)
    largest = blocks.abs().amax(-1, keepdim=True)
    return (blocks / largest.where(largest > 0, 1.0)).reshape(ROWS, CYCLES)
