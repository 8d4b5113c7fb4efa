"""Counts how often nets change, and how often each input of a cell makes an output change."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.area.netlists.netlist import Net, Netlist
from halfbyte.area.timing.activity import Activity

__all__ = ["Switching", "settled_switching"]


@dataclass(frozen=True)
class Switching:
    """Transitions per cycle.

    ``transitions`` has the number of transitions of each net. ``caused`` has the number of
    transitions of a cell's output that one input of the cell caused, by
    ``(instance, output, input)``.
    """

    transitions: Mapping[Net, float]
    caused: Mapping[tuple[str, str, str], float]


def settled_switching(netlist: Netlist, activity: Activity) -> Switching:
    """The transitions of an activity, in which every net changes at most once per cycle.

    If several inputs change together with an output, they share the output's transition.
    """
    transitions = {net: activity.toggles(net) for net in activity.words}
    caused: dict[tuple[str, str, str], float] = {}
    for gate in netlist.gates:
        sources = {pin: net for pin in gate.cell.inputs if (net := gate.pins[pin]) in transitions}
        for pin, net in gate.outputs.items():
            changes = activity.changes(net)
            together = {
                source: activity.rate(changes & activity.changes(other))
                for source, other in sources.items()
            }
            whole = sum(together.values())
            for source, rate in together.items():
                if rate:
                    caused[gate.name, pin, source] = transitions[net] * rate / whole
    return Switching(transitions, caused)
