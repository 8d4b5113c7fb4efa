"""``halfbyte operands``: values of a model's weights and activations, for energies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError, write_atomically
from halfbyte.cli.output import console, progress

if TYPE_CHECKING:
    from torch import Tensor

    from halfbyte.area.operands import Operands

__all__ = ["collect_operands", "operands"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As for `halfbyte evaluate`.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write (.npz).")]
BLOCK = 128
# Values to keep of each layer's input: some rows of the widest layers that are met.
_LIMIT = 2**16


def operands(model: Model, output: Output) -> None:
    """Write what the MACs of a model multiply, for `halfbyte synth --operands FILE`."""
    with progress(f"Operands of {model}") as update:
        update(0, 1, "")
        found = collect_operands(model)
    data = found.to_bytes()
    write_atomically(output, data)
    console.print(f"wrote {output} ({len(data):,} bytes)")


def collect_operands(model: str) -> "Operands":
    """Rows of weights and activations of four layers, from first to last, by block maximum.

    The activations are those of the model's calibration text. Raises UserError if the model has
    too few layers of at least 256 inputs.
    """
    import torch

    from halfbyte.accuracy import find_model
    from halfbyte.accuracy.models.loading import open_subject
    from halfbyte.accuracy.profile.activations import collect_activations
    from halfbyte.area.operands import CYCLES, LAYERS, ROWS, Operands

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
            f"Operands need {LAYERS} layers of {CYCLES} inputs; {model} has {len(wide)}"
        )
    chosen = [wide[round(place)] for place in torch.linspace(0, len(wide) - 1, LAYERS).tolist()]

    def rows(matrix: "Tensor") -> "Tensor":
        places = torch.linspace(0, len(matrix) - 1, ROWS).round().long()
        blocks = matrix[places, :CYCLES].float().reshape(ROWS, -1, BLOCK)
        largest = blocks.abs().amax(-1, keepdim=True)
        return (blocks / largest.where(largest > 0, 1.0)).reshape(ROWS, CYCLES)

    weights, activations = (
        torch.stack([rows(source[name]) for name in chosen]).numpy()
        for source in (matrices, inputs)
    )
    return Operands.of(reference.name, weights, activations)
