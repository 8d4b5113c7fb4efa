"""Quantize the operands of one linear layer: its weight, and its inputs on real text."""

import difflib
import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from halfbyte.accuracy.models.subject import Subject
from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden import Quantized, quantize
from halfbyte.golden.scales import ScaleFormat

__all__ = ["LayerOperands", "layer_operands"]


@dataclass(frozen=True, eq=False)
class LayerOperands:
    """The operands of one layer.

    Parameters
    ----------
    inputs, weight : Tensor
        (tokens, K) and (N, K) float32, before quantization.
    a, w : Quantized
        ``inputs`` and ``weight`` after quantization, with blocks along K.
    """

    inputs: Tensor
    weight: Tensor
    a: Quantized
    w: Quantized

    @property
    def exact(self) -> Tensor:
        """The layer's result without quantization and without its bias; (tokens, N) float32."""
        return self.inputs @ self.weight.T

    @property
    def tensor_scale(self) -> float:
        """The product of the two operands' whole-tensor scales; 1 if they have none."""
        scales = [each.tensor_scale for each in (self.a, self.w)]
        return math.prod(1.0 if scale is None else float(scale) for scale in scales)

    def sqnr_db(self, product: Tensor) -> float | None:
        """Signal-to-noise ratio of ``product`` in dB, against :attr:`exact`.

        product: (tokens, N), in the unit of :attr:`exact`. The result is None if the signal or the
        noise is zero.
        """
        exact = self.exact.double()
        signal, noise = (float(each.square().sum()) for each in (exact, product.double() - exact))
        return 10 * math.log10(signal / noise) if signal and noise else None


class _EnoughError(Exception):
    """Stops the model's forward pass when enough tokens have been collected."""


def layer_operands(
    subject: Subject,
    name: str,
    *,
    weight: Format,
    activation: Format,
    block: int,
    scale_format: ScaleFormat,
    tokens: int,
) -> LayerOperands:
    """Quantize a linear layer's weight, and its first input vectors on the calibration text.

    Parameters
    ----------
    subject : Subject
        The model, with its calibration text.
    name : str
        Name of the layer.
    weight, activation : Format
        Formats of the weight and of the inputs.
    block : int
        Number of values that share a scale.
    scale_format : ScaleFormat
        Type of the scales.
    tokens : int
        Number of input vectors.

    Raises
    ------
    UserError
        The model has no such layer, or too few tokens reach it.
    """
    layer = _linear(subject, name)
    seen: list[Tensor] = []

    def look(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        seen.append(args[0].detach().to(torch.float32).reshape(-1, layer.in_features))
        if sum(map(len, seen)) >= tokens:
            raise _EnoughError

    handle = layer.register_forward_pre_hook(look)
    try:
        subject.calibrate()
    except _EnoughError:
        pass
    finally:
        handle.remove()
    inputs = torch.cat([*seen, torch.zeros(0, layer.in_features)])[:tokens].clone()
    if len(inputs) < tokens:
        raise UserError(
            f"Layer {name} must see {tokens} tokens of the calibration text, not {len(inputs)}"
        )
    values = layer.weight.detach().to(torch.float32).clone()
    codes = partial(quantize, block=block, scale_format=scale_format)
    return LayerOperands(
        inputs=inputs,
        weight=values,
        a=codes(inputs, activation),
        w=codes(values, weight),
    )


def _linear(subject: Subject, name: str) -> nn.Linear:
    """The linear layer of this name. If there is none, raises a UserError that names others."""
    layers = {
        key: layer for key, layer in subject.module.named_modules() if isinstance(layer, nn.Linear)
    }
    if name not in layers:
        nearest = difflib.get_close_matches(name[:200], layers, n=3, cutoff=0.3) or [*layers][:3]
        raise UserError(
            f"{subject.name} has no linear layer {name[:80]!r}; it has {len(layers)}, such as "
            f"{', '.join(nearest)}"
        )
    return layers[name]
