"""One element of an array: a unit and its registers."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from halfbyte.rtl.array.names import UNIT
from halfbyte.rtl.array.registers import moving_members, moving_ports
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.array.base import SystolicSpec

__all__ = ["Element", "OutputElement", "WeightElement", "element_ports"]


def element_ports(spec: "SystolicSpec") -> dict[str, Member]:
    """The ports of an element to its neighbours, by name."""
    return {
        **moving_members(moving_ports(spec)),
        **{f"{name}_in": In(bits) for name, bits in spec.rising_ports.items()},
        **{f"{name}_out": Out(bits) for name, bits in spec.rising_ports.items()},
    }


class Element(Exported):
    """A unit and the registers around it. The unit is instantiated by name.

    The ports connect the element to its neighbours.

    Parameters
    ----------
    spec : :class:`SystolicSpec`
        The specification of the array.
    """

    def __init__(self, spec: "SystolicSpec") -> None:
        self.spec = spec
        super().__init__(element_ports(spec))

    def header(self) -> list[str]:
        return ["An element of the array: a unit and the registers around it"]

    def elaborate(self, platform: object) -> Module:
        m, unit = Module(), self.spec.element_unit
        m.submodules.registers = registers = self.spec.registers()
        for name in element_ports(self.spec):
            if name in registers.signature.members:
                inner, outer = getattr(registers, name), getattr(self, name)
                m.d.comb += outer.eq(inner) if name.endswith("_out") else inner.eq(outer)
        acc, nan = Signal(unit.width), Signal(int(unit.is_exact))
        ports = {
            "i_clk": ClockSignal(),
            "i_a": registers.a_out,
            "o_acc": acc,
            **{f"i_{name}": value for name, value in self._operands(registers).items()},
        }
        if unit.scale:
            ports["i_a_scale"] = registers.a_scale_out
        if unit.is_exact:
            ports["o_nan"] = nan
        m.submodules.unit = Instance(UNIT, **ports)
        m.d.comb += self._result(registers).eq(Cat(acc, nan))
        return m

    @abstractmethod
    def _operands(self, registers: Any) -> dict[str, Value]:
        """The signals for the unit's inputs, by name.

        The clock, the activations and their scales are left out.
        """

    @abstractmethod
    def _result(self, registers: wiring.Component) -> Value:
        """The signal that receives the unit's result."""


class OutputElement(Element):
    """An element of an output-stationary array: its unit keeps a sum of its own.

    Its registers are :class:`ElementRegisters`.
    """

    def _operands(self, registers: Any) -> dict[str, Value]:
        unit, control = self.spec.unit, registers.control_out
        operands = {"w": registers.w_out, "clear": control[0]}
        if unit.gathers:
            operands["last"] = control[2]
        return operands | ({"w_scale": registers.w_scale_out} if unit.scale else {})

    def _result(self, registers: Any) -> Value:
        found: Value = registers.acc
        return found


class WeightElement(Element):
    """An element of a weight-stationary array: it adds to the sum that comes from below.

    Its registers are :class:`WeightRegisters`, which keep the weights. The register of the unit
    holds the sum that moves up.
    """

    def _operands(self, registers: Any) -> dict[str, Value]:
        unit = self.spec.unit
        operands = {"w": registers.w_held, "addend": self.sum_in[: unit.width]}
        if unit.is_exact:
            operands["addend_nan"] = self.sum_in[unit.width]
        return operands | ({"w_scale": registers.w_scale_held} if unit.scale else {})

    def _result(self, registers: Any) -> Value:
        found: Value = self.sum_out
        return found
