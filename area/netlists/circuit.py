"""Circuits as Yosys hands them over: gates or library cells, registers, ports and names."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import truth_table
from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.base import ToolError

__all__ = ["Circuit", "CircuitError", "Net", "read_circuits"]

# A number for a wire, or a constant as text.
Net = int | str
_CONSTANTS: dict[Net, int] = {"0": FALSE, "1": TRUE}
_UNDEFINED = "x"
CLOCK = "clk"
# Yosys' gates after `techmap`.
_GATES = {
    "$_BUF_": "A",
    "$_NOT_": "!A",
    "$_AND_": "A & B",
    "$_NAND_": "!(A & B)",
    "$_OR_": "A | B",
    "$_NOR_": "!(A | B)",
    "$_XOR_": "A ^ B",
    "$_XNOR_": "!(A ^ B)",
    "$_ANDNOT_": "A & !B",
    "$_ORNOT_": "A | !B",
    "$_MUX_": "(A & !S) | (B & S)",
}
_REGISTER = "$_DFF_P_"


class CircuitError(ToolError):
    """A circuit that is no synchronous one of known gates; the message says why."""


class Gate(NamedTuple):
    """One output of a cell: its truth table over ``inputs`` (:func:`function.truth_table`)."""

    table: int
    inputs: tuple[Net, ...]
    output: Net


class Register(NamedTuple):
    """A flip-flop: after the clock edge ``output`` is ``data``, or its inverse.

    ``tied`` are nets that must be constant: pins that clear or preset, at their inactive level.
    """

    output: Net
    data: Net
    inverted: bool
    tied: tuple[tuple[Net, int], ...] = ()


@dataclass(frozen=True)
class Circuit:
    """One module: ports and wires by name, as nets from the least significant bit on.

    Of the gates, each comes after those that drive it.
    """

    inputs: Mapping[str, Sequence[Net]]
    outputs: Mapping[str, Sequence[Net]]
    wires: Mapping[str, Sequence[Net]]
    gates: Sequence[Gate]
    registers: Sequence[Register]

    def evaluate(self, aig: Aig, known: Mapping[Net, int]) -> dict[Net, int]:
        """The literals of all nets that follow from the ``known`` ones.

        An undefined value may be anything: wherever one is read it becomes a variable.
        """
        literals: dict[Net, int] = {**_CONSTANTS, **known}
        for gate in self.gates:
            if gate.output not in literals and all(
                net in literals or net == _UNDEFINED for net in gate.inputs
            ):
                selects = [
                    aig.variable() if net == _UNDEFINED else literals[net] for net in gate.inputs
                ]
                literals[gate.output] = aig.lookup(gate.table, selects)
        return literals

    def word(self, literals: Mapping[Net, int], nets: Sequence[Net]) -> list[int]:
        """The literals of ``nets``; raises CircuitError if one does not follow from the inputs."""
        try:
            return [literals[net] for net in nets]
        except KeyError as error:
            raise CircuitError(f"Net {error} has no defined value") from None

    def tied(self, wire: str) -> "Circuit":
        """The circuit in which 0 is read wherever a named wire was."""

        return self.rewired(dict.fromkeys(self.wires[wire], "0"))

    def fixed(self, name: str, value: int) -> "Circuit":
        """The circuit with ``value`` at the input ``name``, which it then no longer has."""
        bits = {net: str(value >> place & 1) for place, net in enumerate(self.inputs[name])}
        others = {other: nets for other, nets in self.inputs.items() if other != name}
        return replace(self.rewired(bits), inputs=others)

    def rewired(self, sources: Mapping[Net, Net]) -> "Circuit":
        """The circuit in which whatever read a net of ``sources`` reads another net instead.

        The other nets must be constants or inputs, so that the gates stay in order.
        """

        def source(net: Net) -> Net:
            return sources.get(net, net)

        return replace(
            self,
            gates=[
                gate._replace(inputs=tuple(source(net) for net in gate.inputs))
                for gate in self.gates
            ],
            registers=[each._replace(data=source(each.data)) for each in self.registers],
            outputs={name: [source(net) for net in nets] for name, nets in self.outputs.items()},
        )


def read_circuits(text: str, cells: Mapping[str, Cell] | None = None) -> dict[str, Circuit]:
    """The modules of Yosys' JSON ``text`` by name, made of Yosys' gates and of library ``cells``.

    Modules that instantiate others are left out. Raises CircuitError for a register that is none
    of the library's or not clocked by ``clk``.
    """
    modules = json.loads(text)["modules"]
    return {
        name: _circuit(module, cells or {})
        for name, module in modules.items()
        if not any(cell["type"] in modules for cell in module["cells"].values())
    }


def _circuit(module: Mapping[str, Any], cells: Mapping[str, Cell]) -> Circuit:
    ports: dict[str, dict[str, Sequence[Net]]] = {"input": {}, "output": {}, "inout": {}}
    for name, port in module["ports"].items():
        ports[port["direction"]][name] = port["bits"]
    clocks = ports["input"].pop(CLOCK, [])
    gates: list[Gate] = []
    registers: list[Register] = []
    for cell in module["cells"].values():
        pins = {pin: nets[0] for pin, nets in cell["connections"].items()}
        register = _register(cell["type"], pins, cells, clocks)
        if register:
            registers.append(register)
        else:
            gates += _gates(cell["type"], pins, cells)
    wires = {name: wire["bits"] for name, wire in module["netnames"].items()}
    return Circuit(ports["input"], ports["output"], wires, _sorted(gates), registers)


def _sorted(gates: Sequence[Gate]) -> list[Gate]:
    """The gates, each after those that drive it; raises CircuitError for a loop."""
    drivers = {gate.output: gate for gate in gates}
    if len(drivers) < len(gates):
        raise CircuitError("A net is driven by two gates")
    sorter = TopologicalSorter({net: gate.inputs for net, gate in drivers.items()})
    try:
        return [drivers[net] for net in sorter.static_order() if net in drivers]
    except CycleError:
        raise CircuitError("The logic has a loop without a register") from None


def _gates(kind: str, pins: Mapping[str, Net], cells: Mapping[str, Cell]) -> Iterable[Gate]:
    if kind in cells:
        inputs, functions = tuple(cells[kind].inputs), dict(cells[kind].outputs)
    elif kind in _GATES:
        functions = {"Y": _GATES[kind]}
        inputs = tuple(pin for pin in ("A", "B", "S") if pin in pins)
    else:
        raise CircuitError(f"Cell {kind} is neither a gate nor one of the library's")
    for output, function in functions.items():
        if output in pins:
            nets = tuple(pins[pin] for pin in inputs)
            yield Gate(truth_table(function, inputs), nets, pins[output])


def _register(
    kind: str, pins: Mapping[str, Net], cells: Mapping[str, Cell], clocks: Sequence[Net]
) -> Register | None:
    flip_flop = cells[kind].flip_flop if kind in cells else None
    if flip_flop:
        tied = tuple((pins[pin], level) for pin, level in flip_flop.tied.items())
        clock, register = (
            pins[flip_flop.clock],
            Register(pins[flip_flop.output], pins[flip_flop.data], flip_flop.inverted, tied),
        )
    elif kind == _REGISTER:
        clock, register = pins["C"], Register(pins["Q"], pins["D"], inverted=False)
    else:
        return None
    if clock not in clocks:
        raise CircuitError(f"A register is clocked by another net than {CLOCK}")
    return register
