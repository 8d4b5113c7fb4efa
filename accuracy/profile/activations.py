"""Sample the inputs of each layer while a model runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from halfbyte.accuracy.models.subject import Subject
from halfbyte.accuracy.recipes.inputs import layers_of, on_inputs
from halfbyte.base import UserError

__all__ = ["RowSample", "collect_activations"]


class RowSample:
    """A uniform random sample of rows, from a stream whose length is not known beforehand.

    Every row gets a random key. The rows with the greatest keys stay in the sample.

    Parameters
    ----------
    limit : int
        The largest number of values to keep. At least one row is kept.
    generator : torch.Generator
        Source of the keys.
    """

    def __init__(self, limit: int, generator: torch.Generator) -> None:
        self.limit = limit
        self._generator = generator
        self._rows: Tensor | None = None
        self._keys = torch.empty(0)

    def add(self, rows: Tensor) -> None:
        """Offer rows to the sample; (N, inputs) floating point."""
        keys = torch.cat([self._keys, torch.rand(len(rows), generator=self._generator)])
        room = max(1, self.limit // max(1, rows.shape[1]))
        kept = keys.topk(min(room, len(keys))).indices.sort().values
        before = self._rows if self._rows is not None else rows[:0]
        old, fresh = kept[kept < len(before)], kept[kept >= len(before)] - len(before)
        self._rows = torch.cat([before[old], rows[fresh].float()])
        self._keys = keys[kept]

    @property
    def rows(self) -> Tensor:
        """The rows in the sample, in the order in which they came; (M, inputs) float32."""
        return torch.empty(0, 1) if self._rows is None else self._rows


def collect_activations(
    subject: Subject, *, limit: int, seed: int = 0, random_inputs: bool = False
) -> dict[str, Tensor]:
    """Sample the input vectors of each layer while the model reads its calibration text.

    Parameters
    ----------
    subject : Subject
        The model, with its calibration text.
    limit : int
        The largest number of values to keep for each layer. At least one vector is kept. Vectors
        are drawn uniformly.
    seed : int
        Seed of the sample and of random inputs.
    random_inputs : bool
        Whether to replace the token embeddings by random values from the normal distribution
        N(0, 1), which is an option in Dotzel et al. (2024).

    Returns
    -------
    dict
        Layer name to (vectors, inputs) float32; layers that did not run are missing.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = layers_of(subject.matrices())
    samples = {name: RowSample(limit, generator) for name in layers}
    recorders = {name: _recorder(sample) for name, sample in samples.items()}
    with (
        on_inputs(layers, recorders),
        _random_embeddings(subject.module, generator, random_inputs),
    ):
        subject.calibrate()
    return {name: sample.rows for name, sample in samples.items() if sample.rows.numel()}


def _recorder(sample: RowSample) -> Callable[[Tensor], Tensor]:
    """A function that adds vectors to ``sample`` and returns them unchanged."""

    def record(vectors: Tensor) -> Tensor:
        sample.add(vectors.detach().reshape(-1, vectors.shape[-1]))
        return vectors

    return record


@contextmanager
def _random_embeddings(
    module: nn.Module, generator: torch.Generator, wanted: bool
) -> Iterator[None]:
    """Within this context, the token embedding gives random values from N(0, 1), if ``wanted``."""
    if not wanted:
        yield
        return
    table = getattr(module, "get_input_embeddings", lambda: None)()
    if not isinstance(table, nn.Module):
        raise UserError("Random inputs need a token embedding, which this model does not have")

    def replace(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return torch.randn(output.shape, generator=generator).to(output)

    handle = table.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
