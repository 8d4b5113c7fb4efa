"""A netlist of library cells, read from Yosys' JSON: gates, flip-flops, nets and their loads."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from halfbyte.area.cells.cell import Cell, FlipFlop
from halfbyte.area.cells.function import truth_table

__all__ = ["Instance", "Net", "Netlist", "Register", "Sink", "read_netlist"]

# A net: a number, or "0" or "1" for a constant.
Net = int | str


@dataclass(frozen=True)
class Instance:
    """One cell in the netlist: its name, and the net at each connected pin."""

    name: str
    cell: Cell
    pins: Mapping[str, Net]

    @property
    def outputs(self) -> dict[str, Net]:
        """The nets that the cell drives, by pin."""
        return {pin: self.pins[pin] for pin in self.cell.outputs if pin in self.pins}


@dataclass(frozen=True)
class Register(Instance):
    """A flip-flop in the netlist."""

    state: FlipFlop


class Sink(NamedTuple):
    """An input pin that a net drives."""

    instance: Instance
    pin: str


@dataclass(frozen=True)
class Netlist:
    """A flat netlist with at most one clock.

    ``inputs`` and ``outputs`` are the ports without the clock, bit 0 first. In ``gates``, every
    gate comes after the gates that drive it. ``ties`` are the cells that give constants; the nets
    that they drive are replaced by the constants ``"0"`` and ``"1"``.
    """

    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]
    clock: Net | None
    gates: Sequence[Instance]
    registers: Sequence[Register]
    ties: Sequence[Instance] = ()

    @cached_property
    def sinks(self) -> Mapping[Net, Sequence[Sink]]:
        """The input pins on each net."""
        found: dict[Net, list[Sink]] = defaultdict(list)
        for instance in (*self.gates, *self.registers):
            for pin in instance.cell.inputs:
                found[instance.pins[pin]].append(Sink(instance, pin))
        return found

    @cached_property
    def loads(self) -> Mapping[Net, float]:
        """Capacitance in fF of the input pins on each net that has any, without wires."""
        return {
            net: sum(sink.instance.cell.inputs[sink.pin] for sink in sinks)
            for net, sinks in self.sinks.items()
        }

    @cached_property
    def late_loads(self) -> Mapping[Net, float]:
        """Like :attr:`loads`, but with the upper ends of the library's capacitance ranges."""
        return {
            net: sum(sink.instance.cell.late_capacitance(sink.pin) for sink in sinks)
            for net, sinks in self.sinks.items()
        }

    @property
    def instances(self) -> Sequence[Instance]:
        """All cells."""
        return (*self.gates, *self.registers, *self.ties)

    @property
    def leakage(self) -> float | None:
        """Leakage power of all cells in nW; None if the library lacks that of a cell."""
        stated = [each.cell.leakage for each in self.instances if each.cell.leakage is not None]
        return round(sum(stated), 4) if len(stated) == len(self.instances) else None

    def name(self, net: Net) -> str:
        """The readable name of a net: its port, else the pin that drives it, else its number."""
        return self._names.get(net, str(net))

    @cached_property
    def _names(self) -> Mapping[Net, str]:
        names = {
            net: f"{instance.name}/{pin}"
            for instance in (*self.gates, *self.registers)
            for pin, net in instance.outputs.items()
        }
        for port, nets in (*self.outputs.items(), *self.inputs.items()):
            suffixes = [f"[{bit}]" for bit in range(len(nets))] if len(nets) > 1 else [""]
            names |= {net: port + suffix for net, suffix in zip(nets, suffixes, strict=True)}
        return names


def read_netlist(path: Path, cells: Mapping[str, Cell], top: str) -> Netlist:
    """Read module ``top`` of a JSON file that Yosys' ``write_json`` wrote.

    Raises AssertionError if the netlist has a cell that is not in ``cells``, several clocks, or a
    combinational loop.
    """
    module = json.loads(path.read_text())["modules"][top]
    placed = [_instance(name, body, cells) for name, body in module["cells"].items()]
    ties = [each for each in placed if not each.cell.inputs]
    constants = _constants(ties)
    instances = [_rewired(each, constants) for each in placed if each.cell.inputs]
    registers = [instance for instance in instances if isinstance(instance, Register)]
    clocks = {register.pins[register.state.clock] for register in registers}
    if len(clocks) > 1:
        raise AssertionError(f"A netlist must have at most one clock, not {len(clocks)}")
    clock = clocks.pop() if clocks else None
    ports = {
        direction: {
            name: tuple(constants.get(net, net) for net in port["bits"])
            for name, port in module["ports"].items()
            if port["direction"] == direction and port["bits"] != [clock]
        }
        for direction in ("input", "output")
    }
    gates = _in_order([each for each in instances if not isinstance(each, Register)])
    return Netlist(ports["input"], ports["output"], clock, gates, registers, ties)


def _constants(ties: Iterable[Instance]) -> dict[Net, Net]:
    """The constant on each net that a tie cell (a cell without inputs) drives."""
    return {
        net: str(truth_table(tie.cell.outputs[pin], ()))
        for tie in ties
        for pin, net in tie.outputs.items()
    }


def _rewired(instance: Instance, constants: Mapping[Net, Net]) -> Instance:
    """The instance with constants in place of the nets of tie cells."""
    pins = {pin: constants.get(net, net) for pin, net in instance.pins.items()}
    return replace(instance, pins=pins)


def _instance(name: str, body: Mapping[str, Any], cells: Mapping[str, Cell]) -> Instance:
    """A cell of Yosys' JSON as an instance, or as a register if it is a flip-flop."""
    if body["type"] not in cells:
        raise AssertionError(f"The netlist has an unmapped cell: {body['type']}")
    pins = {pin: bits[0] for pin, bits in body["connections"].items() if bits}
    cell = cells[body["type"]]
    return (
        Register(name, cell, pins, cell.flip_flop) if cell.flip_flop else Instance(name, cell, pins)
    )


def _in_order(gates: Iterable[Instance]) -> list[Instance]:
    """The gates, each after the gates that drive it."""
    by_name = {gate.name: gate for gate in gates}
    driver = {net: gate.name for gate in by_name.values() for net in gate.outputs.values()}
    before = {
        gate.name: [driver[gate.pins[pin]] for pin in gate.cell.inputs if gate.pins[pin] in driver]
        for gate in by_name.values()
    }
    try:
        return [by_name[name] for name in TopologicalSorter(before).static_order()]
    except CycleError as error:
        raise AssertionError(f"The netlist has a combinational loop: {error.args[1]}") from None
