"""The fields with which every record of a dot-product unit repeats its specification."""

from dataclasses import dataclass

from halfbyte.base import Record

__all__ = ["DotFields"]


@dataclass(frozen=True, kw_only=True)
class DotFields(Record):
    """The specification of a dot-product unit."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations, the other operand."""
    unit: str
    """What the record is about: ``dot`` for a unit, ``array`` for a systolic array of units."""
    architecture: str
    """Architecture of a lane, the part of the unit that computes one product per cycle."""
    lanes: int
    """Number of lanes, so also of products that are added in a cycle."""
    accumulator: str
    """Number type of the accumulator: integer, fp32 or exact."""
    scale: str | None
    """Number format of the block scales; null without scales."""
    block: int | None
    """Number of products that share a scale; null without scales."""
    terms: int | None
    """Number of products that a lossless accumulator can add without overflow; null for FP32."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str | None
    """What an integer accumulator does on overflow; null for other accumulators."""
    window: tuple[int, ...] | None
    """Lowest and highest sum of both scales' exponents that an exact accumulator accepts.

    A scale is an integer significand times a power of two, whose exponent counts. Null if all sums
    are accepted, and for other accumulators.
    """
    final_adder: str
    """Last adder of the adder tree: ripple, prefix or balanced."""
