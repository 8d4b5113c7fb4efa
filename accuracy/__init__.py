"""What formats do to the weights of real models."""

from halfbyte.accuracy.measure import measure

__all__ = ["measure"]
