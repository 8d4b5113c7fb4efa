"""Weight-only quantisation of a model's linear layers, in place and back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from halfbyte.accuracy.metrics import sqnr_db
from halfbyte.formats import Format
from halfbyte.golden import quantize

__all__ = ["RECIPE", "quantized_weights"]

RECIPE = "weight-only, round to nearest"


@contextmanager
def quantized_weights(
    layers: Mapping[str, nn.Linear], fmt: Format, block: int
) -> Iterator[dict[str, float]]:
    """Replace each weight by what the hardware would have; restore them on leaving.

    Blocks of ``block`` run along the input dimension. Yields the signal-to-quantisation-noise
    ratio in dB of each layer, and under ``""`` of all together.
    """
    originals = {name: layer.weight.data for name, layer in layers.items()}
    ratios, signals, noises = {}, 0.0, 0.0
    try:
        for name, layer in layers.items():
            weight = originals[name]
            layer.weight.data = quantize(weight, fmt, block=block).dequantize()
            signal = float(weight.double().square().sum())
            noise = float((layer.weight.data.double() - weight.double()).square().sum())
            ratios[name] = sqnr_db(signal, noise)
            signals, noises = signals + signal, noises + noise
        yield {"": sqnr_db(signals, noises), **ratios}
    finally:
        with torch.no_grad():
            for name, layer in layers.items():
                layer.weight.data = originals[name]
