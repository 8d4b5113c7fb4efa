"""Static timing analysis: computes the least clock period of a netlist from the library's tables.

Every path that ends at the data input of a flip-flop counts, with the setup time there. A path
starts at the clock of a flip-flop, or at an input port, which is assumed to change with the clock
edge. The clock is ideal. Clock and inputs have the slew of an inverter that drives four inverters
like itself. The load of a net is the capacitance of its pins, without wires. If the library states
ranges of capacitances, their upper ends are used. Rising and falling edges are followed separately.
At each net, the latest arrival and the slowest slew are used, even if they come from different
paths, as in graph-based timing analysis.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from halfbyte.area.cells.cell import Arc, Cell, Edge
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import Instance, Net, Netlist, Register
from halfbyte.base import UserError

__all__ = ["Step", "Timing", "analyse_timing", "inverter_delay", "typical_slew"]

RISE, FALL = 0, 1
# The typical slew is the slew at the end of a chain of this many inverters, where it has settled.
_SLEW_ROUNDS = 20


class Step(NamedTuple):
    """A point of a path: the net, its edge (``rise`` or ``fall``), and the cell that drives it.

    The cell is empty for an input port.
    """

    net: str
    edge: str
    cell: str


@dataclass(frozen=True)
class Timing:
    """The results of the analysis.

    Parameters
    ----------
    delay_ps : float
        The least clock period, in ps; 0 if no path ends at a register.
    output_ps : float
        The latest arrival at an output port, in ps; 0 if no edge arrives at one.
    path : tuple of Step
        The critical path, from its start to the data input of a register; empty if there is none.
    end : str
        The name of that register's output; empty without a path.
    slews : mapping of net to float
        Transition times of the nets in ps, averaged over both edges.
    slew_ps : float
        Transition time of the clock and the inputs, in ps.
    """

    delay_ps: float
    output_ps: float
    path: tuple[Step, ...]
    end: str
    slews: Mapping[Net, float]
    slew_ps: float


class _Event(NamedTuple):
    """The latest arrival in ps of an edge at a net, and the name of the cell that drives the net.

    ``after`` is the net and edge that cause this edge; None if the path starts here.
    """

    arrival: float
    cell: str
    after: "_Point | None"


# A net, and one of its edges: RISE or FALL.
_Point = tuple[Net, int]


def typical_slew(technology: Technology) -> float:
    """The transition time in ps in a chain of the smallest inverters, each driving four of them.

    Raises UserError if the inverter has no timing tables.
    """
    cell = technology.inverter
    ((source, capacitance),) = cell.inputs.items()
    arc = _arcs(cell, next(iter(cell.outputs)), source)[0]
    slew = 0.0
    for _ in range(_SLEW_ROUNDS):
        slew = fmean(edge.transition.at(slew, 4 * capacitance) for edge in arc.edges)
    return round(slew, 3)


def inverter_delay(technology: Technology) -> float:
    """FO4: the mean delay in ps of the smallest inverter if it drives four inverters like itself.

    Raises UserError if the inverter has no timing tables.
    """
    cell = technology.inverter
    ((source, capacitance),) = cell.inputs.items()
    arc = _arcs(cell, next(iter(cell.outputs)), source)[0]
    slew = typical_slew(technology)
    return round(fmean(edge.delay.at(slew, 4 * capacitance) for edge in arc.edges), 3)


def analyse_timing(netlist: Netlist, technology: Technology) -> Timing:
    """Analyse a netlist of the technology's cells; raises UserError if a cell lacks its tables."""
    return _Analysis(netlist, typical_slew(technology)).run()


def _arcs(cell: Cell, output: str, source: str) -> tuple[Arc, ...]:
    """The timing from an input to an output; raises UserError if there is none."""
    arcs = cell.arcs.get(output, {}).get(source)
    if not arcs or cell.untimed:
        why = cell.untimed or f"the library states no timing tables from {source} to {output}"
        raise UserError(f"cell {cell.name}: {why}")
    return arcs


def _edges(arc: Arc) -> Iterator[tuple[int, int, Edge]]:
    """Triples ``(edge of the input, edge of the output that follows, its tables)``."""
    for after in (RISE, FALL):
        for edge, tables in ((RISE, arc.rise), (FALL, arc.fall)):
            follows = arc.sense == "both" or (arc.sense == "positive") == (after == edge)
            if tables and follows:
                yield after, edge, tables


class _Analysis:
    """Computes arrivals and slews, from the inputs and registers forward."""

    def __init__(self, netlist: Netlist, slew: float) -> None:
        self.netlist = netlist
        self.slew = slew
        self.events: dict[_Point, _Event] = {}
        self.slews: dict[_Point, float] = {}

    def run(self) -> Timing:
        for nets in self.netlist.inputs.values():
            for net in nets:
                for edge in (RISE, FALL):
                    self.events[net, edge] = _Event(0.0, "", None)
                    self.slews[net, edge] = self.slew
        for register in self.netlist.registers:
            self._launch(register)
        for gate in self.netlist.gates:
            for output, net in gate.outputs.items():
                for source in gate.cell.inputs:
                    if isinstance(gate.pins[source], int):
                        for arc in _arcs(gate.cell, output, source):
                            self._carry(gate, arc, gate.pins[source], net)
        return self._result()

    def _launch(self, register: Register) -> None:
        """Start the edges of a flip-flop's output, at the clock's slew and the output's load."""
        state = register.state
        net = register.pins[state.output]
        load = self.netlist.late_loads.get(net, 0.0)
        for arc in _arcs(register.cell, state.output, state.clock):
            for after, edge, tables in _edges(arc):
                if after == RISE:
                    event = _Event(tables.delay.at(self.slew, load), register.cell.name, None)
                    self._merge((net, edge), event, tables.transition.at(self.slew, load))

    def _carry(self, gate: Instance, arc: Arc, source: Net, net: Net) -> None:
        """Carry the edges of ``source`` through a gate to its output ``net``."""
        load = self.netlist.late_loads.get(net, 0.0)
        for after, edge, tables in _edges(arc):
            point = (source, after)
            if point not in self.events:
                continue  # the driver of the source has no such edge in the library
            slew = self.slews[point]
            arrival = self.events[point].arrival + tables.delay.at(slew, load)
            event = _Event(arrival, gate.cell.name, point)
            self._merge((net, edge), event, tables.transition.at(slew, load))

    def _merge(self, point: _Point, event: _Event, slew: float) -> None:
        """Add an arrival and a slew at a point: keep the latest arrival and the slowest slew."""
        known = self.events.get(point)
        if known is None or event.arrival > known.arrival:
            self.events[point] = event
        self.slews[point] = max(slew, self.slews.get(point, 0.0))

    def _result(self) -> Timing:
        ends = []
        for register in self.netlist.registers:
            net = register.pins[register.state.data]
            if register.state.setup is None:
                raise UserError(f"cell {register.cell.name}: the library states no setup times")
            for edge, setup in zip((RISE, FALL), register.state.setup, strict=True):
                if (net, edge) in self.events:
                    needed = setup.at(self.slews[net, edge], self.slew)
                    output = self.netlist.name(register.pins[register.state.output])
                    ends.append((self.events[net, edge].arrival + needed, (net, edge), output))
        delay, point, end = max(ends, default=(0.0, None, ""))
        return Timing(
            delay_ps=round(delay, 2),
            output_ps=round(self._latest_output(), 2),
            path=tuple(self._path(point))[::-1],
            end=end,
            slews={
                net: fmean(self.slews[net, e] for e in (RISE, FALL) if (net, e) in self.slews)
                for net in dict.fromkeys(net for net, _ in self.slews)
            },
            slew_ps=self.slew,
        )

    def _latest_output(self) -> float:
        nets = (net for nets in self.netlist.outputs.values() for net in nets)
        points = ((net, edge) for net in nets for edge in (RISE, FALL))
        return max((self.events[each].arrival for each in points if each in self.events), default=0)

    def _path(self, point: _Point | None) -> Iterator[Step]:
        while point:
            event = self.events[point]
            yield Step(self.netlist.name(point[0]), ("rise", "fall")[point[1]], event.cell)
            point = event.after
