"""Switching activity: a netlist simulated on operand streams, 64 of them at a time.

Zero-delay simulation: every net takes one value per cycle, so that glitches are not seen. A word
holds one net in 64 independent streams. What does not depend on the registers is evaluated for all
cycles at once, the rest cycle by cycle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.function import compiled
from halfbyte.area.netlist import Net, Netlist, Register

__all__ = ["LANES", "Activity", "simulate"]

LANES = 64
_ONES = (1 << LANES) - 1
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Activity:
    """``words[net]`` are its values, (cycles,) uint64, one bit per stream; cyclic in time."""

    words: Mapping[Net, Words]
    cycles: int

    def changes(self, net: Net) -> Words:
        """In which streams the net differs from the cycle before, (cycles,) uint64."""
        words = self.words[net]
        return words ^ np.roll(words, 1)

    def toggles(self, net: Net) -> float:
        """Transitions of the net per cycle."""
        return self.rate(self.changes(net)) if net in self.words else 0.0

    def rate(self, events: Words) -> float:
        """How many of the bits are set per cycle and stream."""
        return float(np.bitwise_count(events).sum()) / (self.cycles * LANES)


def simulate(netlist: Netlist, inputs: Mapping[str, NDArray[np.uint8]]) -> Activity:
    """Run a netlist on ``inputs[port]``, (cycles, 64) codes, one stream per column.

    The streams are taken to repeat: the first cycle follows the last, and the registers hold what
    they hold then. Raises ValueError for ports or shapes that do not fit.
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
        for net, place in program.place.items()
        if isinstance(net, int) and net != netlist.clock
    }
    return Activity(result, cycles)


def _pack(netlist: Netlist, inputs: Mapping[str, NDArray[np.uint8]]) -> dict[Net, Words]:
    """One word per bit of an input port and cycle."""
    if set(inputs) != set(netlist.inputs):
        raise ValueError(f"Streams must be for {sorted(netlist.inputs)}, not {sorted(inputs)}")
    shapes = {codes.shape for codes in inputs.values()}
    if len(shapes) != 1 or next(iter(shapes))[1:] != (LANES,):
        raise ValueError(f"Streams must have the shape (cycles, {LANES}), not {sorted(shapes)}")
    lanes = np.arange(LANES, dtype=np.uint64)
    return {
        net: np.bitwise_or.reduce(((inputs[port] >> bit) & 1).astype(np.uint64) << lanes, axis=1)
        for port, nets in netlist.inputs.items()
        for bit, net in enumerate(nets)
    }


class _Program:
    """A netlist as functions of a list of values, one place per net.

    ``free`` are the gates that no register reaches, ``bound`` the others; both are in order, as
    ``(place of the output, function)``. ``registers`` are ``(output, data, whether inverted)``.
    """

    def __init__(self, netlist: Netlist) -> None:
        self.place: dict[Net, int] = {"0": 0, "1": 1}
        self.free: list[tuple[int, Callable[[Sequence[Any]], Any]]] = []
        self.bound: list[tuple[int, Callable[[Sequence[Any]], Any]]] = []
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
        return self.place.setdefault(net, len(self.place))

    def _register(self, register: Register) -> tuple[int, int, bool]:
        state = register.state
        return (
            self._place(register.pins[state.output]),
            self._place(register.pins[state.data]),
            state.inverted,
        )

    def values(self) -> list[Any]:
        """A list with a place for every net, the constants set."""
        return [0, _ONES, *[None] * (len(self.place) - 2)]


def _run(program: _Program, known: Mapping[int, list[int]], cycles: int) -> list[list[Any]]:
    """The values of all places by cycle, from registers at 0 until they repeat."""
    rows: list[list[Any]] = []
    state = [0] * len(program.registers)
    for step in range(2 * cycles):
        cycle = step % cycles
        values = program.values()
        for place, words in known.items():
            values[place] = words[cycle]
        for (output, _, inverted), word in zip(program.registers, state, strict=True):
            values[output] = word ^ _ONES if inverted else word
        for place, function in program.bound:
            values[place] = function(values)
        state = [values[data] for _, data, _ in program.registers]
        if step < cycles:
            rows.append(values)
        else:
            same = state == [rows[cycle][data] for _, data, _ in program.registers]
            rows[cycle] = values
            if same:
                break
    return rows
