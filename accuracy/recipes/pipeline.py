"""``quantized``: a model under a recipe, in place and back."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfbyte.accuracy.layers import WeightMatrix
from halfbyte.accuracy.metrics import sqnr_db
from halfbyte.accuracy.recipes.clipping import clip_ratios
from halfbyte.accuracy.recipes.inputs import (
    blaming,
    from_vectors,
    layers_of,
    on_inputs,
    to_vectors,
)
from halfbyte.accuracy.recipes.recipe import Recipe
from halfbyte.accuracy.recipes.rounding import BlockRounding
from halfbyte.base import UserError
from halfbyte.formats import Format

__all__ = ["QuantizationNoise", "quantized", "rounded_weight"]


@dataclass(frozen=True)
class QuantizationNoise:
    """Signal-to-quantisation-noise ratios of the weights, in dB: of all together, and by layer.

    Infinite without noise; no layers where the recipe leaves weights as they are.
    """

    sqnr_db: float
    layers: Mapping[str, float]


@contextmanager
def quantized(
    fmt: Format,
    recipe: Recipe,
    matrices: Mapping[str, WeightMatrix],
    calibrate: Callable[[], None] | None = None,
) -> Iterator[QuantizationNoise]:
    """Quantise weights in place, and the activations that reach their layers; undone on leaving.

    Blocks run along the layers' inputs. Scales of activations are those of the moment. Of
    a recurrent layer all weights are quantised, but of its activations only the sequence that
    enters it. Activations of attention layers that read their weights directly
    (``nn.MultiheadAttention``) stay as they are.

    Parameters
    ----------
    fmt : Format
        What the recipe's operands are quantised to, unless they name a format.
    recipe : Recipe
        How.
    matrices : mapping of str to WeightMatrix
        What to quantise, by name.
    calibrate : callable, optional
        Runs the model on calibration text; needed if ``recipe.needs_calibration``.

    Yields the noise that this adds to the weights. Raises UserError where weights or activations
    are not finite, naming the layer.
    """
    _check_calibration(recipe, calibrate)
    originals = {name: matrix.tensor for name, matrix in matrices.items()}
    layers = layers_of(matrices)
    try:
        noise = _quantize_weights(fmt, recipe, matrices)
        with on_inputs(layers, _activation_roundings(fmt, recipe, layers)):
            yield noise
    finally:
        for name, matrix in matrices.items():
            matrix.restore(originals[name])


def rounded_weight(fmt: Format, recipe: Recipe, weight: Tensor) -> Tensor:
    """A weight rounded to nearest as the recipe says; both (outputs, inputs), float32 comes back.

    Raises UserError if it is not finite.
    """
    single = weight.detach().to(torch.float32)
    if recipe.weights is None:
        return single
    rounding = BlockRounding(fmt, recipe.weights)
    return rounding(single, clip_ratios(rounding, single))


def _quantize_weights(
    fmt: Format, recipe: Recipe, matrices: Mapping[str, WeightMatrix]
) -> QuantizationNoise:
    if recipe.weights is None:
        return QuantizationNoise(math.inf, {})
    energies: dict[str, tuple[float, float]] = {}
    done: dict[int, str] = {}  # a weight that layers share is quantised once
    for name, matrix in matrices.items():
        key = id(getattr(matrix.layer, matrix.parameter))
        if key in done:
            energies[name] = energies[done[key]]
            continue
        done[key] = name
        before = matrix.read().to(torch.float32)
        with blaming(name):
            after = rounded_weight(fmt, recipe, before)
        energies[name] = _energy(before), _energy(after - before)
        matrix.write(after)
    return _noise(energies, [energies[name] for name in done.values()])


def _noise(
    energies: Mapping[str, tuple[float, float]], distinct: list[tuple[float, float]]
) -> QuantizationNoise:
    signal, noise = (sum(each) for each in zip(*distinct, strict=True)) if distinct else (0.0, 0.0)
    return QuantizationNoise(
        _ratio(signal, noise), {name: _ratio(*each) for name, each in energies.items()}
    )


def _ratio(signal: float, noise: float) -> float:
    return sqnr_db(signal, noise) if noise > 0 else math.inf


def _energy(values: Tensor) -> float:
    return float(values.double().square().sum())


def _activation_roundings(
    fmt: Format, recipe: Recipe, layers: Mapping[str, nn.Module]
) -> dict[str, Callable[[Tensor], Tensor]]:
    """By layer: what its input goes through."""
    if recipe.activations is None:
        return {}
    rounding = BlockRounding(fmt, recipe.activations)
    return {name: _on_vectors(layer, rounding) for name, layer in layers.items()}


def _on_vectors(layer: nn.Module, rounding: BlockRounding) -> Callable[[Tensor], Tensor]:
    def transform(inputs: Tensor) -> Tensor:
        vectors = to_vectors(inputs.detach().to(torch.float32), layer)
        return from_vectors(rounding(vectors), layer).to(inputs.dtype)

    return transform


def _check_calibration(recipe: Recipe, calibrate: Callable[[], None] | None) -> None:
    if recipe.needs_calibration and calibrate is None:
        raise UserError(
            f"Recipe {recipe.name} needs calibration text, which this model has none of"
        )
