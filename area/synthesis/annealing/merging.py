"""Turns annealed gates into cells, and merges cells into larger ones where that saves area."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from halfbyte.area.cells.function import truth_table
from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.annealing.functions import GateSet, PlacedCell, smallest_cells
from halfbyte.area.synthesis.annealing.network import Network

__all__ = ["CellNetlist", "merged"]

# The largest number of inputs of a merged cell. Larger cells are rare, and can seldom replace two
# cells.
MAX_PINS = 4


@dataclass(frozen=True)
class _Instance:
    """A cell with the nodes that it reads, in the order of its pins."""

    placed: PlacedCell
    reads: tuple[int, ...]

    @property
    def area(self) -> float:
        return self.placed.cell.area

    @cached_property
    def table(self) -> int:
        """The truth table; the first node in ``reads`` is bit 0 of the row number."""
        placed = self.placed
        return truth_table(placed.cell.outputs[placed.output], placed.pins)


@dataclass(frozen=True)
class CellNetlist:
    """A combinational netlist of cells; nodes have the same numbers as in ``network``."""

    network: Network
    instances: dict[int, _Instance]

    @property
    def area(self) -> float:
        """Sum of the cells' areas in um^2."""
        return sum(instance.area for instance in self.instances.values())

    def verilog(self, name: str) -> str:
        """The netlist as a Verilog module."""
        return self.network.verilog(name, self.instances, self._instance)

    def _instance(self, node: int, names: Mapping[int, str]) -> str:
        instance = self.instances[node]
        placed = instance.placed
        pins = [
            f".{pin}({names[source]})"
            for pin, source in zip(placed.pins, instance.reads, strict=True)
        ]
        pins.append(f".{placed.output}({names[node]})")
        return f"{placed.cell.name} cell_{names[node]} ({', '.join(pins)})"


def merged(network: Network, gates: GateSet, technology: Technology) -> CellNetlist:
    """The network as cells. A cell is merged with its only reader if this saves area."""
    instances = {}
    for node in network.gates:
        placed = gates.cells[network.function(node)]
        instances[node] = _Instance(placed, tuple(network.reads(node)))
    library = smallest_cells(technology, MAX_PINS)
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
    library: Mapping[tuple[int, int], PlacedCell],
) -> tuple[int, _Instance] | None:
    """A node that only ``node`` reads, and one cell that replaces the cells of both nodes.

    If there are several such nodes, the one that saves the most area is chosen. None if no merger
    saves area.
    """
    outer = instances[node]
    best, found = 1e-9, None  # a smaller gain is a rounding error
    for inner_node in dict.fromkeys(outer.reads):
        inner = instances.get(inner_node)
        if inner is None or uses[inner_node] != 1:
            continue
        rest = [source for source in outer.reads if source != inner_node]
        reads = tuple(dict.fromkeys([*rest, *inner.reads]))
        known = library.get((len(reads), _composed(outer, inner_node, inner, reads)))
        if known is not None and (gain := outer.area + inner.area - known.cell.area) > best:
            best, found = gain, (inner_node, _Instance(known, reads))
    return found


def _composed(outer: _Instance, inner_node: int, inner: _Instance, reads: Sequence[int]) -> int:
    """Truth table, over ``reads``, of cell ``outer`` with cell ``inner`` at one of its inputs."""
    table = 0
    for row in range(2 ** len(reads)):
        value = {source: row >> place & 1 for place, source in enumerate(reads)}
        value[inner_node] = _looked_up(inner, value)
        table |= _looked_up(outer, value) << row
    return table


def _looked_up(instance: _Instance, value: dict[int, int]) -> int:
    """The output of a cell for the values of the nodes that it reads."""
    row = sum(value[source] << place for place, source in enumerate(instance.reads))
    return instance.table >> row & 1
