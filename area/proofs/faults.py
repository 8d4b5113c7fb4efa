"""Bugs of the kind that designers make, put into units to see that a proof refutes them."""

from dataclasses import replace
from fractions import Fraction

from halfbyte.area.netlists.circuit import Circuit
from halfbyte.formats import Format, Ties
from halfbyte.rtl import ARCHITECTURES

__all__ = ["altered_table", "faulty_macs", "faulty_multipliers"]

TABLE, CARRY, OPERAND = "table entry off by one", "dropped carry", "swapped operand"
CLEAR, SIGN, SAVED = "missing clear", "dropped sign", "dropped saved carries"


def altered_table(weight: Format, activation: Format, architecture: str) -> Format | None:
    """``weight`` with one value a quantum higher or lower, so that the architecture still fits.

    Where none fits, as in a table that is addressed by magnitudes, one magnitude is. Quantum and
    largest magnitude stay, and with them every width. None if nothing can change that way.
    """
    for both_signs in (False, True):
        for code in range(len(weight.values)):
            for change in (weight.quantum, -weight.quantum):
                other = _changed(weight, code, change, both_signs)
                if other and ARCHITECTURES[architecture].refusal(other, activation) is None:
                    return other
    return None


def _changed(fmt: Format, code: int, change: Fraction, both_signs: bool) -> Format | None:
    """``fmt`` with ``change`` added to a value, and if asked for taken from its negation's."""
    values = list(fmt.values)
    values[code] += change
    if both_signs:
        for mirrored, value in enumerate(fmt.values):
            if mirrored != code and value == -fmt.values[code]:
                values[mirrored] -= change
    largest = max(map(abs, fmt.values))
    if max(values) <= 0 or max(map(abs, values)) != largest:
        return None
    other = replace(fmt, values=tuple(values), ties=Ties.DOWN)
    return other if other.quantum == fmt.quantum else None


def _swapped(circuit: Circuit) -> Circuit:
    """The second operand in place of the first."""
    w, a = circuit.inputs["w"], circuit.inputs["a"]
    return circuit.rewired({net: a[place % len(a)] for place, net in enumerate(w)})


def faulty_macs(mac: Circuit, altered: Circuit | None) -> dict[str, Circuit]:
    """The MAC with each of its faults; ``altered`` is one made from another table.

    The carry that is dropped is the one into the accumulator's adder; where carries are saved,
    those are a fault of their own.
    """
    return {
        **({TABLE: altered} if altered else {}),
        CARRY: mac.tied("carry"),
        OPERAND: _swapped(mac),
        CLEAR: mac.tied("clear"),
        **({SAVED: mac.tied("saved")} if "saved" in mac.wires else {}),
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
