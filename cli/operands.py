"""``halfbyte operands``: values of a model's weights and activations, for energies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfbyte.base import UserError, write_atomically
from halfbyte.cli.output import console, progress
from halfbyte.cli.units import Codes, check_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from halfbyte.area.timing.packets import FixedPackets, Packets

__all__ = ["collect_fixed_packets", "collect_packets", "operands"]

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


def operands(
    model: Model, output: Output, packets: PacketsOnly = False, codes: Codes = "table"
) -> None:
    """Write what the MACs of a model multiply, for `halfbyte synth --operands FILE`."""
    with progress(f"Operands of {model}") as update:
        update(0, 1, "")
        if packets:
            check_codes(codes)
            collect = collect_fixed_packets if codes == "fixed" else collect_packets
            data = collect(model).to_bytes()
        else:
            from halfbyte.pareto.operands import collect_operands

            data = collect_operands(model).to_bytes()
    write_atomically(output, data)
    console.print(f"wrote {output} ({len(data):,} bytes)")


def collect_packets(model: str) -> "Packets":
    """64 chunks of 256 weights, in BF16, of four matrices from first to last; one code for all.

    Raises UserError if the model has too few matrices of at least 256 columns and 16 rows.
    """
    import numpy as np
    import torch

    from halfbyte.area.timing.packets import Packets
    from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS
    from halfbyte.sim.dfloat11.packets import Compressed, code_of, encode, numbers_of

    matrices = _matrices(model)
    every = torch.cat([matrix.flatten() for matrix in matrices])
    table = Compressed.of(every, model, rows=ROWS, max_length=MAX_LENGTH).table
    coded = [
        encode(code_of(table), weights, model) for matrix in matrices for weights in _rows(matrix)
    ]
    words, counts = _padded([packet.words for packet in coded], np.uint32)
    raw = np.array([packet.raw for packet in coded], np.uint8)
    return Packets(np.array(numbers_of(table), np.uint16), words, counts, raw)


def collect_fixed_packets(model: str) -> "FixedPackets":
    """The same chunks in the best fixed code of their matrix, in whole pairs of bytes."""
    import numpy as np

    from halfbyte.area.timing.packets import FixedPackets
    from halfbyte.golden.dfloat11 import FixedCode, symbol_counts
    from halfbyte.sim.dfloat11.fixed_scenarios import encode_fixed

    coded = [
        encode_fixed(FixedCode.best(symbol_counts(matrix).tolist()), weights, model, symbols=2)
        for matrix in _matrices(model)
        for weights in _rows(matrix)
    ]
    codes, counts = _padded([packet.words for packet in coded], np.uint8)
    return FixedPackets(codes, counts, np.array([packet.raw for packet in coded], np.uint8))


def _matrices(model: str) -> "list[Tensor]":
    """Four wide matrices of a model, from first to last, in BF16."""
    import torch

    from halfbyte.accuracy import find_model
    from halfbyte.accuracy.models.loading import open_subject
    from halfbyte.area.timing.activity import LANES
    from halfbyte.area.timing.operands import LAYERS
    from halfbyte.area.timing.packets import ELEMENTS

    subject = open_subject(find_model(model))
    read = (matrix.read() for matrix in subject.matrices().values())
    wide = [
        matrix.to(torch.bfloat16)
        for matrix in read
        if matrix.shape[1] >= ELEMENTS and matrix.shape[0] >= LANES // LAYERS
    ]
    if len(wide) < LAYERS:
        raise UserError(
            f"Packets need {LAYERS} matrices of {ELEMENTS} columns; {model} has {len(wide)}"
        )
    return [wide[place] for place in torch.linspace(0, len(wide) - 1, LAYERS).long().tolist()]


def _rows(matrix: "Tensor") -> "Iterator[list[int]]":
    """The first 256 weights of 16 rows, as bits of BF16."""
    import torch

    from halfbyte.area.timing.activity import LANES
    from halfbyte.area.timing.operands import LAYERS
    from halfbyte.area.timing.packets import ELEMENTS

    for row in torch.linspace(0, len(matrix) - 1, LANES // LAYERS).long():
        yield matrix[row, :ELEMENTS].view(torch.uint16).tolist()


def _padded(
    packets: "Sequence[Sequence[int]]", kind: "type[np.unsignedinteger]"
) -> "tuple[NDArray[Any], NDArray[np.uint16]]":
    """Packets as rows of one array, filled up with zeros, and how long each is."""
    import numpy as np

    counts = [len(packet) for packet in packets]
    rows = np.zeros((len(packets), max(counts)), kind)
    for row, packet in zip(rows, packets, strict=True):
        row[: len(packet)] = packet
    return rows, np.array(counts, np.uint16)
