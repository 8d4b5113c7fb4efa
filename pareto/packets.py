"""Compress a model's weights with DFloat11, to measure the energy of decoders on them.

DFloat11 compresses BF16 weights without loss, in chunks. A decoder has several *lanes*, which
decode chunks in parallel. A lane reads each chunk as *packets*, which are runs of words or bytes.
The decoder loads a table of codes, or decodes *fixed* codes without one.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.accuracy import find_model
from halfbyte.accuracy.models.loading import open_subject
from halfbyte.area.timing.activity import LANES
from halfbyte.area.timing.operands import LAYERS
from halfbyte.area.timing.packets import ELEMENTS, FixedPackets, Packets
from halfbyte.base import UserError
from halfbyte.golden.dfloat11 import compress, fixed_packets, measure, measure_with, table_packets
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS

__all__ = ["collect_fixed_packets", "collect_packets"]

_ROWS = LANES // LAYERS  # rows of each matrix that are used


def collect_packets(model: str) -> Packets:
    """64 chunks of 256 weights, from four matrices of a model, all with the same code table.

    Raises UserError if the model has fewer than four matrices of at least 256 columns and 16 rows.
    """
    matrices = _matrices(model)
    every = torch.cat([matrix.flatten() for matrix in matrices])
    table = measure(every, max_rows=ROWS, max_length=MAX_LENGTH).header.table
    coded = [
        packet
        for matrix in matrices
        for row in _rows(matrix)
        for packet in table_packets(compress(row, measure_with(row, table)))
    ]
    words, counts = _padded([words for words, _ in coded], np.uint32)
    raw = np.array([raw for _, raw in coded], np.uint8)
    return Packets(np.array(table.numbers, np.uint16), words, counts, raw)


def collect_fixed_packets(model: str) -> FixedPackets:
    """The weights of :func:`collect_packets`, in the best fixed code for each matrix.

    The packets are for a decoder whose lanes give two weights per cycle. Raises UserError as
    :func:`collect_packets` does.
    """
    coded: list[tuple[bytes, bytes]] = []
    for matrix in _matrices(model):
        table = measure(matrix, codes="fixed").header.table
        for row in _rows(matrix):
            coded += fixed_packets(compress(row, measure_with(row, table)), symbols=2)
    codes, counts = _padded([codes for codes, _ in coded], np.uint8)
    return FixedPackets(codes, counts, np.array([list(raw) for _, raw in coded], np.uint8))


def _matrices(model: str) -> list[Tensor]:
    """Four matrices in BF16, spread from the first large enough matrix of the model to the last."""
    subject = open_subject(find_model(model))
    read = (matrix.read() for matrix in subject.matrices().values())
    wide = [
        matrix.to(torch.bfloat16)
        for matrix in read
        if matrix.shape[1] >= ELEMENTS and matrix.shape[0] >= _ROWS
    ]
    if len(wide) < LAYERS:
        raise UserError(
            f"Packets need {LAYERS} matrices of at least {ELEMENTS} columns and {_ROWS} rows; "
            f"{model} has {len(wide)} of them"
        )
    return [wide[place] for place in torch.linspace(0, len(wide) - 1, LAYERS).long().tolist()]


def _rows(matrix: Tensor) -> Iterator[Tensor]:
    """The first 256 weights of 16 rows, spread from the first row to the last."""
    for row in torch.linspace(0, len(matrix) - 1, _ROWS).long():
        yield matrix[row, :ELEMENTS]


def _padded(
    packets: Sequence[Sequence[int]], kind: type[np.unsignedinteger]
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Packets as the rows of one array, padded with zeros, and the length of each packet."""
    counts = [len(packet) for packet in packets]
    rows = np.zeros((len(packets), max(counts)), kind)
    for row, packet in zip(rows, packets, strict=True):
        row[: len(packet)] = list(packet)
    return rows, np.array(counts, np.uint16)
