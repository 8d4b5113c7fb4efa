"""Quantize a model in place, as a recipe says, and restore it afterwards.

A recipe may use SmoothQuant: it divides the inputs of a layer by smoothing divisors, and multiplies
the weight by them, so that the product stays the same.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from halfbyte.accuracy.metrics import sqnr_db
from halfbyte.accuracy.recipes.calibration import LayerInputs, observed_inputs
from halfbyte.accuracy.recipes.gptq import gptq
from halfbyte.accuracy.recipes.inputs import blaming, layers_of, on_inputs
from halfbyte.accuracy.recipes.recipe import Recipe
from halfbyte.accuracy.recipes.smoothing import smoothing_divisors
from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.golden.clipping import clip_ratios
from halfbyte.golden.layers import WeightMatrix
from halfbyte.golden.rounding import BlockRounding

__all__ = ["QuantizationNoise", "quantized"]


@dataclass(frozen=True)
class QuantizationNoise:
    """Signal-to-quantization-noise ratios of the weights, in dB.

    A ratio is infinite where the weights did not change. If no weights are quantized, no layer
    is listed.

    Parameters
    ----------
    sqnr_db : float
        The ratio for all weights together.
    layers : mapping of str to float
        The ratio for each weight.
    not_calibrated : tuple of str
        Weights that were rounded to the nearest value although the recipe needs calibration,
        because their inputs were not seen.
    inputs_left : function
        Returns the weights whose inputs have not been quantized so far although the recipe
        quantizes activations.
    """

    sqnr_db: float
    layers: Mapping[str, float]
    not_calibrated: tuple[str, ...] = ()
    inputs_left: Callable[[], tuple[str, ...]] = field(default=tuple)


@contextmanager
def quantized(
    fmt: Format,
    recipe: Recipe,
    matrices: Mapping[str, WeightMatrix],
    calibrate: Callable[[], None] | None = None,
    *,
    keep_weights: bool = False,
) -> Iterator[QuantizationNoise]:
    """Within this context, weights are quantized in place, and layers receive quantized inputs.

    Blocks run along the layers' inputs. Scales of activations are computed in each call. All
    weights of a recurrent layer are quantized, but only the layer's own inputs, not its hidden
    state.

    Parameters
    ----------
    fmt : Format
        The format, unless the recipe names another.
    recipe : Recipe
        What is quantized, and how.
    matrices : mapping of str to WeightMatrix
        The weights to quantize, by name.
    calibrate : callable, optional
        Runs the model on calibration text; needed if ``recipe.needs_calibration``.
    keep_weights : bool
        Whether the weights are values of the format already, so that they stay as they are.

    Yields
    ------
    QuantizationNoise
        The noise of the weights, and the names of what is not quantized or not calibrated.

    Raises
    ------
    UserError
        The recipe needs calibration text but there is none, or weights or activations are not
        finite. For values that are not finite, the message names the layer.
    """
    layers = layers_of(matrices)
    run = _Run(fmt, recipe, matrices, layers, _observed(recipe, layers, calibrate))
    with _kept(matrices):
        noise = QuantizationNoise(math.inf, {}) if keep_weights else run.quantize_weights()
        with on_inputs(layers, run.transforms()) as used:
            yield dataclasses.replace(noise, inputs_left=lambda: run.inputs_left(used))


@contextmanager
def _kept(matrices: Mapping[str, WeightMatrix]) -> Iterator[None]:
    """Restore the weights at the end of the context."""
    parameters = {
        id(parameter): (parameter, parameter.data, matrix.expert is not None)
        for matrix in matrices.values()
        for parameter in [getattr(matrix.layer, matrix.parameter)]
    }
    try:
        for parameter, data, is_in_parts in parameters.values():
            if is_in_parts:  # experts are written one by one, so they are written to a copy
                parameter.data = data.clone()
        yield
    finally:
        for parameter, data, _ in parameters.values():
            parameter.data = data


def _observed(
    recipe: Recipe, layers: Mapping[str, WeightMatrix], calibrate: Callable[[], None] | None
) -> dict[str, LayerInputs]:
    """The statistics of each layer's inputs, if the recipe needs them."""
    if not recipe.needs_calibration:
        return {}
    if calibrate is None:
        raise UserError(f"Recipe {recipe.name} needs calibration text, but there is none")
    return observed_inputs(layers, calibrate)


class _Run:
    """Quantizes one model to one format, as one recipe says."""

    def __init__(
        self,
        fmt: Format,
        recipe: Recipe,
        matrices: Mapping[str, WeightMatrix],
        layers: Mapping[str, WeightMatrix],
        observed: Mapping[str, LayerInputs],
    ) -> None:
        self.recipe, self.matrices, self.layers, self.observed = recipe, matrices, layers, observed
        self.weights = BlockRounding(fmt, recipe.weights) if recipe.weights else None
        self.activations = BlockRounding(fmt, recipe.activations) if recipe.activations else None
        self.divisors = self._divisors()

    def _divisors(self) -> dict[str, Tensor]:
        """The smoothing divisors for the inputs of each weight, by the weight's name."""
        if self.recipe.smooth is None:
            return {}
        found: dict[str, Tensor] = {}
        for name, inputs in self.observed.items():
            with blaming(name):
                found[name] = smoothing_divisors(
                    inputs,
                    self.matrices[name].read().to(torch.float32),
                    self.recipe.smooth,
                    self.weights or _unchanged,
                    self.activations or _unchanged,
                )
        return found

    def quantize_weights(self) -> QuantizationNoise:
        """Quantize every weight, and a shared weight only once. Returns the noise."""
        # For each weight: the sum of its squares, and that of its error.
        energies: dict[str, tuple[float, float]] = {}
        done: dict[object, str] = {}
        if self.weights is None and not self.divisors:
            return QuantizationNoise(math.inf, {})
        for name, matrix in self.matrices.items():
            first = done.setdefault(matrix.identity, name)
            if first == name:
                with blaming(name):
                    energies[name] = self._quantize(name, matrix)
            else:
                energies[name] = energies[first]
        if self.weights is None:
            return QuantizationNoise(math.inf, {})
        noise = _noise(energies, [energies[name] for name in done.values()])
        if not self.recipe.needs_calibration:
            return noise
        return dataclasses.replace(
            noise, not_calibrated=tuple(n for n in done.values() if n not in self.observed)
        )

    def _quantize(self, name: str, matrix: WeightMatrix) -> tuple[float, float]:
        """Quantize one weight. Returns the sums of squares of the weight and of its error.

        The error is measured after the smoothing divisors are undone.
        """
        before = matrix.read().to(torch.float32)
        divisor = self.divisors.get(name)
        weight = before if divisor is None else before * divisor
        if self.weights is not None:
            clip = clip_ratios(self.weights, weight)
            if self.recipe.gptq and name in self.observed:
                gram = self.observed[name].gram  # of the inputs before they are divided
                if divisor is not None:
                    gram = gram / divisor.double().outer(divisor.double())
                weight = gptq(weight, gram, self.weights, clip)
            else:
                weight = self.weights(weight, clip)
        matrix.write(weight)
        after = weight if divisor is None else weight / divisor
        return _energy(before), _energy(after - before)

    def transforms(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """The transform of each weight's inputs; weights with unchanged inputs are left out."""
        return {
            name: self._transform(self.divisors.get(name))
            for name in self.layers
            if self.activations or name in self.divisors
        }

    def _transform(self, divisor: Tensor | None) -> Callable[[Tensor], Tensor]:
        """A function that divides inputs by the smoothing divisors, and rounds them."""
        rounding = self.activations or _unchanged

        def transform(inputs: Tensor) -> Tensor:
            vectors = inputs.detach().to(torch.float32)
            if divisor is not None:
                vectors = vectors / divisor
            return rounding(vectors).to(inputs.dtype)

        return transform

    def inputs_left(self, used: set[str]) -> tuple[str, ...]:
        """Weights whose inputs should be quantized but were not.

        Experts of a mixture that share a parameter are listed only if none of them was used.
        """
        if self.activations is None:
            return ()
        reached = {self.matrices[name].identity[0] for name in used}
        return tuple(
            name for name, matrix in self.matrices.items() if matrix.identity[0] not in reached
        )


def _unchanged(values: Tensor) -> Tensor:
    return values


def _noise(
    energies: Mapping[str, tuple[float, float]], distinct: list[tuple[float, float]]
) -> QuantizationNoise:
    """The ratios from sums of squares: for each name, and for all distinct weights together."""
    signal, noise = (sum(each) for each in zip(*distinct, strict=True)) if distinct else (0.0, 0.0)
    return QuantizationNoise(
        _ratio(signal, noise), {name: _ratio(*each) for name, each in energies.items()}
    )


def _ratio(signal: float, noise: float) -> float:
    return sqnr_db(signal, noise) if noise > 0 else math.inf


def _energy(values: Tensor) -> float:
    return float(values.double().square().sum())
