"""Watch the inputs that weights are multiplied by, or replace them by quantized values.

The product may be computed by the layer itself, or by another module that reads the layer's weight
(as in Mamba). The weight of an expert in a mixture of experts may be part of a larger parameter.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from halfbyte.base import UserError
from halfbyte.golden.layers import WeightMatrix, input_axis

__all__ = ["blaming", "layers_of", "on_inputs"]

Transform = Callable[[Tensor], Tensor]
"""Maps vectors (..., width), which the weight matrix multiplies, to vectors of the same shape."""


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Within this context, the text of a UserError begins with ``Layer NAME``."""
    try:
        yield
    except UserError as error:
        raise UserError(f"Layer {name}: {error}") from error


def layers_of(matrices: Mapping[str, WeightMatrix]) -> dict[str, WeightMatrix]:
    """All weights whose inputs can be watched. A shared weight is listed once, by its first name.

    A recurrent layer has several weights. Only the first is listed, which multiplies the layer's
    inputs.
    """
    found: dict[object, tuple[str, WeightMatrix]] = {}
    for name, matrix in matrices.items():
        key = matrix.layer if matrix.is_recurrent else matrix.identity
        found.setdefault(key, (name, matrix))
    return dict(found.values())


@contextmanager
def on_inputs(
    matrices: Mapping[str, WeightMatrix], transforms: Mapping[str, Transform]
) -> Iterator[set[str]]:
    """Within this context, each weight's inputs are replaced by what its transform returns.

    In a recurrent layer, only the input sequence is transformed, not the initial state or the
    fed-back state. A grouped convolution has a vector for each group: (..., groups, width).

    Yields a set to which the name of each weight is added when the weight is used. Raises
    UserError, naming the layer, if a transform raises one, if a product does not sum over the
    inputs of the weight's matrix, or if one product uses several weights and it is not known which
    inputs belong to which weight.
    """
    used: set[str] = set()
    points = [
        _Point(name, matrices[name], transform, used) for name, transform in transforms.items()
    ]
    with ExitStack() as stack:
        for point in points:
            if point.matrix.is_recurrent:
                hook = _sequence_hook(point)
                handle = point.matrix.layer.register_forward_pre_hook(hook, with_kwargs=True)
                stack.callback(handle.remove)
        direct = [point for point in points if not point.matrix.is_recurrent]
        if direct:
            stack.enter_context(_Uses(direct))
        yield used


@dataclass(frozen=True)
class _Point:
    """A weight, and the transform of its inputs."""

    name: str
    matrix: WeightMatrix
    transform: Transform
    used: set[str]

    def __call__(self, vectors: Tensor) -> Tensor:
        self.used.add(self.name)
        with blaming(self.name), torch.no_grad():
            return self.transform(vectors)

    def check_axis(self, weight: Tensor, axis: int) -> None:
        """Raise UserError if the products are not summed along the matrix's inputs."""
        if weight.shape[axis] > 1 and weight.stride(axis) != self.matrix.input_stride:
            raise UserError(
                f"Layer {self.name} must sum over the axis along which blocks run, not another: "
                "this kind of layer is not supported"
            )

    def on_channels(self, inputs: Tensor) -> Tensor:
        """Transform the inputs of a convolution, whose channels are not the last dimension."""
        axis = input_axis(self.matrix.layer)
        groups = int(getattr(self.matrix.layer, "groups", 1))
        vectors = inputs.movedim(axis, -1)
        if groups != 1:
            vectors = vectors.reshape(*vectors.shape[:-1], groups, -1)
        vectors = self(vectors)
        return (vectors if groups == 1 else vectors.flatten(-2)).movedim(-1, axis)


class _Uses(TorchFunctionMode):
    """Intercepts the functions in ``_CHANGES``, and transforms what a watched weight multiplies."""

    def __init__(self, points: list[_Point]) -> None:
        super().__init__()
        # For each address of a storage: the watched weights in it, with their ranges of elements.
        self._points: dict[int, list[tuple[int, int, _Point]]] = {}
        for point in points:
            weight = point.matrix.tensor
            first = int(weight.storage_offset())
            place = weight.untyped_storage().data_ptr()
            self._points.setdefault(place, []).append((first, first + weight.numel(), point))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = dict(kwargs or {})
        change = _CHANGES.get(func)
        if change is not None:
            for key in _OPERANDS:  # operands given by name, in the order of their positions
                if key in named:
                    args = (*args, named.pop(key))
            if len(args) >= 2:
                args = change(self, args)
        return func(*args, **named)

    def points_of(self, value: object) -> list[_Point]:
        """The watched weights that share memory with a tensor, in whole or in part."""
        if not isinstance(value, Tensor) or value.layout is not torch.strided:
            return []
        places = self._points.get(value.untyped_storage().data_ptr())
        if not places:
            return []
        first = value.storage_offset()
        last = first + max(1, value.numel())
        return [point for begin, end, point in places if begin < last and first < end]


def _linear(uses: _Uses, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of ``linear(input, weight)`` with the input transformed."""
    inputs, weight, *rest = args
    return _transformed(uses, inputs, weight, -1), weight, *rest


def _convolution(uses: _Uses, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of ``conv(input, weight)`` with the input transformed."""
    inputs, weight, *rest = args
    for point in uses.points_of(weight)[:1]:
        inputs = point.on_channels(inputs)
    return inputs, weight, *rest


def _product(uses: _Uses, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of ``matmul(left, right)``, with the one that is not the weight transformed."""
    left, right, *rest = args
    if uses.points_of(right):
        return _transformed(uses, left, right, -2), right, *rest
    if uses.points_of(left):
        # The weight is on the left, so the vectors are the columns of ``right``: transpose it,
        # transform, and transpose back.
        turned = right.mT if right.ndim > 1 else right
        turned = _transformed(uses, turned, left, -1)
        return left, turned.mT if right.ndim > 1 else turned, *rest
    return args


def _reversed(uses: _Uses, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Like :func:`_product`, for the arguments of ``__rmatmul__(right, left)``."""
    left, right = _product(uses, (args[1], args[0]))
    return right, left


def _added(uses: _Uses, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Like :func:`_product`, for the arguments of ``addmm(added, left, right)``."""
    return args[0], *_product(uses, args[1:])


def _transformed(uses: _Uses, inputs: Tensor, weight: Tensor, axis: int) -> Tensor:
    """The transformed ``inputs``. Their last axis and ``axis`` of ``weight`` are summed over."""
    points = uses.points_of(weight)
    for point in points:
        point.check_axis(weight, axis)
    if len(points) == 1:
        return points[0](inputs)
    if not points:
        return inputs
    if weight.ndim != 3 or inputs.ndim != 3 or len(points) != len(inputs):
        raise UserError(
            f"Layer {points[0].name}: one product uses several quantized weights, and it is not "
            "known which inputs belong to which weight. This kind of layer is not supported"
        )
    return torch.stack([point(each) for point, each in zip(points, inputs, strict=True)])


_Change = Callable[[_Uses, tuple[Any, ...]], tuple[Any, ...]]
# The keywords under which the functions below take their operands.
_OPERANDS = ("input", "weight", "other", "mat1", "mat2", "batch1", "batch2", "vec")
_CHANGES: dict[Any, _Change] = {
    nn.functional.linear: _linear,
    torch.addmm: _added,
    torch.baddbmm: _added,
    torch.Tensor.addmm: _added,
    torch.Tensor.__rmatmul__: _reversed,
    **dict.fromkeys(
        (
            torch.matmul,
            torch.mm,
            torch.bmm,
            torch.mv,
            torch.Tensor.matmul,
            torch.Tensor.mm,
            torch.Tensor.bmm,
            torch.Tensor.__matmul__,
        ),
        _product,
    ),
    **dict.fromkeys(
        (
            torch.conv1d,
            torch.conv2d,
            torch.conv3d,
            torch.conv_transpose1d,
            torch.conv_transpose2d,
            torch.conv_transpose3d,
        ),
        _convolution,
    ),
}


def _sequence_hook(point: _Point) -> Callable[..., Any]:
    """A forward pre-hook that transforms the layer's first argument, positional or by keyword."""
    first = next(iter(inspect.signature(point.matrix.layer.forward).parameters))

    def replaced(value: Any) -> Any:
        if isinstance(value, PackedSequence):
            return value._replace(data=point(value.data))
        return point(value)

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (replaced(args[0]), *args[1:]), kwargs
        return args, {name: replaced(v) if name == first else v for name, v in kwargs.items()}

    return hook
