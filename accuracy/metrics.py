"""Compute the signal-to-quantization-noise ratio from sums of squares."""

import math

__all__ = ["sqnr_db"]


def sqnr_db(signal: float, noise: float) -> float:
    """Signal-to-quantization-noise ratio in dB from sums of squares; infinite without noise.

    Raises ValueError if the signal is not greater than 0.
    """
    if signal <= 0:
        raise ValueError(f"The signal's sum of squares must be greater than 0, not {signal}")
    return 10 * math.log10(signal / noise) if noise > 0 else math.inf
