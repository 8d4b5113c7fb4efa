"""The multiply-accumulate unit."""

from contextlib import nullcontext

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import (
    Format,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
)
from halfbyte.rtl.addend import Addend
from halfbyte.rtl.multiplier import check_architecture

__all__ = ["Mac"]


class Mac(wiring.Component):
    """Multiply-accumulate unit for two formats.

    Every cycle ``acc <= (clear ? 0 : acc) + w * a``. Latency 1 cycle, one product per cycle.
    ``clear`` starts a new sum, so the register needs no reset. The operands are not registered.

    Parameters
    ----------
    weight, activation : :class:`Format`
        Operand formats.
    terms : :class:`int`
        Products that the accumulator holds without loss.
    architecture : :class:`str`
        Multiplier architecture, a key of ``ARCHITECTURES``.
    acc_width : :class:`int`, optional
        Accumulator width in bits, instead of the lossless width for ``terms`` products.
    overflow : :class:`Overflow`
        What happens to sums outside the accumulator's range, after every addition.
    enable : :class:`bool`
        Whether there is an ``enable`` port.

    Members
    -------
    w, a : ``In(weight.bits)``, ``In(activation.bits)``
        Operand codes, sampled at every rising clock edge.
    clear : ``In(1)``
        High to start a new sum with this cycle's product.
    enable : ``In(1)``
        If there is such a port: low to keep ``acc`` and ignore the other inputs.
    acc : ``Out(signed(acc_width))``
        Sum of the products since the last clear, this one included, in units of
        ``weight.quantum * activation.quantum``; valid after the clock edge.

    Raises
    ------
    ArchitectureError, TypeError, ValueError
        On construction.
    """

    def __init__(
        self,
        *,
        weight: Format,
        activation: Format,
        terms: int = 256,
        architecture: str,
        acc_width: int | None = None,
        overflow: Overflow = Overflow.WRAP,
        enable: bool = False,
    ) -> None:
        check_architecture(architecture, weight, activation)
        if not isinstance(overflow, Overflow):
            raise TypeError(f"Overflow must be an Overflow, not {overflow!r}")
        self.weight = weight
        self.activation = activation
        self.terms = check_terms(terms)
        self.architecture = architecture
        self.acc_width = check_acc_width(
            lossless_acc_width(weight, activation, terms) if acc_width is None else acc_width
        )
        self.overflow = overflow
        self.has_enable = enable
        members = {
            "w": In(weight.bits),
            "a": In(activation.bits),
            "clear": In(1),
            "acc": Out(signed(self.acc_width)),
        }
        if enable:
            members["enable"] = In(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Multiply
        m.submodules.addend = addend = Addend(
            weight=self.weight, activation=self.activation, architecture=self.architecture
        )
        m.d.comb += [addend.w.eq(self.w), addend.a.eq(self.a)]

        # Add: bit 0 by itself, the rest in one addition with a bit in front that makes the carry,
        # so that synthesis sees one adder
        accumulator = Signal(signed(self.acc_width), reset_less=True)
        keep = Signal()
        base = Signal(signed(self.acc_width))
        carry = Signal()
        upper = Signal(signed(self._sum_width(addend.term_width) - 1))
        carried = Signal(signed(len(upper) + 1))
        m.d.comb += [
            keep.eq(~self.clear),
            base.eq(accumulator & keep.replicate(self.acc_width)),
            carry.eq(Mux(addend.odd, base[0], addend.negate)),
            upper.eq(addend.rest),
            carried.eq(Cat(1, base[1:]).as_signed() + Cat(carry, upper).as_signed()),
        ]
        total = Cat(addend.odd ^ base[0], carried[1:]).as_signed()

        # Keep
        with m.If(self.enable) if self.has_enable else nullcontext():
            m.d.sync += accumulator.eq(self._limited(total))
        m.d.comb += self.acc.eq(accumulator)
        return m

    def _sum_width(self, term_width: int) -> int:
        """Bits of the adder: a saturating accumulator must see the true sum."""
        if self.overflow is Overflow.WRAP:
            return self.acc_width
        return max(self.acc_width, term_width + 1) + 1

    def _limited(self, total: Value) -> Value:
        if self.overflow is Overflow.WRAP:
            return total
        high = 2 ** (self.acc_width - 1) - 1
        return Mux(total > high, high, Mux(total < ~high, ~high, total))
