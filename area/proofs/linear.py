"""The proof that a tree of adders computes a sum, by substitution from its output to its inputs.

The output is the number ``sum(2**k * bit[k])`` modulo a power of two. If the two outputs of an
adder occur in this sum with weights ``c`` and ``2c``, they are replaced by the adder's three
inputs, each with weight ``c``. This is repeated down to the inputs of the tree. The proof does not
need to know how the tree was built: it tries all values of a cell's few inputs to see whether the
weighted sum of its outputs is also a constant plus a weighted sum of its inputs. The result is a
*linear form*: a constant plus a weighted sum of bits. If all adders could be replaced, these bits
are the tree's inputs. Each step is exact, so the form equals the output for all values of these
bits. No solver is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from halfbyte.area.netlists.circuit import CircuitError, Net

__all__ = ["LinearForm", "TreeCell", "reduce_to_inputs"]

_CONSTANTS: Mapping[Net, int] = {"0": 0, "1": 1}


@dataclass(frozen=True)
class TreeCell:
    """A cell with few inputs: the nets of its outputs, each with a truth table over ``inputs``."""

    inputs: tuple[Net, ...]
    outputs: Mapping[Net, int]


@dataclass
class LinearForm:
    """``constant + sum(weights[net] * net)`` modulo ``modulus``, after ``steps`` substitutions."""

    modulus: int
    weights: dict[Net, int] = field(default_factory=dict)
    constant: int = 0
    steps: int = 0

    def add(self, net: Net, weight: int) -> None:
        """Add a bit, or a constant, with a weight."""
        if net in _CONSTANTS:
            self.constant = (self.constant + weight * _CONSTANTS[net]) % self.modulus
            return
        total = (self.weights.pop(net, 0) + weight) % self.modulus
        if total:
            self.weights[net] = total

    def substitute(self, cell: TreeCell) -> bool:
        """Replace a cell's outputs by its inputs.

        Returns False, and changes nothing, if the weighted sum of the outputs is not a constant
        plus a weighted sum of the inputs.
        """
        driven = {net: self.weights.get(net, 0) for net in cell.outputs}
        if not any(driven.values()):
            return True

        def value(row: int) -> int:
            """The weighted sum of the outputs in a row of the truth tables."""
            return sum(weight * (cell.outputs[net] >> row & 1) for net, weight in driven.items())

        offset = value(0)
        gains = [value(1 << place) - offset for place in range(len(cell.inputs))]
        for row in range(2 ** len(cell.inputs)):
            linear = offset + sum(gain for place, gain in enumerate(gains) if row >> place & 1)
            if (value(row) - linear) % self.modulus:
                return False
        for net in driven:
            self.weights.pop(net, None)
        self.constant = (self.constant + offset) % self.modulus
        for net, gain in zip(cell.inputs, gains, strict=True):
            self.add(net, gain)
        self.steps += 1
        return True


def reduce_to_inputs(cells: Sequence[TreeCell], *words: Sequence[Net]) -> LinearForm:
    """The sum of ``words`` as a linear form of the tree's inputs.

    The modulus is 2 to the power of the first word's width. If a cell's outputs cannot be replaced
    by its inputs, they stay in the form. Raises CircuitError if the cells form a loop.
    """
    form = LinearForm(1 << len(words[0]))
    for word in words:
        for place, net in enumerate(word):
            form.add(net, 1 << place)
    driver = {net: number for number, cell in enumerate(cells) for net in cell.outputs}
    before = {
        number: {driver[net] for net in cell.inputs if net in driver}
        for number, cell in enumerate(cells)
    }
    try:
        order = list(TopologicalSorter(before).static_order())
    except ValueError:
        raise CircuitError("The tree has a loop without a register") from None
    for number in reversed(order):
        form.substitute(cells[number])
    return form
