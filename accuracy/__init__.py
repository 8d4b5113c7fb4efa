"""What formats do to the weights of real models."""

from halfbyte.accuracy.measurement import measure

__all__ = ["measure"]
