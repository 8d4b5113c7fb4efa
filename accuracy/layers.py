"""Layers whose weights can be quantized, each weight seen as an (outputs, inputs) matrix.

Blocks run along the inputs, which are what a MAC sums over: for a convolution, the input channels
at one kernel position.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

__all__ = ["WeightMatrix", "input_axis", "rows_of", "weight_matrices"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True)
class WeightMatrix:
    """One weight of a layer as a matrix.

    Parameters
    ----------
    layer : nn.Module
        Linear, Conv1d, Conv2d, the ``Conv1D`` of transformers, RNN, GRU or LSTM.
    parameter : str
        The weight's name in the layer: ``weight``, or ``weight_hh_l0`` and the like.
    """

    layer: nn.Module
    parameter: str = "weight"

    @property
    def tensor(self) -> Tensor:
        """The weight as the layer stores it."""
        weight: Tensor = getattr(self.layer, self.parameter).data
        return weight

    def read(self) -> Tensor:
        """(outputs, inputs), in the weight's own type; a view where the layout allows.

        A convolution has a row for each output channel and kernel position.
        """
        weight = self.tensor
        if isinstance(self.layer, Conv1D):
            return weight.T
        if isinstance(self.layer, _CONVOLUTIONS):
            return weight.movedim(1, -1).flatten(0, -2)
        return weight

    def write(self, matrix: Tensor) -> None:
        """Replace the weight by ``matrix``, of the shape that :meth:`read` gives."""
        weight = self.tensor
        if isinstance(self.layer, Conv1D):
            matrix = matrix.T
        elif isinstance(self.layer, _CONVOLUTIONS):
            outputs, inputs, *kernel = weight.shape
            matrix = matrix.reshape(outputs, *kernel, inputs).movedim(-1, 1)
        getattr(self.layer, self.parameter).data = matrix.to(weight.dtype).contiguous()

    def restore(self, tensor: Tensor) -> None:
        """Put back what :attr:`tensor` gave."""
        getattr(self.layer, self.parameter).data = tensor


def _parameters(layer: nn.Module) -> list[str]:
    """Names of the layer's own weights that multiply inputs."""
    if isinstance(layer, nn.RNNBase):
        return [name for name, _ in layer.named_parameters() if name.startswith("weight")]
    if isinstance(layer, (nn.Linear, Conv1D, *_CONVOLUTIONS)):
        return ["weight"]
    return []


def _found(module: nn.Module) -> Iterator[tuple[str, WeightMatrix]]:
    for name, layer in module.named_modules():
        parameters = _parameters(layer)
        for parameter in parameters:
            suffix = "" if parameters == ["weight"] else parameter
            yield ".".join(filter(None, (name, suffix))) or "weight", WeightMatrix(layer, parameter)


def weight_matrices(module: nn.Module) -> dict[str, WeightMatrix]:
    """Every weight that can be quantized, by layer name, in the module's order.

    The weights of a recurrent layer are told apart by their parameter's name.
    """
    return dict(_found(module))


def input_axis(layer: nn.Module) -> int:
    """The dimension of the layer's input along which its blocks run, counted from the end."""
    if isinstance(layer, nn.Conv2d):
        return -3
    return -2 if isinstance(layer, nn.Conv1d) else -1


def rows_of(inputs: Tensor, layer: nn.Module) -> Tensor:
    """A layer's input as (rows, inputs): what its weight matrix multiplies."""
    return torch.movedim(inputs, input_axis(layer), -1).flatten(0, -2)
