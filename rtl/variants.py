"""The variants of a MAC that are simulated and proved correct.

They differ in the accumulator and in the enable port.
"""

from dataclasses import replace

from halfbyte.formats import Overflow, lossless_acc_width
from halfbyte.rtl.spec import MacSpec

__all__ = ["LOSSLESS", "SAVED", "variants"]

# Names of variants that proofs treat specially.
LOSSLESS, SAVED = "lossless", "saved"
# The narrowest accumulator that a MAC can have.
_NARROWEST = 2
# Bits of a segment of the carry-save accumulator ``saved``: small, so that it has many carries.
_SEGMENT = 3


def variants(spec: MacSpec) -> dict[str, MacSpec]:
    """MACs with the formats, architecture and terms of ``spec``, by name.

    ``lossless`` and ``enabled`` have the smallest accumulator that holds every sum of
    ``spec.terms`` products, without and with an enable port. The accumulators of ``wrap`` and
    ``saturate`` are as wide as one product, so even sums of a few products overflow. Those of
    ``tight`` and ``tight_wrap`` are narrower if possible, so even single products overflow.
    ``saved`` and ``wrap_saved`` have carry-save accumulators, which save carries in registers.
    ``given`` is ``spec`` itself, if it specifies more than formats, architecture and terms.
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
