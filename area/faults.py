"""Bugs of the kind that designers make, put into units to see that a proof refutes them."""

from dataclasses import replace

from halfbyte.area.circuit import Circuit
from halfbyte.formats import Format, Ties
from halfbyte.rtl import ARCHITECTURES

__all__ = ["altered_table", "faulty_macs", "faulty_multipliers"]

TABLE, CARRY, OPERAND = "table entry off by one", "dropped carry", "swapped operand"
CLEAR, SIGN = "missing clear", "dropped sign"


def altered_table(weight: Format, activation: Format, architecture: str) -> Format | None:
    """``weight`` with one value a quantum higher or lower, so that the architecture still fits.

    Its quantum and largest magnitude stay, and with them every width. None if no value can change
    that way.
    """
    largest = max(map(abs, weight.values))
    for code, value in enumerate(weight.values):
        for change in (weight.quantum, -weight.quantum):
            values = list(weight.values)
            values[code] = value + change
            if max(values) <= 0 or max(map(abs, values)) != largest:
                continue
            other = replace(weight, values=tuple(values), ties=Ties.DOWN)
            fits = ARCHITECTURES[architecture].refusal(other, activation) is None
            if fits and other.quantum == weight.quantum:
                return other
    return None


def _swapped(circuit: Circuit) -> Circuit:
    """The second operand in place of the first."""
    w, a = circuit.inputs["w"], circuit.inputs["a"]
    return circuit.rewired({net: a[place % len(a)] for place, net in enumerate(w)})


def faulty_macs(mac: Circuit, altered: Circuit | None) -> dict[str, Circuit]:
    """The MAC with each of the four faults; ``altered`` is one made from another table.

    The carry that is dropped is the one into the accumulator's adder.
    """
    return {
        **({TABLE: altered} if altered else {}),
        CARRY: mac.tied("carry"),
        OPERAND: _swapped(mac),
        CLEAR: mac.tied("clear"),
    }


def faulty_multipliers(multiplier: Circuit, altered: Circuit | None) -> dict[str, Circuit]:
    """The multiplier with each fault that one without an accumulator can have.

    The sign is ``negate``, or bit -1 of the term where that is constant.
    """
    (negate,), term = multiplier.outputs["negate"], multiplier.outputs["term"]
    sign = term[-1] if isinstance(negate, str) else negate
    return {
        **({TABLE: altered} if altered else {}),
        OPERAND: _swapped(multiplier),
        SIGN: multiplier.rewired({sign: "0"}),
    }
