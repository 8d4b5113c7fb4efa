"""Computes switching activity: how often a netlist's nets change while it runs on given inputs.

This is a zero-delay simulation: every net has one value per cycle, so glitches are not seen. It
runs 64 independent streams of inputs at a time. A word of 64 bits holds the values of one net, one
bit per stream. If all inputs are known beforehand, logic that does not depend on the registers is
evaluated for all cycles at once, and all other logic cycle by cycle. If the inputs depend on the
outputs, as with ready/valid handshakes, all logic is evaluated cycle by cycle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.function import compiled
from halfbyte.area.netlists.netlist import Net, Netlist, Register

__all__ = ["LANES", "Activity", "Surroundings", "simulate", "simulate_within"]

LANES = 64  # the number of streams
_ONES = (1 << LANES) - 1
Words = NDArray[np.uint64]
# A gate: the index of its output in the list of values, and the function that computes it from
# this list.
_PlacedGate = tuple[int, Callable[[Sequence[Any]], Any]]


@dataclass(frozen=True)
class Activity:
    """The values of nets in a number of cycles; the clock and constants are left out.

    ``words[net]`` holds the values of one net: (cycles,) uint64, one bit per stream. If ``cyclic``,
    the cycles repeat, so changes from the last cycle to the first one count too.
    """

    words: Mapping[Net, Words]
    cycles: int
    cyclic: bool = True

    def changes(self, net: Net) -> Words:
        """A word for each pair of neighbouring cycles: the streams in which the net changes."""
        words = self.words[net]
        return words ^ np.roll(words, 1) if self.cyclic else words[1:] ^ words[:-1]

    def toggles(self, net: Net) -> float:
        """Transitions of the net per cycle and stream; 0 for constants and the clock."""
        return self.rate(self.changes(net)) if net in self.words else 0.0

    def rate(self, events: Words) -> float:
        """The mean number of set bits of ``events`` per cycle and stream."""
        return float(np.bitwise_count(events).sum()) / (len(events) * LANES)


class Surroundings(Protocol):
    """Drives a netlist and observes its outputs, as one word for each bit of a port."""

    def drive(self) -> Mapping[str, Sequence[int]]:
        """The inputs of the next cycle; they must not depend on the outputs of that cycle."""

    def observe(self, outputs: Mapping[str, Sequence[int]]) -> None:
        """Take the outputs of this cycle, before the clock edge that ends it."""


def simulate(netlist: Netlist, inputs: Mapping[str, NDArray[np.unsignedinteger]]) -> Activity:
    """Run a netlist on ``inputs[port]``, (cycles, 64) codes, one stream per column.

    The streams are assumed to repeat: the first cycle follows the last, and the registers start
    with their values after the last cycle. Raises ValueError if ``inputs`` does not have exactly
    the ports of the netlist, or if the arrays differ in shape or do not have 64 columns.
    """
    words = _pack(netlist, inputs)
    cycles = len(next(iter(words.values())))
    program = _Program(netlist)
    free: list[Any] = program.values()
    for net, word in words.items():
        free[program.place[net]] = word
    for place, function in program.free:
        free[place] = function(free)
    known = {
        place: word.tolist() for place, word in enumerate(free) if isinstance(word, np.ndarray)
    }
    rows = _run(program, known, cycles)
    result: dict[Net, Words] = {
        net: free[place] if place in known else np.array([row[place] for row in rows], np.uint64)
        for net, place in program.nets(netlist)
    }
    return Activity(result, cycles)


def simulate_within(
    netlist: Netlist, surroundings: Surroundings, *, warm_up: int, cycles: int
) -> Activity:
    """Run a netlist whose inputs depend on its outputs, starting with all registers at 0.

    Returns the activity in ``cycles`` cycles. The ``warm_up`` cycles before them are left out.
    """
    program = _Program(netlist)
    state = [0] * len(program.registers)
    rows = []
    for step in range(warm_up + cycles):
        driven = surroundings.drive()
        values = program.with_registers(state)
        for port, nets in netlist.inputs.items():
            for net, word in zip(nets, driven[port], strict=True):
                values[program.place[net]] = word
        state = program.settle(values, (*program.free, *program.bound))
        surroundings.observe(
            {
                port: [values[program.place[net]] for net in nets]
                for port, nets in netlist.outputs.items()
            }
        )
        if step >= warm_up:
            rows.append(values)
    result: dict[Net, Words] = {
        net: np.array([row[place] for row in rows], np.uint64)
        for net, place in program.nets(netlist)
    }
    return Activity(result, cycles, cyclic=False)


def _pack(netlist: Netlist, inputs: Mapping[str, NDArray[np.unsignedinteger]]) -> dict[Net, Words]:
    """The words of each input net, (cycles,); raises ValueError like :func:`simulate`."""
    if set(inputs) != set(netlist.inputs):
        raise ValueError(
            f"There must be streams for the ports {sorted(netlist.inputs)}, not {sorted(inputs)}"
        )
    shapes = {codes.shape for codes in inputs.values()}
    if len(shapes) != 1 or next(iter(shapes))[1:] != (LANES,):
        raise ValueError(f"All streams must have the shape (cycles, {LANES}), not {sorted(shapes)}")
    lanes = np.arange(LANES, dtype=np.uint64)
    return {
        net: np.bitwise_or.reduce(((inputs[port] >> bit) & 1).astype(np.uint64) << lanes, axis=1)
        for port, nets in netlist.inputs.items()
        for bit, net in enumerate(nets)
    }


class _Program:
    """A netlist as functions that work on a list of values.

    ``place`` has the index of each net in this list. ``free`` are the gates that do not depend on
    registers, and ``bound`` are the gates that do, both in evaluation order. ``registers`` has a
    triple for each register: the indices of its output and its data, and whether the output is
    inverted.
    """

    def __init__(self, netlist: Netlist) -> None:
        self.place: dict[Net, int] = {"0": 0, "1": 1}
        self.free: list[_PlacedGate] = []
        self.bound: list[_PlacedGate] = []
        for net in (each for nets in netlist.inputs.values() for each in nets):
            self._place(net)
        self.registers = [self._register(register) for register in netlist.registers]
        reached = {output for output, _, _ in self.registers}
        for gate in netlist.gates:
            pins = {pin: self._place(gate.pins[pin]) for pin in gate.cell.inputs}
            bound = not reached.isdisjoint(pins.values())
            for pin, net in gate.outputs.items():
                place = self._place(net)
                function = compiled(gate.cell.outputs[pin], pins, _ONES)
                (self.bound if bound else self.free).append((place, function))
                if bound:
                    reached.add(place)

    def _place(self, net: Net) -> int:
        """The index of a net in the list of values; an unknown net gets the next free index."""
        return self.place.setdefault(net, len(self.place))

    def _register(self, register: Register) -> tuple[int, int, bool]:
        state = register.state
        return (
            self._place(register.pins[state.output]),
            self._place(register.pins[state.data]),
            state.inverted,
        )

    def values(self) -> list[Any]:
        """A list with a place for every net; only the constants are set."""
        return [0, _ONES, *[None] * (len(self.place) - 2)]

    def nets(self, netlist: Netlist) -> list[tuple[Net, int]]:
        """The nets that can change, except the clock, and their places."""
        return [
            (net, place)
            for net, place in self.place.items()
            if isinstance(net, int) and net != netlist.clock
        ]

    def with_registers(self, state: Sequence[int]) -> list[Any]:
        """A list of values in which the constants and the outputs of the registers are set."""
        values = self.values()
        for (output, _, inverted), word in zip(self.registers, state, strict=True):
            values[output] = word ^ _ONES if inverted else word
        return values

    def settle(self, values: list[Any], gates: Sequence[_PlacedGate]) -> list[Any]:
        """Write the outputs of ``gates`` to ``values``; return the registers' next values."""
        for place, function in gates:
            values[place] = function(values)
        return [values[data] for _, data, _ in self.registers]


def _run(program: _Program, known: Mapping[int, list[int]], cycles: int) -> list[list[Any]]:
    """The list of values in each cycle, if the cycles repeat.

    The registers start at 0. The first run over the cycles gives the registers' values at the end.
    The second run starts with these values, and stops as soon as it agrees with the first run.
    """
    rows: list[list[Any]] = []
    state = [0] * len(program.registers)
    for step in range(2 * cycles):
        cycle = step % cycles
        values = program.with_registers(state)
        for place, words in known.items():
            values[place] = words[cycle]
        state = program.settle(values, program.bound)
        if step < cycles:
            rows.append(values)
        else:
            same = state == [rows[cycle][data] for _, data, _ in program.registers]
            rows[cycle] = values
            if same:
                break
    return rows
