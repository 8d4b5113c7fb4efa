"""The multiply-accumulate unit."""

from contextlib import nullcontext

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.base import UserError
from halfbyte.formats import (
    Format,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
)
from halfbyte.rtl.addend import Addend
from halfbyte.rtl.multiplier import check_architecture
from halfbyte.rtl.resolve import Resolve

__all__ = ["Mac", "check_segment"]


def check_segment(segment: int | None, acc_width: int, overflow: Overflow) -> int | None:
    """Return ``segment`` if the carries of an accumulator can be saved so.

    Raises TypeError for what is no int, UserError (a ValueError) otherwise.
    """
    if segment is None:
        return None
    if isinstance(segment, bool) or not isinstance(segment, int):
        raise TypeError(f"Segment must be an int, not {segment!r}")
    if not 1 <= segment < acc_width:
        raise UserError(
            f"Segment must be at least 1 and less than the accumulator's {acc_width} bits, "
            f"not {segment}"
        )
    if overflow is not Overflow.WRAP:
        raise UserError(
            f"An accumulator with saved carries must wrap, not {overflow.value}: whether a sum "
            "leaves the range is not known before the final addition"
        )
    return segment


class Mac(wiring.Component):
    """Multiply-accumulate unit for two formats.

    Every cycle ``acc <= (clear ? 0 : acc) + w * a``. Latency 1 cycle, one product per cycle.
    ``clear`` starts a new sum, so the register needs no reset. The operands are not registered.

    With ``segment`` the accumulator is redundant: no carry runs further than so many bits in a
    cycle. The one that leaves a segment is saved in a register and enters the next segment in the
    next cycle (carry-save, for ``segment=1`` of every bit). ``acc`` is then the sum of these
    registers, from a final addition outside of the recurrence. It has the same value in the same
    cycle as without, but comes from logic, not from a register: it settles later after the clock
    edge. If that takes more than a cycle, the registers must stand still meanwhile: ``enable`` low
    keeps them. Without that port, products of zero without ``clear`` keep the sum, but the
    registers change until its carries have run on, for at most as many cycles as there are saved
    carries; only then does ``acc`` begin to settle.

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
    segment : :class:`int`, optional
        Bits after which a carry is saved, at least 1 and less than the accumulator has. Sums must
        wrap: whether one leaves the range is not known before the final addition.

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
        ``weight.quantum * activation.quantum``; valid after the clock edge, with ``segment`` once
        the final addition has settled, from registers that stand still.

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
        segment: int | None = None,
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
        self.segment = check_segment(segment, self.acc_width, overflow)
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

        # Add: bit 0 by itself, the carry into the others apart
        accumulator = Signal(signed(self.acc_width), reset_less=True)
        keep = Signal()
        base = Signal(signed(self.acc_width))
        carry = Signal()
        m.d.comb += [
            keep.eq(~self.clear),
            base.eq(accumulator & keep.replicate(self.acc_width)),
            carry.eq(Mux(addend.odd, base[0], addend.negate)),
        ]
        add = self._ripple if self.segment is None else self._segments
        registers = add(m, addend, accumulator, base, carry)

        # Keep
        with m.If(self.enable) if self.has_enable else nullcontext():
            m.d.sync += [register.eq(value) for register, value in registers]
        return m

    def _ripple(
        self, m: Module, addend: Addend, accumulator: Signal, base: Signal, carry: Signal
    ) -> list[tuple[Signal, Value]]:
        """The register and its next value, from one addition with a bit in front that makes the
        carry, so that synthesis sees one adder."""
        upper = Signal(signed(self._sum_width(addend.term_width) - 1))
        carried = Signal(signed(len(upper) + 1))
        m.d.comb += [
            upper.eq(addend.rest),
            carried.eq(Cat(1, base[1:]).as_signed() + Cat(carry, upper).as_signed()),
            self.acc.eq(accumulator),
        ]
        total = Cat(addend.odd ^ base[0], carried[1:]).as_signed()
        return [(accumulator, self._limited(total))]

    def _segments(
        self, m: Module, addend: Addend, accumulator: Signal, base: Signal, carry: Signal
    ) -> list[tuple[Signal, Value]]:
        """The registers and their next values, each segment's from an addition of its own."""
        assert self.segment is not None  # noqa: S101
        ends = [*range(self.segment, self.acc_width, self.segment), self.acc_width]
        saved = Signal(len(ends) - 1, reset_less=True)
        term = Signal(signed(self.acc_width))
        m.d.comb += term.eq(Cat(0, addend.rest).as_signed())
        totals: list[Value] = [addend.odd ^ base[0]]
        carries: list[Value] = []
        start, incoming = 1, carry
        for number, end in enumerate(ends):
            carried = Signal(end - start + 2, name=f"carried{number}")
            m.d.comb += carried.eq(Cat(1, base[start:end]) + Cat(incoming, term[start:end]))
            totals.append(carried[1:-1])
            carries.append(carried[-1])
            start = end
            if number < len(saved):
                incoming = Signal(name=f"incoming{number}")
                m.d.comb += incoming.eq(saved[number] & ~self.clear)
        m.submodules.resolve = resolve = Resolve(width=self.acc_width, places=ends[:-1])
        m.d.comb += [
            resolve.sum.eq(accumulator),
            resolve.carries.eq(saved),
            self.acc.eq(resolve.total),
        ]
        return [(accumulator, Cat(*totals)), (saved, Cat(*carries[:-1]))]

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
