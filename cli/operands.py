"""``halfbyte operands``: values of a model's weights and activations, for energies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError, write_atomically
from halfbyte.cli.output import console, progress

if TYPE_CHECKING:
    from torch import Tensor

    from halfbyte.area.timing.operands import Operands
    from halfbyte.area.timing.packets import Packets

__all__ = ["collect_operands", "collect_packets", "operands"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As for `halfbyte evaluate`.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write (.npz).")]
PacketsOnly = Annotated[
    bool,
    typer.Option(
        "--packets",
        help="Instead, chunks of the weights as the DFloat11 decoder takes them: what its energy "
        "is measured on.",
    ),
]
BLOCK = 128
# Values to keep of each layer's input: some rows of the widest layers that are met.
_LIMIT = 2**16


def operands(model: Model, output: Output, packets: PacketsOnly = False) -> None:
    """Write what the MACs of a model multiply, for `halfbyte synth --operands FILE`."""
    with progress(f"Operands of {model}") as update:
        update(0, 1, "")
        data = (collect_packets if packets else collect_operands)(model).to_bytes()
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
    from halfbyte.area.timing.operands import CYCLES, LAYERS, ROWS, Operands

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


def collect_packets(model: str) -> "Packets":
    """64 chunks of 256 weights, in BF16, of four matrices from first to last; one code for all.

    Raises UserError if the model has too few matrices of at least 256 columns and 16 rows.
    """
    import numpy as np
    import torch

    from halfbyte.accuracy import find_model
    from halfbyte.accuracy.models.loading import open_subject
    from halfbyte.area.timing.activity import LANES
    from halfbyte.area.timing.operands import LAYERS
    from halfbyte.area.timing.packets import ELEMENTS, Packets
    from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS
    from halfbyte.sim.dfloat11.packets import Compressed, code_of, encode, numbers_of

    rows = LANES // LAYERS
    subject = open_subject(find_model(model))
    read = (matrix.read() for matrix in subject.matrices().values())
    wide = [
        matrix.to(torch.bfloat16)
        for matrix in read
        if matrix.shape[1] >= ELEMENTS and matrix.shape[0] >= rows
    ]
    if len(wide) < LAYERS:
        raise UserError(
            f"Packets need {LAYERS} matrices of {ELEMENTS} columns; {model} has {len(wide)}"
        )
    places = torch.linspace(0, len(wide) - 1, LAYERS).long().tolist()
    matrices = [wide[place] for place in places]
    every = torch.cat([matrix.flatten() for matrix in matrices])
    table = Compressed.of(every, model, rows=ROWS, max_length=MAX_LENGTH).table
    coded = [
        encode(code_of(table), row.view(torch.uint16).tolist(), model)
        for matrix in matrices
        for row in matrix[torch.linspace(0, len(matrix) - 1, rows).long(), :ELEMENTS]
    ]
    counts = [len(packet.words) for packet in coded]
    words = np.zeros((LANES, max(counts)), np.uint32)
    for row, packet in zip(words, coded, strict=True):
        row[: len(packet.words)] = packet.words
    return Packets(
        np.array(numbers_of(table), np.uint16),
        words,
        np.array(counts, np.uint16),
        np.array([packet.raw for packet in coded], np.uint8),
    )
