"""The registers of an element that keeps its weights."""

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from halfbyte.rtl.array.registers import move, moving_members, moving_ports

if TYPE_CHECKING:
    from halfbyte.rtl.array.weight_spec import WeightArraySpec

__all__ = ["WeightRegisters", "held_ports"]


def held_ports(spec: "WeightArraySpec") -> dict[str, int]:
    """Widths in bits of the weights and the scales that an element keeps, by name."""
    return {name: bits for name, bits in moving_ports(spec).items() if name.startswith("w")}


class WeightRegisters(wiring.Component):
    """All registers of a weight-stationary element except those of its unit.

    Activations and control move to the right, and weights move down, one element a cycle. When the
    control bit ``load`` is high, the registers that keep weights copy the weights that arrive in
    the same cycle. So the next weights can move while the present ones are in use.

    Parameters
    ----------
    spec : :class:`WeightArraySpec`
        The specification of the array.

    Members
    -------
    a_in, w_in, control_in, a_scale_in, w_scale_in : ``In``
        Inputs from the neighbours to the left and above; control is ``[0] load``.
    a_out, w_out, control_out, a_scale_out, w_scale_out : ``Out``
        The inputs of the cycle before, for the neighbours to the right and below. The unit also
        gets the activations.
    w_held, w_scale_held : ``Out``
        The weights that are kept, and their scale. The unit multiplies them by the activations that
        arrived with ``load``, and by all later ones until the next ``load``.
    """

    def __init__(self, spec: "WeightArraySpec") -> None:
        self.spec = spec
        held = {f"{name}_held": Out(bits) for name, bits in held_ports(spec).items()}
        super().__init__({**moving_members(moving_ports(spec)), **held})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        move(m, self, moving_ports(self.spec))
        for name, bits in held_ports(self.spec).items():
            register = Signal(bits, name=f"{name}_held_register", reset_less=True)
            arriving = getattr(self, f"{name}_in")
            m.d.sync += register.eq(Mux(self.control_in, arriving, register))
            m.d.comb += getattr(self, f"{name}_held").eq(register)
        return m
