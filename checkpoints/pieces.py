"""Read the weights of a checkpoint in pieces of whole rows, to need little memory.

A piece is a pair: the number of its first row in the matrix, and its rows, (rows, inputs), in the
stored type. In a mixture of experts, the tensor of a weight may hold several matrices, one for
each expert.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.checkpoints.plan import StoredWeight
from halfbyte.golden.layers import Layout, to_matrix

__all__ = ["blaming", "matrices", "pieces_of", "rows_per_piece"]

PIECE_ELEMENTS = 1 << 18  # the most elements of a piece, unless a single row has more


def rows_per_piece(inputs: int) -> int:
    """The number of rows in a piece, if each row has this many elements."""
    return max(1, PIECE_ELEMENTS // inputs)


def matrices(weight: StoredWeight) -> Iterator[tuple[int, Iterator[tuple[int, Tensor]]]]:
    """For each matrix of a weight: its number, and an iterator over its pieces."""
    for number in range(weight.experts or 1):
        yield number, pieces_of(weight, number)


def pieces_of(weight: StoredWeight, number: int) -> Iterator[tuple[int, Tensor]]:
    """The pieces of the matrix with this number, in the order of the rows.

    If the tensor is not one matrix that is stored row by row, the whole matrix is read first.
    """
    outputs, inputs = weight.matrix_shape
    step = rows_per_piece(inputs)
    whole: Tensor | None = None
    if weight.experts is not None:
        whole = to_matrix(weight.tensor.read(number, number + 1)[0], weight.layout)
    elif weight.layout is not Layout.ROWS:
        whole = to_matrix(weight.tensor.read(), weight.layout, weight.groups)
    for first in range(0, outputs, step):
        last = min(first + step, outputs)
        rows = weight.tensor.read(first, last) if whole is None else whole[first:last].contiguous()
        yield first, rows


@contextmanager
def blaming(weight: StoredWeight, first: int, rows: Tensor) -> Iterator[None]:
    """Within this context, a ValueError or UserError becomes a UserError that names the tensor.

    ``rows`` is the piece that is quantized, and ``first`` is its first row. If a value in the piece
    is not finite, the error names its row, too.
    """
    try:
        yield
    except (ValueError, UserError) as error:
        layer = weight.name.removesuffix(".weight")
        where = f"Layer {layer}: tensor {weight.name} in {weight.tensor.file}"
        bad = (~rows.to(torch.float32).isfinite()).sum(dim=1)  # (rows,)
        if not bool(bad.any()):
            raise UserError(f"{where} cannot be quantized: {error}") from error
        row = int(bad.nonzero()[0])
        kind = "NaN" if bool(rows[row].isnan().any()) else "values that are infinite in FP32"
        raise UserError(
            f"{where} holds {kind}, first in the row of output {first + row}; the checkpoint is "
            "damaged or its training diverged"
        ) from error
