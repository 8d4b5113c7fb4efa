"""From the gates of the annealing to cells, and to cells of more inputs where they are smaller."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from halfbyte.area.annealing.functions import GateSet
from halfbyte.area.annealing.network import Network
from halfbyte.area.cells import Cell
from halfbyte.area.function import truth_table
from halfbyte.area.technology import Technology

__all__ = ["CellNetlist", "merged"]

# Cells of more inputs are rare, and so are the places for them.
MAX_PINS = 4


@dataclass(frozen=True)
class _Instance:
    """A cell with what its pins are connected to, in the order of ``pins``."""

    cell: Cell
    pins: tuple[str, ...]
    output: str
    reads: tuple[int, ...]

    @cached_property
    def table(self) -> int:
        """Truth table over ``reads``, the first least significant."""
        return truth_table(self.cell.outputs[self.output], self.pins)


@dataclass(frozen=True)
class CellNetlist:
    """A combinational netlist of cells; nodes are numbered as those of ``network``."""

    network: Network
    instances: dict[int, _Instance]

    @property
    def area(self) -> float:
        """Sum of the cells' areas in um^2."""
        return sum(instance.cell.area for instance in self.instances.values())

    def verilog(self, name: str) -> str:
        """The netlist as a Verilog module."""
        network = self.network
        names = {network.sources - 2: "1'b0", network.sources - 1: "1'b1"}
        names |= dict(enumerate(_bits(network.inputs.items())))
        names |= {node: f"n{number}" for number, node in enumerate(self.instances)}
        lines = [f"module {name}({', '.join([*network.inputs, *network.outputs])});"]
        lines += [f"  input [{width - 1}:0] {port};" for port, width in network.inputs.items()]
        lines += [f"  output [{width - 1}:0] {port};" for port, width in network.outputs.items()]
        for node, instance in self.instances.items():
            pins = [
                f".{pin}({names[source]})"
                for pin, source in zip(instance.pins, instance.reads, strict=True)
            ]
            pins.append(f".{instance.output}({names[node]})")
            lines += [
                f"  wire {names[node]};",
                f"  {instance.cell.name} cell_{names[node]} ({', '.join(pins)});",
            ]
        lines += [
            f"  assign {bit} = {names[int(node)]};"
            for bit, node in zip(_bits(network.outputs.items()), network.nodes.outputs, strict=True)
        ]
        return "\n".join([*lines, "endmodule"]) + "\n"


def _bits(ports: Iterable[tuple[str, int]]) -> list[str]:
    return [f"{port}[{bit}]" for port, width in ports for bit in range(width)]


def merged(network: Network, gates: GateSet, technology: Technology) -> CellNetlist:
    """The network in cells; two of which one feeds only the other become one if that is smaller."""
    instances = {}
    for node in network.gates:
        placed = gates.cells[network.function(node)]
        reads = tuple(network.reads(node))
        instances[node] = _Instance(placed.cell, placed.pins, placed.output, reads)
    library = _by_function(technology)
    uses = Counter(source for instance in instances.values() for source in instance.reads)
    uses.update(int(output) for output in network.nodes.outputs)
    open_ = list(instances)
    while open_:
        node = open_.pop()
        merger = _merger(node, instances, uses, library)
        if merger is None:
            continue
        inner, instance = merger
        uses.subtract([*instances[node].reads, *instances.pop(inner).reads])
        uses.update(instance.reads)
        instances[node] = instance
        open_ += [node, *(reader for reader in instances if node in instances[reader].reads)]
        open_ = [each for each in dict.fromkeys(open_) if each in instances]
    return CellNetlist(network, instances)


def _merger(
    node: int,
    instances: dict[int, _Instance],
    uses: Counter[int],
    library: dict[tuple[int, int], tuple[Cell, tuple[str, ...], str]],
) -> tuple[int, _Instance] | None:
    """The cell that gains most over ``node`` and one that only it reads, and that one's node."""
    outer = instances[node]
    best, found = 1e-9, None
    for inner_node in dict.fromkeys(outer.reads):
        inner = instances.get(inner_node)
        if inner is None or uses[inner_node] != 1:
            continue
        rest = [source for source in outer.reads if source != inner_node]
        reads = tuple(dict.fromkeys([*rest, *inner.reads]))
        known = library.get((len(reads), _composed(outer, inner_node, inner, reads)))
        if known is not None and (gain := outer.cell.area + inner.cell.area - known[0].area) > best:
            best, found = gain, (inner_node, _Instance(*known, reads))
    return found


def _composed(outer: _Instance, inner_node: int, inner: _Instance, reads: Sequence[int]) -> int:
    """Truth table over ``reads`` of a cell with another in front of one of its pins."""
    table = 0
    for row in range(2 ** len(reads)):
        value = {source: row >> place & 1 for place, source in enumerate(reads)}
        value[inner_node] = _looked_up(inner, value)
        table |= _looked_up(outer, value) << row
    return table


def _looked_up(instance: _Instance, value: dict[int, int]) -> int:
    row = sum(value[source] << place for place, source in enumerate(instance.reads))
    return instance.table >> row & 1


def _by_function(
    technology: Technology,
) -> dict[tuple[int, int], tuple[Cell, tuple[str, ...], str]]:
    """The smallest cell for each number of inputs and truth table, with its pins in that order."""
    library: dict[tuple[int, int], tuple[Cell, tuple[str, ...], str]] = {}
    for cell in sorted(technology.plain_cells, key=lambda cell: (cell.area, cell.name)):
        if cell.flip_flop or len(cell.outputs) != 1 or not 1 <= len(cell.inputs) <= MAX_PINS:
            continue
        ((output, function),) = cell.outputs.items()
        for pins in permutations(cell.inputs):
            key = (len(pins), truth_table(function, pins))
            library.setdefault(key, (cell, pins, output))
    return library
