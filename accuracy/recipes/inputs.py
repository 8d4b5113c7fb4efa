"""What reaches a layer, on its way in: seen for calibration, or replaced by quantized values."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from halfbyte.accuracy.layers import WeightMatrix, input_axis
from halfbyte.base import UserError

__all__ = ["blaming", "from_vectors", "layers_of", "on_inputs", "to_vectors"]

Transform = Callable[[Tensor], Tensor]


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Put the layer's name before a UserError's text."""
    try:
        yield
    except UserError as error:
        raise UserError(f"Layer {name}: {error}") from error


def layers_of(matrices: Mapping[str, WeightMatrix]) -> dict[str, nn.Module]:
    """Each layer once, by the name of its first matrix."""
    names: dict[nn.Module, str] = {}
    for name, matrix in matrices.items():
        names.setdefault(matrix.layer, name)
    return {name: layer for layer, name in names.items()}


def to_vectors(inputs: Tensor, layer: nn.Module) -> Tensor:
    """A layer's input as (..., width) vectors, which a row of its weight matrix multiplies.

    A convolution of several groups has one vector for each: (..., groups, width).
    """
    vectors = inputs.movedim(input_axis(layer), -1)
    groups = int(getattr(layer, "groups", 1))
    return vectors if groups == 1 else vectors.reshape(*vectors.shape[:-1], groups, -1)


def from_vectors(vectors: Tensor, layer: nn.Module) -> Tensor:
    """Undo :func:`to_vectors`."""
    if int(getattr(layer, "groups", 1)) != 1:
        vectors = vectors.flatten(-2)
    return vectors.movedim(-1, input_axis(layer))


def _replaced(value: Any, transform: Transform) -> Any:
    if isinstance(value, PackedSequence):
        return value._replace(data=transform(value.data))
    return transform(value)


def _hook(transform: Transform) -> Callable[..., Any]:
    """A forward pre-hook that replaces the layer's first argument, however it is passed."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, object]) -> Any:
        if args:
            return (_replaced(args[0], transform), *args[1:]), kwargs
        first = next(iter(kwargs))
        return args, {**kwargs, first: _replaced(kwargs[first], transform)}

    return hook


def _named(name: str, transform: Transform) -> Transform:
    def named(inputs: Tensor) -> Tensor:
        with blaming(name), torch.no_grad():
            return transform(inputs)

    return named


@contextmanager
def on_inputs(
    layers: Mapping[str, nn.Module], transforms: Mapping[str, Transform]
) -> Iterator[None]:
    """Within this context, the input of each layer that has a transform passes through it.

    Of a recurrent layer that is the sequence alone: neither its initial state nor what it feeds
    back to itself.
    """
    with ExitStack() as stack:
        for name, transform in transforms.items():
            hook = _hook(_named(name, transform))
            handle = layers[name].register_forward_pre_hook(hook, with_kwargs=True)
            stack.callback(handle.remove)
        yield
