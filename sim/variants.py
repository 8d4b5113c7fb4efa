"""The accumulators that one simulation checks side by side, all driven by the same stream."""

from dataclasses import dataclass

from halfbyte.formats import Format, Overflow, lossless_acc_width

__all__ = ["Variant", "variants"]

# The narrowest accumulator that a MAC can have.
NARROWEST = 2
# Carries saved after so many bits.
SEGMENT = 3


@dataclass(frozen=True)
class Variant:
    """One MAC under test: ``name`` is part of its module's name in the bench."""

    name: str
    acc_width: int
    overflow: Overflow = Overflow.WRAP
    enable: bool = False
    segment: int | None = None


def variants(weight: Format, activation: Format, terms: int) -> tuple[Variant, ...]:
    """The lossless MAC, the same with an enable port, and narrow ones that overflow all the time;
    and two that save their carries.

    ``wrap`` and ``saturate`` are as wide as one product, so nearly every sum leaves their range;
    ``tight`` is narrower still, so that single products saturate.
    """
    lossless = lossless_acc_width(weight, activation, terms)
    one_product = lossless_acc_width(weight, activation, 1)
    narrow = max(NARROWEST, one_product)
    tight = max(NARROWEST, one_product - 2)
    return (
        Variant("lossless", lossless),
        Variant("enabled", lossless, enable=True),
        Variant("wrap", narrow, Overflow.WRAP),
        Variant("saturate", narrow, Overflow.SATURATE),
        Variant("tight", tight, Overflow.SATURATE),
        Variant("saved", lossless, enable=True, segment=min(SEGMENT, lossless - 1)),
        Variant("wrap_saved", narrow, Overflow.WRAP, segment=1),
    )
