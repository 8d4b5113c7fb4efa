"""Defines a linear layer that computes as the hardware does, and converts models to such layers."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden.layers import survey
from halfbyte.golden.quantizer import DEFAULT_BLOCK
from halfbyte.golden.scales import ScaleFormat
from halfbyte.gpu_ref.multiply import choose_kernel, matmul
from halfbyte.gpu_ref.packed import Packed
from halfbyte.gpu_ref.quantizer import quantize, resolve_format

__all__ = ["Linear", "convert", "unconverted"]

# Methods that only initialize weights.
_SETS_UP = re.compile(r"__init__|reset_parameters|_?reset_|_?init_")


class Linear(nn.Module):
    """``y = A W^T + bias`` as block-scaled hardware computes it.

    A is the input, which is quantized first, in blocks along the features. W is the quantized
    weight. The bias is added in FP32 and the result is cast to the input's type. There is no
    gradient.

    Parameters
    ----------
    weight : Packed
        (outputs, inputs).
    bias : Tensor, optional
        (outputs).
    activation : Format, str or Path, optional
        Format of the inputs; by default the weight's format.
    scale_format : ScaleFormat
        Type of the inputs' block scales.
    kernel : str
        Kernel for the product; see :func:`matmul`.
    """

    codes: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Packed,
        bias: Tensor | None = None,
        *,
        activation: Format | str | Path | None = None,
        scale_format: ScaleFormat = ScaleFormat.FP32,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        if len(weight.shape) != 2:
            raise ValueError(
                f"A layer's weight must have shape (outputs, inputs), not {tuple(weight.shape)}"
            )
        self.out_features, self.in_features = weight.shape
        if bias is not None and bias.shape != (self.out_features,):
            raise ValueError(
                f"The bias of {self.out_features} outputs must have shape ({self.out_features},), "
                f"not {tuple(bias.shape)}"
            )
        self.format, self.block = weight.format, weight.block
        self.activation = self.format if activation is None else resolve_format(activation)
        self.scale_format, self.kernel = scale_format, kernel
        # Buffers, so that they move with the module and are saved with it.
        self.register_buffer("codes", weight.codes)
        self.register_buffer("scales", weight.scales)
        self.register_buffer("bias", None if bias is None else bias.detach().float())

    @property
    def weight(self) -> Packed:
        """The quantized weight."""
        # A cast of the module to another type would also round its scales.
        if self.scales.dtype != torch.float32:
            raise UserError("Block scales are no longer FP32: do not cast a converted model")
        return Packed(
            self.codes, self.scales, self.format, self.in_features, self.block, trusted=True
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """x: (..., inputs). Returns (..., outputs) of the same type."""
        quantized = quantize(x, self.activation, block=self.block, scale_format=self.scale_format)
        y = matmul(quantized, self.weight, kernel=self.kernel)
        return (y if self.bias is None else y + self.bias).to(x.dtype)

    def extra_repr(self) -> str:
        """Sizes and formats, for print(model)."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"weight={self.format.name}, activation={self.activation.name}, block={self.block}"
        )

    @classmethod
    def from_float(
        cls,
        layer: nn.Module,
        fmt: Format | str | Path,
        *,
        activation: Format | str | Path | None = None,
        block: int = DEFAULT_BLOCK,
        scale_format: ScaleFormat = ScaleFormat.FP32,
        kernel: str = "auto",
    ) -> "Linear":
        """Quantize an ``nn.Linear`` or the ``Conv1D`` of transformers.

        ``fmt`` is the format of the weights. ``block`` elements share a scale, of the type
        ``scale_format``.
        """
        if not _is_linear(layer):
            raise TypeError(f"A layer must be nn.Linear or Conv1D, not {type(layer).__name__}")
        weight: Any = layer.weight.data
        if not isinstance(layer, nn.Linear):
            weight = weight.T  # Conv1D stores (inputs, outputs)
        bias = layer.bias.data if isinstance(layer.bias, Tensor) else None
        packed = quantize(weight, fmt, block=block, scale_format=scale_format)
        return cls(packed, bias, activation=activation, scale_format=scale_format, kernel=kernel)


def _is_linear(layer: nn.Module) -> bool:
    # Conv1D is recognized by its name, to avoid an import of transformers.
    return isinstance(layer, nn.Linear) or (
        type(layer).__name__ == "Conv1D" and hasattr(layer, "nf") and hasattr(layer, "weight")
    )


def _read_elsewhere(model: nn.Module) -> set[str]:
    """Names of layers whose weight or bias is read by their parent module.

    Multi-head attention and state-space models do this instead of calling the layer. This function
    finds such reads, for example ``self.out_proj.weight``, in the source code of the modules'
    classes. Code that only initializes weights is ignored.
    """
    read = {kind: _children_read(kind) for kind in {type(module) for module in model.modules()}}
    return {
        f"{name}.{child}" if name else child
        for name, module in model.named_modules()
        for child in read[type(module)]
    }


def _children_read(kind: Any) -> frozenset[str]:
    """Names of the child layers whose weight or bias the code of the class ``kind`` reads."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):  # without source nothing is known
        return frozenset()
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and not _SETS_UP.match(node.name)
    ]
    found = {
        inner.attr
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr in ("weight", "bias")
        and isinstance(inner := node.value, ast.Attribute)
        and isinstance(inner.value, ast.Name)
        and inner.value.id == "self"
    }
    inherited = (_children_read(base) for base in kind.__bases__ if base is not object)
    return frozenset(found.union(*inherited))


def convert(
    model: nn.Module,
    fmt: Format | str | Path,
    *,
    activation: Format | str | Path | None = None,
    block: int = DEFAULT_BLOCK,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    kernel: str = "auto",
    skip: Callable[[str], bool] | None = None,
) -> list[str]:
    """Replace the linear layers of ``model``, in place, by :class:`Linear`; return their names.

    A linear layer is replaced if :mod:`halfbyte.golden.layers` counts its weight among those to
    quantize. So the output head, routers, and layers that share an embedding's table stay as they
    are. A layer also stays if the code of its parent module reads its weight or bias. Other kinds
    of layers (convolutions, recurrent layers, experts in one parameter) stay, too.
    :func:`unconverted` lists the weights that should be quantized and are not.

    ``fmt`` is the format of the weights; the other options are those of :class:`Linear` and
    :meth:`Linear.from_float`. ``skip`` takes a layer's name and returns whether to leave that layer
    as it is. If ``kernel`` cannot be exact for the formats, UserError is raised before any layer is
    replaced.
    """
    weight = resolve_format(fmt)
    other = weight if activation is None else resolve_format(activation)
    keep = skip or (lambda name: False)
    chosen = {name: layer for name, layer in _linear_layers(model).items() if not keep(name)}
    for layer in chosen.values():
        kind = "host" if layer.weight.device.type == "cpu" else "cuda"
        choose_kernel(kernel, kind, other, weight, block)
    for name, layer in chosen.items():
        parent, _, child = name.rpartition(".")
        replacement = Linear.from_float(
            layer,
            weight,
            activation=other,
            block=block,
            scale_format=scale_format,
            kernel=kernel,
        )
        setattr(model.get_submodule(parent), child, replacement)
    return list(chosen)


def unconverted(model: nn.Module) -> list[str]:
    """Names of the weights of a converted model that are still to be quantized.

    :mod:`halfbyte.golden.layers` counts them among the weights to quantize, but :func:`convert`
    left them: they belong to other kinds of layers, their parent module reads them, or they were
    skipped. The list is empty if only heads, routers and embeddings are left.
    """
    return list(survey(model).matrices)


def _linear_layers(model: nn.Module) -> dict[str, Any]:
    """The layers to replace, by name; without the model itself, which has no parent module."""
    read = _read_elsewhere(model)
    return {
        name: matrix.layer
        for name, matrix in survey(model).matrices.items()
        if _is_linear(matrix.layer) and matrix.layer is not model and name not in read
    }
