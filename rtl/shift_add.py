"""A multiplier for weights that are sums of at most two powers of two (APoT)."""

from amaranth.hdl import Module, Shape, Signal

from halfbyte.formats import Format
from halfbyte.rtl.architecture import MultiplierArchitecture, magnitude_product_shape
from halfbyte.rtl.decoder import SignMagnitudeDecoder, lookup, sign_table

__all__ = ["ShiftAdd"]

MAX_POWERS = 2


def _powers(magnitude: int) -> list[int]:
    """Exponents of the powers of two that add up to ``magnitude``, descending."""
    return [bit for bit in range(magnitude.bit_length() - 1, -1, -1) if magnitude >> bit & 1]


class ShiftAdd(MultiplierArchitecture):
    """Add two shifted copies of the activation's magnitude. The weight's code selects the shifts.

    This suits weight formats in which every magnitude is a sum of at most two powers of two, as in
    APoT (additive powers of two).
    """

    name = "shift_add"
    description = (
        "two shifted copies of the activation; each weight is a sum of at most two powers of two"
    )

    @classmethod
    def refusal(cls, weight: Format, activation: Format) -> str | None:
        for integer in weight.integers:
            count = len(_powers(abs(integer)))
            if count > MAX_POWERS:
                return (
                    f"the weight value {integer} (in quanta) is a sum of {count} powers of two, "
                    f"more than {MAX_POWERS}"
                )
        return None

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return magnitude_product_shape(weight, activation)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.activation = activation = SignMagnitudeDecoder(fmt=self.activation)
        m.d.comb += activation.code.eq(self.a)
        addends = []
        for place in range(MAX_POWERS):
            factors = [self._factor(integer, place) for integer in self.weight.integers]
            addend = Signal(self.term.shape(), name=f"addend{place}")
            addends.append(addend)
            for bit in range(max(factors).bit_length()):
                if any(factor >> bit & 1 for factor in factors):
                    chosen = Signal(name=f"shift{place}_by_{bit}")
                    lookup(m, self.w, [factor >> bit & 1 for factor in factors], chosen)
                    with m.If(chosen):
                        m.d.comb += addend.eq(activation.magnitude << bit)
        weight_negative = Signal()
        lookup(m, self.w, sign_table(self.weight), weight_negative)
        m.d.comb += [
            self.term.eq(addends[0] + addends[1]),
            self.negate.eq(weight_negative ^ activation.negative),
        ]
        return m

    @staticmethod
    def _factor(integer: int, place: int) -> int:
        """The factor of copy number ``place`` of the activation: a power of two, or 0 for none."""
        powers = _powers(abs(integer))
        return 1 << powers[place] if place < len(powers) else 0
