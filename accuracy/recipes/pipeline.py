"""``quantized``: a model under a recipe, in place and back."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfbyte.accuracy.layers import WeightMatrix
from halfbyte.accuracy.metrics import sqnr_db
from halfbyte.accuracy.recipes.calibration import LayerInputs, observed_inputs
from halfbyte.accuracy.recipes.clipping import clip_ratios
from halfbyte.accuracy.recipes.gptq import gptq
from halfbyte.accuracy.recipes.inputs import (
    blaming,
    from_vectors,
    layers_of,
    on_inputs,
    to_vectors,
)
from halfbyte.accuracy.recipes.recipe import Recipe
from halfbyte.accuracy.recipes.rounding import BlockRounding
from halfbyte.accuracy.recipes.smoothing import smoothing_divisors
from halfbyte.base import UserError
from halfbyte.formats import Format

__all__ = ["QuantizationNoise", "quantized"]


@dataclass(frozen=True)
class QuantizationNoise:
    """Signal-to-quantization-noise ratios of the weights, in dB: of all together, and by layer.

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
    """Quantize weights in place, and the activations that reach their layers; undone on leaving.

    Blocks run along the layers' inputs. Scales of activations are those of the moment. Of
    a recurrent layer all weights are quantized, but of its activations only the sequence that
    enters it. Activations of attention layers that read their weights directly
    (``nn.MultiheadAttention``) stay as they are.

    Parameters
    ----------
    fmt : Format
        What the recipe's operands are quantized to, unless they name a format.
    recipe : Recipe
        How.
    matrices : mapping of str to WeightMatrix
        What to quantize, by name.
    calibrate : callable, optional
        Runs the model on calibration text; needed if ``recipe.needs_calibration``.

    Yields the noise that this adds to the weights. Raises UserError where weights or activations
    are not finite, naming the layer.
    """
    originals = {name: matrix.tensor for name, matrix in matrices.items()}
    layers = layers_of(matrices)
    run = _Run(fmt, recipe, matrices, layers, _observed(recipe, layers, calibrate))
    try:
        noise = run.quantize_weights()
        with on_inputs(layers, run.transforms()):
            yield noise
    finally:
        for name, matrix in matrices.items():
            matrix.restore(originals[name])


def _observed(
    recipe: Recipe, layers: Mapping[str, nn.Module], calibrate: Callable[[], None] | None
) -> dict[str, LayerInputs]:
    """What reaches each layer, if the recipe needs it."""
    if not recipe.needs_calibration:
        return {}
    if calibrate is None:
        raise UserError(f"Recipe {recipe.name} needs calibration text, but there is none")
    return observed_inputs(layers, calibrate)


class _Run:
    """One format under one recipe on one model."""

    def __init__(
        self,
        fmt: Format,
        recipe: Recipe,
        matrices: Mapping[str, WeightMatrix],
        layers: Mapping[str, nn.Module],
        observed: Mapping[str, LayerInputs],
    ) -> None:
        self.recipe, self.matrices, self.layers, self.observed = recipe, matrices, layers, observed
        self.weights = BlockRounding(fmt, recipe.weights) if recipe.weights else None
        self.activations = BlockRounding(fmt, recipe.activations) if recipe.activations else None
        self.divisors = self._divisors()

    def _divisors(self) -> dict[str, Tensor]:
        """By layer: what smoothing divides its inputs by. Layers with one weight share them."""
        if self.recipe.smooth is None:
            return {}
        found: dict[str, Tensor] = {}
        by_weight: dict[int, Tensor] = {}
        for name, inputs in self.observed.items():
            matrix = self.matrices[name]
            key = _identity(matrix)
            if key not in by_weight:
                with blaming(name):
                    by_weight[key] = smoothing_divisors(
                        inputs,
                        matrix.read().to(torch.float32),
                        self.recipe.smooth,
                        self.weights or _unchanged,
                        self.activations or _unchanged,
                    )
            found[name] = by_weight[key]
        return found

    def quantize_weights(self) -> QuantizationNoise:
        """Replace every weight, one that layers share once; returns the noise."""
        energies: dict[str, tuple[float, float]] = {}
        done: dict[int, str] = {}
        if self.weights is None and not self.divisors:
            return QuantizationNoise(math.inf, {})
        for name, matrix in self.matrices.items():
            first = done.setdefault(_identity(matrix), name)
            if first == name:
                with blaming(name):
                    energies[name] = self._quantize(name, matrix)
            else:
                energies[name] = energies[first]
        if self.weights is None:
            return QuantizationNoise(math.inf, {})
        return _noise(energies, [energies[name] for name in done.values()])

    def _quantize(self, name: str, matrix: WeightMatrix) -> tuple[float, float]:
        """Replace one weight; energies of the weight and of the noise, smoothing taken back."""
        before = matrix.read().to(torch.float32)
        divisor = self.divisors.get(name)
        weight = before if divisor is None else before * divisor
        if self.weights is not None:
            clip = clip_ratios(self.weights, weight)
            if self.recipe.gptq and name in self.observed:
                gram = self.observed[name].gram
                if divisor is not None:
                    gram = gram / divisor.double().outer(divisor.double())
                weight = gptq(weight, gram, self.weights, clip)
            else:
                weight = self.weights(weight, clip)
        matrix.write(weight)
        after = weight if divisor is None else weight / divisor
        return _energy(before), _energy(after - before)

    def transforms(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """By layer: what its input goes through; none where it stays as it is."""
        return {
            name: self._transform(name, layer)
            for name, layer in self.layers.items()
            if self.activations or name in self.divisors
        }

    def _transform(self, name: str, layer: nn.Module) -> Callable[[Tensor], Tensor]:
        rounding, divisor = self.activations or _unchanged, self.divisors.get(name)

        def transform(inputs: Tensor) -> Tensor:
            vectors = to_vectors(inputs.detach().to(torch.float32), layer)
            if divisor is not None:
                vectors = vectors / divisor
            return from_vectors(rounding(vectors), layer).to(inputs.dtype)

        return transform


def _identity(matrix: WeightMatrix) -> int:
    """The same for layers that share a weight."""
    return id(getattr(matrix.layer, matrix.parameter))


def _unchanged(values: Tensor) -> Tensor:
    return values


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
