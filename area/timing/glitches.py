"""Finds glitches by event-driven simulation of a netlist with the delays of its cells.

Within a cycle, a net may change several times before it settles, since the inputs of a cell change
one after another. An output of a cell follows an input after the delay between these two pins. This
delay comes from the library's tables, at the slews that the timing analysis found and the loads in
the netlist. Delays are inertial: a pulse that is shorter than the delay of a cell does not pass
through the cell. Inputs change with the clock edge, and registers change after their
clock-to-output delay. The clock is assumed to be slow enough for all nets to settle before the next
edge.
"""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import truth_table
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import Instance, Net, Netlist, Register
from halfbyte.area.timing.activity import LANES, Activity
from halfbyte.area.timing.delay import Timing
from halfbyte.area.timing.energy import Energy, analyse_energy
from halfbyte.area.timing.event_kernel import TimedGates, run_events
from halfbyte.area.timing.switching import Switching
from halfbyte.base import UserError

__all__ = ["Delays", "cell_delays", "delayed_switching", "glitch_energy"]

RISE, FALL = 0, 1
# Large netlists are simulated in fewer of the 64 streams of inputs, but at least in one: the number
# of gate outputs, times cycles, times streams should be at most this.
_BUDGET = 12_000_000
_FS_PER_PS = 1000


class Delays(NamedTuple):
    """Delays in fs from an input to a rising and to a falling output; each is at least 1."""

    rise: int
    fall: int


def cell_delays(
    instance: Instance, output: str, netlist: Netlist, timing: Timing
) -> dict[str, Delays]:
    """The delays from each input of a gate, or from a flip-flop's clock, to one output.

    The slews are those of ``timing``, and the load is that of the output in the netlist.
    If the library states several delays from an input to the same output edge, as for an XOR, their
    mean counts. Raises UserError if the library does not state a delay for an input.
    """
    load = netlist.loads.get(instance.pins[output], 0.0)
    sources = [instance.state.clock] if isinstance(instance, Register) else instance.cell.inputs
    return {
        source: _delays(instance.cell, output, source, _slew(instance, source, timing), load)
        for source in sources
    }


def _slew(instance: Instance, source: str, timing: Timing) -> float:
    """The transition time of the net at a pin; the typical slew for the clock or a constant."""
    return timing.slews.get(instance.pins[source], timing.slew_ps)


def _delays(cell: Cell, output: str, source: str, slew: float, load: float) -> Delays:
    """The mean delays from one input; if the library states only one edge, it counts for both."""
    arcs = cell.arcs.get(output, {}).get(source, ())
    found = [
        [edge.delay.at(slew, load) for arc in arcs if (edge := (arc.rise, arc.fall)[direction])]
        for direction in (RISE, FALL)
    ]
    rises, falls = found
    if not rises and not falls:
        raise UserError(f"cell {cell.name}: the library states no delays from {source} to {output}")
    rise, fall = (
        max(1, round(_FS_PER_PS * fmean(each))) for each in (rises or falls, falls or rises)
    )
    return Delays(rise, fall)


def delayed_switching(netlist: Netlist, timing: Timing, activity: Activity) -> Switching:
    """The transitions in the cycles of ``activity``, with glitches.

    ``activity`` comes from a simulation without delays, so it holds the values at which the nets
    settle. Raises UserError if the library lacks delays, and AssertionError if a net has another
    value at the end.
    """
    program = _Program(netlist, timing)
    count = max(1, min(LANES, _BUDGET // max(1, len(program.outputs) * activity.cycles)))
    lanes = np.arange(count) * LANES // count
    settled = np.stack([_bits(activity, net, lanes) for net in program.nets], axis=2)
    steps = activity.cycles - (0 if activity.cyclic else 1)
    caused, last = program.run(settled, steps)
    if not np.array_equal(last, settled[:, steps % activity.cycles]):
        raise AssertionError(
            "With delays, the nets do not settle at the values that they have without delays"
        )
    return program.switching(caused, steps * count)


def glitch_energy(
    netlist: Netlist, technology: Technology, timing: Timing, activity: Activity
) -> Energy:
    """The energies of a netlist, with glitches.

    Raises the errors of :func:`delayed_switching` and :func:`analyse_energy`.
    """
    switching = delayed_switching(netlist, timing, activity)
    return analyse_energy(netlist, technology, timing, switching)


def _bits(activity: Activity, net: Net, lanes: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The values of a net in some streams, (streams, cycles)."""
    if isinstance(net, str):
        return np.full((len(lanes), activity.cycles), int(net), np.uint8)
    words = activity.words[net]
    return (words[None] >> lanes.astype(np.uint64)[:, None] & np.uint64(1)).astype(np.uint8)


class _Output(NamedTuple):
    """An output pin of a gate."""

    instance: Instance
    pin: str


class _Program:
    """A netlist as arrays.

    ``nets`` lists the constants, the inputs, the outputs of registers, and the outputs of gates.
    """

    def __init__(self, netlist: Netlist, timing: Timing) -> None:
        self.outputs = [_Output(gate, pin) for gate in netlist.gates for pin in gate.outputs]
        self.registers = [register for register in netlist.registers if register.outputs]
        inputs = [net for nets in netlist.inputs.values() for net in nets]
        launched = [register.pins[register.state.output] for register in self.registers]
        driven = [output.instance.pins[output.pin] for output in self.outputs]
        self.nets: list[Net] = ["0", "1", *inputs, *launched, *driven]
        self._first = 2 + len(inputs) + len(launched)
        place = {net: number for number, net in enumerate(self.nets)}
        width = max((len(gate.cell.inputs) for gate in netlist.gates), default=1)
        shape = len(self.outputs), width
        self._reads = np.zeros(shape, np.int64)
        self._tables = np.zeros(len(self.outputs), np.uint64)
        self._delays = np.ones((*shape, 2), np.int64)
        for number, (gate, pin) in enumerate(self.outputs):
            sources = list(gate.cell.inputs)
            self._tables[number] = truth_table(gate.cell.outputs[pin], sources)
            self._reads[number, : len(sources)] = [place[gate.pins[each]] for each in sources]
            found = cell_delays(gate, pin, netlist, timing)
            self._delays[number, : len(sources)] = [found[each] for each in sources]
        self._launch = np.zeros((self._first, 2), np.int64)
        for number, register in enumerate(self.registers, 2 + len(inputs)):
            state = register.state
            self._launch[number] = cell_delays(register, state.output, netlist, timing)[state.clock]

    def run(
        self, settled: NDArray[np.uint8], steps: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Run :func:`.event_kernel.run_events` on the netlist."""
        pins = [len(output.instance.cell.inputs) for output in self.outputs]
        starts, readers = _readers(self._reads, pins, len(self.nets))
        gates = TimedGates(self._reads, self._tables, self._delays, self._launch, starts, readers)
        return run_events(gates, settled, steps)

    def switching(self, caused: NDArray[np.int64], cycles: int) -> Switching:
        """Transitions per cycle, from the numbers of changes that :meth:`run` has counted.

        ``caused[net, pin]`` is the number of changes of a net that an input pin of its gate caused.
        Input ports and registers' outputs have no such pin: column 0 has all their changes.
        """
        totals = caused.sum(axis=1) / cycles
        transitions = dict(zip(self.nets[2:], totals[2:].tolist(), strict=True))
        shares = {
            (output.instance.name, output.pin, source): float(caused[self._first + number, pin])
            / cycles
            for number, output in enumerate(self.outputs)
            for pin, source in enumerate(output.instance.cell.inputs)
        }
        return Switching(transitions, shares)


def _readers(
    reads: NDArray[np.int64], counts: Sequence[int], nets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pins that read each net, as entries ``(output, pin)`` sorted by net.

    Returns the place of each net's first entry, and the entries.
    """

    def entries() -> Iterator[tuple[int, int, int]]:
        for output, count in enumerate(counts):
            for pin in range(count):
                yield int(reads[output, pin]), output, pin

    ordered = sorted(entries())
    starts = np.searchsorted([net for net, _, _ in ordered], np.arange(nets + 1))
    readers = np.array([entry[1:] for entry in ordered], np.int64).reshape(-1, 2)
    return starts.astype(np.int64), readers
