"""One element of an array: a unit and its registers."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal
from amaranth.lib.wiring import In, Member, Out

from halfbyte.rtl.array.names import UNIT
from halfbyte.rtl.array.registers import ElementRegisters, moving_ports
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.array.spec import ArraySpec

__all__ = ["Element", "element_ports"]


def element_ports(spec: "ArraySpec") -> dict[str, Member]:
    """The ports of an element."""
    moving = moving_ports(spec)
    return {
        **{f"{name}_in": In(bits) for name, bits in moving.items()},
        **{f"{name}_out": Out(bits) for name, bits in moving.items()},
        "sum_in": In(spec.result_bits),
        "valid_in": In(1),
        "sum_out": Out(spec.result_bits),
        "valid_out": Out(1),
    }


class Element(Exported):
    """A unit, instantiated by name, and the :class:`ElementRegisters` around it. It has their
    ports.

    Parameters
    ----------
    spec : :class:`ArraySpec`
        The specification of the array.
    """

    def __init__(self, spec: "ArraySpec") -> None:
        self.spec = spec
        super().__init__(element_ports(spec))

    def header(self) -> list[str]:
        return ["An element of the array: a unit and the registers around it"]

    def elaborate(self, platform: object) -> Module:
        m, unit = Module(), self.spec.unit
        m.submodules.registers = registers = ElementRegisters(self.spec)
        for name in element_ports(self.spec):
            inner, outer = getattr(registers, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if name.endswith("_out") else inner.eq(outer)
        acc, nan = Signal(unit.width), Signal(int(unit.is_exact))
        control = registers.control_out
        ports = {
            "i_clk": ClockSignal(),
            "i_w": registers.w_out,
            "i_a": registers.a_out,
            "i_clear": control[0],
            "o_acc": acc,
        }
        if unit.gathers:
            ports["i_last"] = control[2]
        if unit.scale:
            ports |= {"i_w_scale": registers.w_scale_out, "i_a_scale": registers.a_scale_out}
        if unit.is_exact:
            ports["o_nan"] = nan
        m.submodules.unit = Instance(UNIT, **ports)
        m.d.comb += registers.acc.eq(Cat(acc, nan))
        return m
