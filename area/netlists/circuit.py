"""Circuits read from Yosys: gates or library cells, registers, ports and names."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.function import truth_table
from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.base import ToolError

__all__ = ["Circuit", "CircuitError", "Net", "read_circuits"]

# A net: a number for a wire, or a text for a constant.
Net = int | str
_CONSTANTS: dict[Net, int] = {"0": FALSE, "1": TRUE}
_UNDEFINED = "x"
CLOCK = "clk"
# Yosys' gates after `techmap`: their inputs, and the function of output Y.
_GATES = {
    "$_BUF_": ("A", "A"),
    "$_NOT_": ("A", "!A"),
    "$_AND_": ("AB", "A & B"),
    "$_NAND_": ("AB", "!(A & B)"),
    "$_OR_": ("AB", "A | B"),
    "$_NOR_": ("AB", "!(A | B)"),
    "$_XOR_": ("AB", "A ^ B"),
    "$_XNOR_": ("AB", "!(A ^ B)"),
    "$_ANDNOT_": ("AB", "A & !B"),
    "$_ORNOT_": ("AB", "A | !B"),
    "$_MUX_": ("ABS", "(A & !S) | (B & S)"),
}
_REGISTER = "$_DFF_P_"


class CircuitError(ToolError):
    """A netlist is not a synchronous circuit of known gates, or not the one that is expected."""


class Gate(NamedTuple):
    """One output of a cell, with its truth table over ``inputs`` (see :func:`truth_table`)."""

    table: int
    inputs: tuple[Net, ...]
    output: Net


class Register(NamedTuple):
    """A flip-flop: after the clock edge, ``output`` is ``data`` or its inverse.

    ``tied`` has pairs of a net and the constant that it must have: the nets at clear and preset
    pins, and the level at which such a pin is inactive.
    """

    output: Net
    data: Net
    inverted: bool
    tied: tuple[tuple[Net, int], ...] = ()


@dataclass(frozen=True)
class Circuit:
    """One module. Ports and wires map names to lists of nets, the least significant bit first.

    In ``gates``, each gate comes after the gates that drive it. ``inputs`` does not contain the
    clock. Every net has at most one driver.

    Some methods turn nets into literals of an and-inverter graph (:class:`Aig`).
    """

    inputs: Mapping[str, Sequence[Net]]
    outputs: Mapping[str, Sequence[Net]]
    wires: Mapping[str, Sequence[Net]]
    gates: Sequence[Gate]
    registers: Sequence[Register]
    clock: Sequence[Net] = ()

    def check_ports(self, other: "Circuit") -> None:
        """Raise CircuitError unless the ports and their widths are those of ``other``."""
        if self._ports != other._ports:
            raise CircuitError(f"The ports are {self._ports}; they should be {other._ports}")

    @property
    def _ports(self) -> str:
        """The ports as text, such as ``input a[4], w[4]; output acc[15]``, sorted by name."""
        groups = {
            "input": {**self.inputs, **({CLOCK: self.clock} if self.clock else {})},
            "output": self.outputs,
        }
        return "; ".join(
            f"{direction} {', '.join(f'{name}[{len(group[name])}]' for name in sorted(group))}"
            for direction, group in groups.items()
        )

    def output(self, name: str) -> Sequence[Net]:
        """The nets of an output; raises CircuitError for an unknown name."""
        if name not in self.outputs:
            raise CircuitError(f"The circuit lacks the output {name}")
        return self.outputs[name]

    def known(self, words: Mapping[str, Sequence[int]]) -> dict[Net, int]:
        """The literal of each net, from words of literals for named inputs or wires."""
        return {
            net: literal
            for name, word in words.items()
            for net, literal in zip(self.inputs.get(name) or self.wires[name], word, strict=True)
        }

    def evaluate(self, aig: Aig, known: Mapping[Net, int]) -> dict[Net, int]:
        """The literals of all nets that ``known`` determines; adds nodes to ``aig``.

        An undefined value may be 0 or 1, so each gate input that reads one gets a new variable.
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
        """The literals of ``nets``; raises CircuitError if one is missing from ``literals``."""
        try:
            return [literals[net] for net in nets]
        except KeyError as error:
            raise CircuitError(f"Net {error} has no defined value") from None

    def tied(self, wire: str) -> "Circuit":
        """A copy in which everything that reads a named wire reads 0 instead."""
        return self.rewired(dict.fromkeys(self.wires[wire], "0"))

    def fixed(self, name: str, value: int) -> "Circuit":
        """A copy in which the constant ``value`` replaces the input ``name``."""
        bits = {net: str(value >> place & 1) for place, net in enumerate(self.inputs[name])}
        others = {other: nets for other, nets in self.inputs.items() if other != name}
        return replace(self.rewired(bits), inputs=others)

    def rewired(self, sources: Mapping[Net, Net]) -> "Circuit":
        """A copy in which everything that reads a net in ``sources`` reads another net instead.

        The other net, ``sources[net]``, must be a constant or an input, so that the gates stay in
        order.
        """

        def source(net: Net) -> Net:
            return sources.get(net, net)

        return replace(
            self,
            gates=[
                gate._replace(inputs=tuple(source(net) for net in gate.inputs))
                for gate in self.gates
            ],
            registers=[
                each._replace(
                    data=source(each.data),
                    tied=tuple((source(net), level) for net, level in each.tied),
                )
                for each in self.registers
            ],
            outputs={name: [source(net) for net in nets] for name, nets in self.outputs.items()},
        )


def read_circuits(text: str, cells: Mapping[str, Cell] | None = None) -> dict[str, Circuit]:
    """The modules of Yosys' JSON ``text``, by name.

    They may contain Yosys' own gates and the library cells ``cells``. Modules that instantiate
    other modules are left out. Raises CircuitError for any other cell, a missing or unknown pin, a
    port that is neither an input nor an output, a net with two drivers, a combinational loop, or a
    register whose clock is not the port ``clk``.
    """
    modules = json.loads(text)["modules"]
    return {
        name: _circuit(module, cells or {})
        for name, module in modules.items()
        if not any(cell["type"] in modules for cell in module["cells"].values())
    }


def _circuit(module: Mapping[str, Any], cells: Mapping[str, Cell]) -> Circuit:
    """The circuit of one module of Yosys' JSON."""
    ports: dict[str, dict[str, Sequence[Net]]] = {"input": {}, "output": {}}
    for name, port in module["ports"].items():
        if port["direction"] not in ports:
            raise CircuitError(f"Port {name} is neither an input nor an output")
        ports[port["direction"]][name] = port["bits"]
    clock = ports["input"].pop(CLOCK, [])
    gates: list[Gate] = []
    registers: list[Register] = []
    for name, cell in module["cells"].items():
        pins = _pins(name, cell, cells)
        register = _register(cell["type"], pins, cells, clock)
        if register:
            registers.append(register)
        else:
            gates += _gates(cell["type"], pins, cells)
    wires = {name: wire["bits"] for name, wire in module["netnames"].items()}
    _check_drivers([clock, *ports["input"].values()], gates, registers, wires)
    return Circuit(ports["input"], ports["output"], wires, _sorted(gates), registers, clock)


def _pins(name: str, cell: Mapping[str, Any], cells: Mapping[str, Cell]) -> dict[str, Net]:
    """The net at each pin of a cell; raises CircuitError if a pin is wrongly connected."""
    kind, connected = cell["type"], cell["connections"]
    inputs, outputs = _pin_names(kind, cells)
    for pin, nets in connected.items():
        if pin not in inputs and pin not in outputs:
            raise CircuitError(f"Cell {kind} ({name}) has no pin {pin}")
        if len(nets) > 1:
            raise CircuitError(
                f"Pin {pin} of {kind} ({name}) must be connected to one net, not {len(nets)}"
            )
    pins = {pin: nets[0] for pin, nets in connected.items() if nets}
    for pin in inputs:
        if pin not in pins:
            raise CircuitError(f"Pin {pin} of {kind} ({name}) is not connected")
    return pins


def _pin_names(kind: str, cells: Mapping[str, Cell]) -> tuple[Collection[str], Collection[str]]:
    """Names of a cell's inputs and outputs; raises CircuitError for an unknown cell."""
    if kind in cells:
        return cells[kind].inputs, cells[kind].outputs
    if kind == _REGISTER:
        return ("C", "D"), ("Q",)
    if kind in _GATES:
        return _GATES[kind][0], "Y"
    raise CircuitError(f"Cell {kind} is neither a Yosys gate nor a library cell")


def _check_drivers(
    inputs: Iterable[Sequence[Net]],
    gates: Iterable[Gate],
    registers: Iterable[Register],
    wires: Mapping[str, Sequence[Net]],
) -> None:
    """Raise CircuitError if a net has two drivers.

    A driver is an input, the clock, a gate, a register or a constant. Yosys merges nets that an
    ``assign`` joins. A net that is joined to a constant becomes this constant, so a constant with a
    driver also means two drivers.
    """
    driven: set[Net] = set()
    drivers = [net for nets in inputs for net in nets]
    drivers += [gate.output for gate in gates]
    drivers += [register.output for register in registers]
    for net in drivers:
        if isinstance(net, str):
            raise CircuitError(
                f"An input, a gate or a register drives a net that is the constant {net}"
            )
        if net in driven:
            raise CircuitError(f"Net {_wire_name(net, wires)} has two drivers")
        driven.add(net)


def _wire_name(net: Net, wires: Mapping[str, Sequence[Net]]) -> str:
    """The shortest name of a net, with the bit number if the name has several bits."""
    names = [
        f"{name}[{nets.index(net)}]" if len(nets) > 1 else name
        for name, nets in wires.items()
        if net in nets
    ]
    return min(names, key=len, default=str(net))


def _sorted(gates: Sequence[Gate]) -> list[Gate]:
    """The gates, each after the gates that drive it; raises CircuitError for a loop."""
    drivers = {gate.output: gate for gate in gates}
    sorter = TopologicalSorter({net: gate.inputs for net, gate in drivers.items()})
    try:
        return [drivers[net] for net in sorter.static_order() if net in drivers]
    except CycleError:
        raise CircuitError("The logic has a loop without a register") from None


def _gates(kind: str, pins: Mapping[str, Net], cells: Mapping[str, Cell]) -> Iterator[Gate]:
    """The gates of a combinational cell, one for each connected output."""
    inputs = tuple(_pin_names(kind, cells)[0])
    functions = cells[kind].outputs if kind in cells else {"Y": _GATES[kind][1]}
    for output, function in functions.items():
        if output in pins:
            nets = tuple(pins[pin] for pin in inputs)
            yield Gate(truth_table(function, inputs), nets, pins[output])


def _register(
    kind: str, pins: Mapping[str, Net], cells: Mapping[str, Cell], clocks: Sequence[Net]
) -> Register | None:
    """The register of a flip-flop cell; None for a combinational cell."""
    flip_flop = cells[kind].flip_flop if kind in cells else None
    if flip_flop is None and kind != _REGISTER:
        return None
    output, data, clock = (
        (flip_flop.output, flip_flop.data, flip_flop.clock) if flip_flop else ("Q", "D", "C")
    )
    if output not in pins:
        raise CircuitError(f"Pin {output} of a {kind} is not connected")
    if pins[clock] not in clocks:
        raise CircuitError(f"A register is clocked by a net other than {CLOCK}")
    tied = flip_flop.tied if flip_flop else {}
    return Register(
        pins[output],
        pins[data],
        inverted=bool(flip_flop and flip_flop.inverted),
        tied=tuple((pins[pin], level) for pin, level in tied.items()),
    )
