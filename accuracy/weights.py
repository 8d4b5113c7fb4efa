"""Weight-only quantisation of a model's linear layers, in place and back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from halfbyte.accuracy.metrics import sqnr_db
from halfbyte.formats import Format
from halfbyte.golden import quantize

__all__ = ["RECIPE", "WeightNoise", "quantized_weights"]

RECIPE = "weight-only, round to nearest"


@dataclass(frozen=True)
class WeightNoise:
    """Signal-to-quantisation-noise ratios in dB: of all weights together, and by layer."""

    sqnr_db: float
    layers: Mapping[str, float]


@contextmanager
def quantized_weights(
    layers: Mapping[str, nn.Linear], fmt: Format, block: int
) -> Iterator[WeightNoise]:
    """Replace each weight by what the hardware would have; restore them on leaving.

    Blocks of ``block`` run along the input dimension. Yields the noise that this adds.
    """
    originals = {name: layer.weight.data for name, layer in layers.items()}
    signals, noises = {}, {}
    try:
        for name, layer in layers.items():
            weight = originals[name]  # (out, in)
            layer.weight.data = quantize(weight, fmt, block=block).dequantize()
            signals[name] = _energy(weight.double())
            noises[name] = _energy(layer.weight.data.double() - weight.double())
        yield WeightNoise(
            sqnr_db(sum(signals.values()), sum(noises.values())),
            {name: sqnr_db(signals[name], noises[name]) for name in layers},
        )
    finally:
        for name, layer in layers.items():
            layer.weight.data = originals[name]


def _energy(values: Tensor) -> float:
    return float(values.square().sum())
