"""The accumulators with which a MAC is simulated and proved."""

from dataclasses import replace

from halfbyte.formats import Overflow, lossless_acc_width
from halfbyte.rtl.spec import MacSpec

__all__ = ["LOSSLESS", "SAVED", "variants"]

# Names of variants that proofs treat specially.
LOSSLESS, SAVED = "lossless", "saved"
# The narrowest accumulator that a MAC can have.
_NARROWEST = 2
# Bits after which these variants save a carry.
_SEGMENT = 3


def variants(spec: MacSpec) -> dict[str, MacSpec]:
    """MACs with the formats, architecture and terms of ``spec``, by name.

    Two have the lossless accumulator, without and with an enable port. Four overflow all the time.
    ``wrap`` and ``saturate`` are as wide as one product, so nearly every sum leaves their range.
    ``tight`` and ``tight_wrap`` are narrower still, so even single products leave it. Two save
    carries. ``given`` is ``spec`` itself, if it specifies more than formats, architecture and
    terms.
    """
    one_product = max(_NARROWEST, lossless_acc_width(spec.weight, spec.activation, 1))
    tight = max(_NARROWEST, one_product - 2)
    saturate = Overflow.SATURATE
    plain = MacSpec(spec.weight, spec.activation, spec.architecture, spec.terms)
    segment = min(_SEGMENT, plain.width - 1)
    return {
        LOSSLESS: plain,
        "enabled": replace(plain, enable=True),
        "wrap": replace(plain, acc_width=one_product),
        "saturate": replace(plain, acc_width=one_product, overflow=saturate, enable=True),
        "tight": replace(plain, acc_width=tight, overflow=saturate),
        "tight_wrap": replace(plain, acc_width=tight),
        SAVED: replace(plain, enable=True, segment=segment),
        "wrap_saved": replace(plain, acc_width=tight, segment=1),
        **({} if spec == plain else {"given": spec}),
    }
