"""Combinational netlists as arrays, with the truth tables of their nodes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np

from halfbyte.area.netlists.circuit import Circuit, Net
from halfbyte.area.synthesis.annealing.functions import GateFunction, GateSet, gate_functions
from halfbyte.area.synthesis.annealing.state import FAN_INS, NOT, Nodes, evaluate

__all__ = ["MAX_INPUTS", "Network", "read_network"]

# A truth table over this many inputs has 64 words.
MAX_INPUTS = 12
# The number of rows of a truth table that one word holds.
WORD = 64
# A network gets about this many more free nodes than it has gates, since an annealing may add gates
# for a while.
SPARE = 100


@dataclass
class Network:
    """A combinational netlist.

    It has numbered nodes. The first are the inputs, bit by bit in the order of ``inputs``. The
    constants 0 and 1 follow, then the gates.

    Parameters
    ----------
    inputs, outputs : mapping of str to int
        Ports and their widths.
    nodes : Nodes
        Arrays that describe the gates and outputs.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    nodes: Nodes

    @property
    def sources(self) -> int:
        """The number of nodes that are not gates: inputs and the two constants."""
        return sum(self.inputs.values()) + 2

    @property
    def gates(self) -> list[int]:
        """The gates that outputs depend on, each after the gates that it reads."""
        order: list[int] = []
        seen = set(range(self.sources))

        def visit(node: int) -> None:
            if node not in seen:
                seen.add(node)
                for source in self.reads(node):
                    visit(source)
                order.append(node)

        for output in self.nodes.outputs:
            visit(int(output))
        return order

    def reads(self, node: int) -> list[int]:
        """The nodes that a gate reads."""
        return [
            int(source) for source in self.nodes.fan_ins[node, : FAN_INS[self.function(node)[0]]]
        ]

    def function(self, node: int) -> GateFunction:
        """Kind and polarity of a gate."""
        return int(self.nodes.kind[node]), int(self.nodes.polarity[node])

    def cost(self, gates: GateSet) -> float:
        """The total cost of the gates."""
        return float(sum(gates.cost[self.function(node)] for node in self.gates))

    def counts(self) -> Counter[GateFunction]:
        """The number of gates of each function."""
        return Counter(self.function(node) for node in self.gates)

    def tables(self) -> np.ndarray:
        """Truth tables of the outputs, (outputs, words) uint64; bit i of word j is row 64 j + i.

        Bit k of the row number is the value of input node k.
        """
        for node in self.gates:
            evaluate(self.nodes, node)
        values: np.ndarray = self.nodes.values[self.nodes.outputs]
        return values

    def verilog(
        self,
        name: str,
        nodes: Iterable[int],
        statement: Callable[[int, Mapping[int, str]], str],
        *,
        signed: bool = False,
    ) -> str:
        """A Verilog module with the network's ports.

        Parameters
        ----------
        name : str
            Name of the module.
        nodes : iterable of int
            Nodes that get a wire. Every output must be one of these, an input or a constant.
        statement : callable
            Takes a node and the names of all nodes; gives the statement that drives the node's
            wire.
        signed : bool
            Whether the outputs are signed numbers.
        """
        bits = [f"{port}[{bit}]" for port, width in self.inputs.items() for bit in range(width)]
        names = dict(enumerate([*bits, "1'b0", "1'b1"]))
        nodes = list(nodes)
        names |= {node: f"n{number}" for number, node in enumerate(nodes)}
        kind = "output signed" if signed else "output"
        driven = [f"{port}[{bit}]" for port, width in self.outputs.items() for bit in range(width)]
        lines = [
            f"module {name}({', '.join([*self.inputs, *self.outputs])});",
            *(f"  input [{width - 1}:0] {port};" for port, width in self.inputs.items()),
            *(f"  {kind} [{width - 1}:0] {port};" for port, width in self.outputs.items()),
        ]
        for node in nodes:
            lines += [f"  wire {names[node]};", f"  {statement(node, names)};"]
        lines += [
            f"  assign {bit} = {names[int(node)]};"
            for bit, node in zip(driven, self.nodes.outputs, strict=True)
        ]
        return "\n".join([*lines, "endmodule"]) + "\n"


def read_network(circuit: Circuit, inputs: Sequence[str], outputs: Sequence[str]) -> Network:
    """The network of a circuit that has no registers, and only gates with at most three inputs.

    ``inputs`` and ``outputs`` are names of ports. Raises ValueError for more than ``MAX_INPUTS``
    input bits, or for a gate that is not in :func:`gate_functions`.
    """
    widths = {name: len(circuit.inputs[name]) for name in inputs}
    bits = sum(widths.values())
    if bits > MAX_INPUTS:
        raise ValueError(f"A network must have at most {MAX_INPUTS} input bits, not {bits}")
    node: dict[Net, int] = {
        net: place
        for place, net in enumerate(net for name in inputs for net in circuit.inputs[name])
    }
    node |= {"0": bits, "1": bits + 1}
    nodes = _empty(bits, 2 * len(circuit.gates) + bits + SPARE)
    for place, gate in enumerate(circuit.gates, bits + 2):
        node[gate.output] = place
        (nodes.kind[place], nodes.polarity[place]), order = _identified(
            len(gate.inputs), gate.table
        )
        fan_ins = [node[gate.inputs[position]] for position in order]
        nodes.fan_ins[place] = (fan_ins * 3)[:3]
    driven = [node[net] for name in outputs for net in circuit.outputs[name]]
    nodes.outputs.resize(len(driven), refcheck=False)
    nodes.outputs[:] = driven
    return Network(widths, {name: len(circuit.outputs[name]) for name in outputs}, nodes)


@cache
def _identified(count: int, table: int) -> tuple[GateFunction, tuple[int, ...]]:
    """The gate with this truth table if its inputs are reordered, and the order of the inputs."""
    gates = {(FAN_INS[kind], known): (kind, p) for (kind, p), known in gate_functions().items()}
    for order in permutations(range(count)):
        reordered = 0
        for row in range(2**count):
            # The row of the given table in which input order[i] has bit i of `row`.
            source = sum((row >> place & 1) << position for place, position in enumerate(order))
            reordered |= (table >> source & 1) << row
        if (count, reordered) in gates:
            return gates[count, reordered], order
    raise ValueError(f"No gate has the truth table {table:#x} over {count} inputs")


def _empty(bits: int, count: int) -> Nodes:
    """Arrays for ``count`` nodes, without gates; inputs and constants have their truth tables."""
    rows = np.arange(max(WORD, 2**bits))
    values = np.zeros((count, len(rows) // WORD), np.uint64)
    for bit in range(bits):
        values[bit] = np.packbits((rows >> bit & 1).astype(np.uint8), bitorder="little").view(
            np.uint64
        )
    values[bits + 1] = ~np.uint64(0)
    return Nodes(
        kind=np.full(count, NOT, np.int64),
        polarity=np.zeros(count, np.int64),
        fan_ins=np.zeros((count, 3), np.int64),
        outputs=np.zeros(0, np.int64),
        values=values,
    )
