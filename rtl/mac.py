"""The multiply-accumulate unit."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Overflow
from halfbyte.rtl.addend import Addend
from halfbyte.rtl.exported import Exported
from halfbyte.rtl.resolve import Resolve
from halfbyte.rtl.saturate import saturated

if TYPE_CHECKING:
    from halfbyte.rtl.spec import MacSpec

__all__ = ["Mac"]


class Mac(Exported):
    """Multiply-accumulate unit for two formats.

    Every cycle ``acc <= (clear ? 0 : acc) + w * a``. Latency 1 cycle, one product per cycle.
    ``clear`` starts a new sum, so the register needs no reset. The operands are not registered.

    If ``spec.segment`` is given, the accumulator is carry-save: it is cut into segments of that
    many bits, and no carry runs through more than one segment in a cycle. A register saves the
    carry out of each segment except the last, and this carry enters the segment above in the next
    cycle. The carry out of the last segment is dropped, since the accumulator wraps. An adder
    behind the registers adds the saved carries to the accumulator. Its total is ``acc``, which has
    the same value in the same cycle as that of an ordinary accumulator. But ``acc`` then comes from
    an adder instead of a register, so it settles later after the clock edge.

    If ``acc`` needs more than a cycle to settle, the registers must not change in that time: hold
    ``enable`` low. In a MAC without that port, apply products of zero and keep ``clear`` low. These
    products keep the sum, but the registers still change while carries move on, for at most as many
    cycles as there are registers for carries. Only then does ``acc`` begin to settle.

    Parameters
    ----------
    spec : :class:`MacSpec`
        Formats, architecture, width and ports. The architecture must not be ``auto``.

    Members
    -------
    w, a : ``In(spec.weight.bits)``, ``In(spec.activation.bits)``
        Operand codes, sampled at every rising clock edge.
    clear : ``In(1)``
        High to start a new sum with this cycle's product.
    enable : ``In(1)``
        Low to keep ``acc`` and ignore the other inputs. The port exists only if ``spec.enable``.
    acc : ``Out(signed(spec.width))``
        Sum of all products from the cycle in which ``clear`` was last high up to the latest clock
        edge, in units of ``weight.quantum * activation.quantum``. A quantum is the largest number
        that divides all values of a format. Valid after each clock edge. With a carry-save
        accumulator, ``acc`` is valid once the final addition has settled. If this takes more than a
        cycle, it is valid only after the registers have stopped changing.

    Raises
    ------
    ArchitectureError
        The architecture is ``auto``, which only synthesis can resolve.
    """

    def __init__(self, spec: "MacSpec") -> None:
        self.spec = spec
        self._addend = Addend(
            weight=spec.weight, activation=spec.activation, architecture=spec.architecture
        )
        members = {
            "w": In(spec.weight.bits),
            "a": In(spec.activation.bits),
            "clear": In(1),
            "acc": Out(signed(spec.width)),
        }
        if spec.enable:
            members["enable"] = In(1)
        super().__init__(members)

    def header(self) -> Sequence[str]:
        spec, weight, activation = self.spec, self.spec.weight, self.spec.activation
        lines = [
            "MAC: every rising clk edge, acc <= (clear ? 0 : acc) + w * a",
            f"w: {weight.title}, {weight.bits} bits, quantum {weight.quantum}",
            f"a: {activation.title}, {activation.bits} bits, quantum {activation.quantum}",
            f"acc: {spec.width} bits, two's complement, in units of "
            f"{weight.quantum * activation.quantum}; overflow: {spec.overflow.value}",
            f"multiplier: {spec.architecture}",
        ]
        if spec.segment is not None:
            lines.append(
                f"carries are saved every {spec.segment} bits: acc comes from an adder behind the "
                "registers"
            )
        return lines

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Multiply
        m.submodules.addend = addend = self._addend
        m.d.comb += [addend.w.eq(self.w), addend.a.eq(self.a)]

        # Add: bit 0 needs no adder, and the carry out of it is a signal of its own
        accumulator = Signal(signed(self.spec.width), reset_less=True)
        keep = Signal()
        base = Signal(signed(self.spec.width))
        carry = Signal()
        m.d.comb += [
            keep.eq(~self.clear),
            base.eq(accumulator & keep.replicate(self.spec.width)),
            carry.eq(Mux(addend.odd, base[0], addend.negate)),
        ]
        add = self._ripple if self.spec.segment is None else self._segments
        registers = add(m, addend, accumulator, base, carry)

        # Register
        with m.If(self.enable) if self.spec.enable else nullcontext():
            m.d.sync += [register.eq(value) for register, value in registers]
        return m

    def _ripple(
        self, m: Module, addend: Addend, accumulator: Signal, base: Signal, carry: Signal
    ) -> list[tuple[Signal, Value]]:
        """The register and its next value, from one addition.

        The carry out of bit 0 enters through an extra lowest bit, so that synthesis sees one adder.
        """
        upper = Signal(signed(self._sum_width(addend.term_width) - 1))
        carried = Signal(signed(len(upper) + 1))
        m.d.comb += [
            upper.eq(addend.rest),
            carried.eq(Cat(1, base[1:]).as_signed() + Cat(carry, upper).as_signed()),
            self.acc.eq(accumulator),
        ]
        total = Cat(addend.odd ^ base[0], carried[1:]).as_signed()
        if self.spec.overflow is Overflow.SATURATE:
            total = saturated(m, total, self.spec.width)
        return [(accumulator, total)]

    def _segments(
        self, m: Module, addend: Addend, accumulator: Signal, base: Signal, carry: Signal
    ) -> list[tuple[Signal, Value]]:
        """The registers for the sum and the carries, and their next values.

        Each segment has an addition of its own.
        """
        assert self.spec.segment is not None  # noqa: S101
        ends = [*range(self.spec.segment, self.spec.width, self.spec.segment), self.spec.width]
        saved = Signal(len(ends) - 1, reset_less=True)
        term = Signal(signed(self.spec.width))
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
        m.submodules.resolve = resolve = Resolve(width=self.spec.width, places=ends[:-1])
        m.d.comb += [
            resolve.sum.eq(accumulator),
            resolve.carries.eq(saved),
            self.acc.eq(resolve.total),
        ]
        return [(accumulator, Cat(*totals)), (saved, Cat(*carries[:-1]))]

    def _sum_width(self, term_width: int) -> int:
        """Bits of the adder. The adder of a saturating accumulator holds the exact sum."""
        if self.spec.overflow is Overflow.WRAP:
            return self.spec.width
        return max(self.spec.width, term_width) + 1
