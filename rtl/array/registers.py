"""The registers of an element: for the data that moves through the array, and for the results."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

if TYPE_CHECKING:
    from halfbyte.rtl.array.base import SystolicSpec

__all__ = ["DelayStage", "ElementRegisters", "move", "moving_members", "moving_ports"]


def moving_ports(spec: "SystolicSpec") -> dict[str, int]:
    """Widths in bits of all data that moves right or down through an element, by name.

    Weights and their scales, whose names begin with ``w``, move down; the other data moves right.
    """
    ports = {"a": spec.activation_bits, "w": spec.weight_bits, "control": spec.control_bits}
    if spec.scale_bits:
        ports |= {"a_scale": spec.scale_bits, "w_scale": spec.scale_bits}
    return ports


def moving_members(ports: Mapping[str, int]) -> dict[str, wiring.Member]:
    """An input and an output for each of ``ports``."""
    return {
        **{f"{name}_in": In(bits) for name, bits in ports.items()},
        **{f"{name}_out": Out(bits) for name, bits in ports.items()},
    }


def move(m: Module, component: wiring.Component, ports: Mapping[str, int]) -> None:
    """Put a register between the input and the output of each of ``ports``."""
    for name, bits in ports.items():
        register = Signal(bits, name=f"{name}_register", reset_less=True)
        m.d.sync += register.eq(getattr(component, f"{name}_in"))
        m.d.comb += getattr(component, f"{name}_out").eq(register)


class DelayStage(wiring.Component):
    """Delay the inputs of a row or a column by one cycle.

    Parameters
    ----------
    ports : mapping of :class:`str` to :class:`int`
        Names and widths in bits of the inputs.

    Members
    -------
    NAME_in, NAME_out : ``In(bits)``, ``Out(bits)``
        Each input, and its value a cycle later.
    """

    def __init__(self, *, ports: Mapping[str, int]) -> None:
        self.ports = ports
        super().__init__(moving_members(ports))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        move(m, self, self.ports)
        return m


class ElementRegisters(wiring.Component):
    """All registers of an output-stationary element except those of its unit.

    Codes, scales and control go through registers. One cycle after they arrive, they reach both the
    unit and the next element. When the control bit ``take`` is high, the result register copies the
    unit's result. In all other cycles it copies the result register of the element below, so
    results move up.

    Parameters
    ----------
    spec : :class:`ArraySpec`
        The specification of the array.

    Members
    -------
    a_in, w_in, control_in, a_scale_in, w_scale_in : ``In``
        Inputs from the neighbours to the left and above.
    a_out, w_out, control_out, a_scale_out, w_scale_out : ``Out``
        The inputs of the cycle before, for the unit and for the neighbours to the right and below.
        Control is ``[0] clear, [1] take``, and ``[2] last`` if the unit has an input ``last``.
    acc : ``In(result_bits)``
        The unit's result.
    sum_in, valid_in : ``In(result_bits)``, ``In(1)``
        The result that moves up from below, and whether there is one.
    sum_out, valid_out : ``Out(result_bits)``, ``Out(1)``
        The result register and whether it holds a result, for the element above.
    """

    def __init__(self, spec: "SystolicSpec") -> None:
        self.spec = spec
        super().__init__(
            {
                **moving_members(moving_ports(spec)),
                "acc": In(spec.result_bits),
                "sum_in": In(spec.result_bits),
                "valid_in": In(1),
                "sum_out": Out(spec.result_bits),
                "valid_out": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        move(m, self, moving_ports(self.spec))
        result = Signal(self.spec.result_bits, reset_less=True)
        valid = Signal(reset_less=True)
        take = self.control_out[1]
        m.d.sync += [result.eq(Mux(take, self.acc, self.sum_in)), valid.eq(take | self.valid_in)]
        m.d.comb += [self.sum_out.eq(result), self.valid_out.eq(valid)]
        return m
