"""Puts typical design bugs into units, to check that the proofs refute the faulty units."""

from dataclasses import replace
from fractions import Fraction

from halfbyte.area.netlists.circuit import Circuit
from halfbyte.formats import Format, Ties
from halfbyte.rtl import ARCHITECTURES

__all__ = ["altered_table", "faulty_macs", "faulty_multipliers"]

TABLE, CARRY, OPERAND = "table entry off by one", "dropped carry", "swapped operand"
CLEAR, SIGN, SAVED = "missing clear", "dropped sign", "dropped saved carries"


def altered_table(weight: Format, activation: Format, architecture: str) -> Format | None:
    """``weight`` with one value a quantum higher or lower.

    The architecture must accept the result. If it accepts no single change, for example because its
    table is addressed by magnitudes, a value and its negative both change. Quantum and largest
    magnitude stay the same, so all widths stay the same, too. Returns None if no value can be
    changed this way.
    """
    for both_signs in (False, True):
        for code in range(len(weight.values)):
            for change in (weight.quantum, -weight.quantum):
                other = _changed(weight, code, change, both_signs)
                if other and ARCHITECTURES[architecture].refusal(other, activation) is None:
                    return other
    return None


def _changed(fmt: Format, code: int, change: Fraction, both_signs: bool) -> Format | None:
    """``fmt`` with ``change`` added to the value of ``code``.

    With ``both_signs``, the negative of this value changes, too, so that it stays the negative.
    Returns None if the quantum or the largest magnitude would change, or if no value would be
    positive.
    """
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
    """The circuit, changed so that it reads the second operand in place of the first."""
    w, a = circuit.inputs["w"], circuit.inputs["a"]
    return circuit.rewired({net: a[place % len(a)] for place, net in enumerate(w)})


def faulty_macs(mac: Circuit, altered: Circuit | None) -> dict[str, Circuit]:
    """Copies of the MAC, each with one fault; the keys are the names of the faults.

    ``altered`` is a MAC made from an altered table, or None. The dropped carry is the carry into
    the accumulator's adder. A carry-save accumulator has one more fault: it drops the carries that
    it keeps in registers.
    """
    return {
        **({TABLE: altered} if altered else {}),
        CARRY: mac.tied("carry"),
        OPERAND: _swapped(mac),
        CLEAR: mac.tied("clear"),
        **({SAVED: mac.tied("saved")} if "saved" in mac.wires else {}),
    }


def faulty_multipliers(multiplier: Circuit, altered: Circuit | None) -> dict[str, Circuit]:
    """Copies of the multiplier, each with one fault; the keys are the names of the faults.

    ``altered`` is a multiplier made from an altered table, or None. A multiplier's product is
    ``-term`` if ``negate`` is 1, otherwise ``term``. The dropped sign is ``negate``, or the top bit
    of ``term`` if ``negate`` is constant.
    """
    (negate,), term = multiplier.outputs["negate"], multiplier.outputs["term"]
    sign = term[-1] if isinstance(negate, str) else negate
    return {
        **({TABLE: altered} if altered else {}),
        OPERAND: _swapped(multiplier),
        SIGN: multiplier.rewired({sign: "0"}),
    }
