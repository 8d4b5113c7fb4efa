"""Collect statistics of the inputs of layers while a model runs on calibration text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.accuracy.recipes.inputs import on_inputs
from halfbyte.base import UserError
from halfbyte.golden.layers import WeightMatrix

__all__ = ["LayerInputs", "observed_inputs"]

# The most input vectors of a layer that are kept: from each call, and from all calls together. The
# search for the best smoothing of the layer runs on these vectors.
ROWS_PER_CALL, MAX_ROWS = 64, 512


@dataclass(eq=False)
class LayerInputs:
    """Statistics of the vectors that a layer's weight matrix multiplies.

    All kernel positions and groups of a convolution share these statistics.

    Parameters
    ----------
    absmax : Tensor
        (width,) float32: largest magnitude of each input.
    gram : Tensor
        (width, width) float64: sum of the outer products of the vectors.
    rows : Tensor
        (N, width) float32: some of the vectors.
    """

    absmax: Tensor
    gram: Tensor
    rows: Tensor

    @classmethod
    def none_yet(cls, width: int) -> "LayerInputs":
        """The statistics before the first vector."""
        gram = torch.zeros(width, width, dtype=torch.float64)
        return cls(torch.zeros(width), gram, torch.zeros(0, width))

    def add(self, vectors: Tensor) -> None:
        """Add more vectors to the statistics; (N, width) float32."""
        if vectors.shape[0] == 0:
            return
        if not bool(vectors.isfinite().all()):
            raise UserError("calibration inputs must be finite, but some are NaN or infinite")
        self.absmax = torch.maximum(self.absmax, vectors.abs().amax(0))
        product = vectors.T @ vectors
        if not bool(product.isfinite().all()):  # squares beyond FP32
            product = vectors.double().T @ vectors.double()
        self.gram += product.double()
        wanted = min(ROWS_PER_CALL, MAX_ROWS - len(self.rows))
        if wanted > 0:
            some = vectors[:: -(-len(vectors) // wanted)]
            self.rows = torch.cat([self.rows, some])


def observed_inputs(
    layers: Mapping[str, WeightMatrix], calibrate: Callable[[], None]
) -> dict[str, LayerInputs]:
    """Run the unquantized model once. Returns statistics of each weight's inputs, by its name.

    Recurrent layers are left out because they compute most of their inputs themselves. Weights
    that get no inputs are left out, too, such as those of experts that receive no token.

    Raises UserError if no layer gets an input. If an input is not finite, the UserError names the
    layer.
    """
    watched = {name: each for name, each in layers.items() if not each.is_recurrent}
    seen: dict[str, LayerInputs] = {}

    def watch(name: str) -> Callable[[Tensor], Tensor]:
        def look(inputs: Tensor) -> Tensor:
            vectors = inputs.detach().to(torch.float32).reshape(-1, inputs.shape[-1])
            seen.setdefault(name, LayerInputs.none_yet(vectors.shape[-1])).add(vectors)
            return inputs

        return look

    with on_inputs(watched, {name: watch(name) for name in watched}), torch.no_grad():
        calibrate()
    reached = {name: inputs for name, inputs in seen.items() if len(inputs.rows)}
    if watched and not reached:
        raise UserError(
            f"The calibration text must reach layers, but reaches none of {len(watched)}, such as "
            f"{next(iter(watched))}"
        )
    return reached
