"""Computes the energy of a netlist per cycle from its switching activity and the library's tables.

Every transition of a net charges or discharges the pins on it (half of C V^2). It also costs
internal energy in the cell that drives the net. The library states this energy for the slew of the
input that caused the transition and for the load of the cell. Without glitches, several inputs may
change together with an output; then a mean of their energies is used. A transition of an input also
costs the energy that the library states for this input alone. The clock is counted separately, with
two transitions per cycle at every flip-flop. Wires and the clock tree are left out. Glitches count
only if the given transitions include them.
"""

from dataclasses import dataclass

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import Instance, Netlist
from halfbyte.area.timing.activity import Activity
from halfbyte.area.timing.delay import Timing
from halfbyte.area.timing.switching import Switching, settled_switching
from halfbyte.base import UserError

__all__ = ["Energy", "all_reasons", "analyse_energy", "no_leakage"]

CLOCK_EDGES = 2  # in each cycle
_BETWEEN = "; "  # between the reasons in a text


def no_leakage(*netlists: Netlist) -> str | None:
    """Why the leakage of a netlist is not known; None if that of each netlist is known."""
    if any(netlist.leakage is None for netlist in netlists):
        return "the library lacks the leakage of a cell or its unit"
    return None


def all_reasons(*reasons: str | None) -> str | None:
    """Reasons for values that are null as one text, each reason once; None if there are none."""
    found = [each for reason in reasons if reason for each in reason.split(_BETWEEN)]
    return _BETWEEN.join(dict.fromkeys(found)) or None


@dataclass(frozen=True)
class Energy:
    """Energies in fJ per cycle.

    ``internal`` and ``switching`` are the energies of data: ``internal`` inside the cells, and
    ``switching`` to charge and discharge the pins on the nets. ``clock`` is the energy of the
    clock: inside the flip-flops, and to charge and discharge their clock pins.
    """

    internal: float
    switching: float
    clock: float

    @property
    def total(self) -> float:
        """All energy of a cycle, without leakage."""
        return self.internal + self.switching + self.clock


def analyse_energy(
    netlist: Netlist,
    technology: Technology,
    timing: Timing,
    activity: Activity | Switching,
) -> Energy:
    """Energies of a netlist of the technology's cells.

    An :class:`Activity` gives energies without glitches. A :class:`Switching` with glitches comes
    from :func:`.glitches.delayed_switching`. If no cell of the technology states internal energies,
    only the energies of the loads count. Raises UserError if some cells state internal energies and
    a cell of the netlist does not, or if the technology lacks a voltage.
    """
    if technology.voltage is None:
        raise UserError(f"technology {technology.name} does not state its supply voltage")
    instances = (*netlist.gates, *netlist.registers)
    silent = [each.cell.name for each in instances if not each.cell.states_energies]
    if silent and any(cell.states_energies for cell in technology.cells.values()):
        raise UserError(f"cell {silent[0]}: the library states no internal energies")
    per_load = technology.voltage**2 / 2  # fJ per fF and transition
    switching = settled_switching(netlist, activity) if isinstance(activity, Activity) else activity
    clock = 0.0
    for register in netlist.registers:
        pin = register.state.clock
        inside = _own(register, pin, timing.slew_ps)
        clock += CLOCK_EDGES * (inside + per_load * register.cell.inputs[pin])
    rates = switching.transitions
    return Energy(
        internal=sum(_internal(each, netlist, timing, switching) for each in instances),
        switching=per_load * sum(rates[net] * netlist.loads.get(net, 0.0) for net in rates),
        clock=clock,
    )


def _internal(instance: Instance, netlist: Netlist, timing: Timing, switching: Switching) -> float:
    """Energy in fJ per cycle inside one cell, without that of its clock pin."""
    cell, state = instance.cell, instance.cell.flip_flop
    rates = switching.transitions
    energy = 0.0
    for pin in cell.inputs:
        net = instance.pins[pin]
        if net in rates and not (state and pin == state.clock):
            energy += rates[net] * _own(instance, pin, timing.slews[net])
    for pin, net in instance.outputs.items():
        load = netlist.loads.get(net, 0.0)
        for source, table in cell.energies.get(pin, {}).items():
            if state:
                energy += rates[net] * table.at(timing.slew_ps, load)
            elif rate := switching.caused.get((instance.name, pin, source)):
                energy += rate * table.at(timing.slews[instance.pins[source]], load)
    return energy


def _own(instance: Instance, pin: str, slew: float) -> float:
    """Energy in fJ of one transition of an input alone; 0 if the library states none."""
    table = instance.cell.input_energies.get(pin)
    return table.at(slew, 0.0) if table else 0.0
