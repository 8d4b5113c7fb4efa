"""Finds the harmless mutants of a dot-product unit, by proofs from every state that can occur.

A mutant is the unit with one small change (:mod:`.mutation`). A change does no harm if it has an
effect only in states that never occur. So for units with the small FP32 adder
(:func:`has_small_stage`), the proof leaves out such states: the accumulator's only NaN is 7FC00000,
and it holds -0 only if a sum can be rounded to 0. If its sums cannot overflow or be subnormal, its
exponent field is 64 to 191, or that of 0 or NaN. For other units, the proof starts from all states.
"""

from collections.abc import Mapping, Sequence

from halfbyte.area.netlists.aig import Aig
from halfbyte.area.netlists.circuit import Circuit, Net
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.fp32_stage import augend_fields
from halfbyte.area.proofs.mutation import SELECT, Mutated
from halfbyte.area.proofs.words import Words
from halfbyte.rtl.dot import DotSpec
from halfbyte.rtl.dot.unit import has_small_stage

__all__ = ["equivalent_dot_mutants"]


def equivalent_dot_mutants(mutated: Mutated, name: str, spec: DotSpec) -> set[int]:
    """The numbers of the mutants of the unit ``name`` that are proved to be harmless.

    ``spec`` is the unit's specification. A mutant that the solver gives up on is not among them.
    """
    circuit = mutated.circuits[name]
    held = _accumulator(circuit) if spec.is_fp32 and has_small_stage(spec) else []
    return {
        mutant.number
        for mutant in mutated.mutants
        if mutant.unit == name and _is_equivalent(circuit, mutant.number, held, spec)
    }


def _is_equivalent(circuit: Circuit, number: int, held: Sequence[Net], spec: DotSpec) -> bool:
    """Whether a proof shows that the mutant does what the unchanged unit does.

    ``held`` has the output nets of an FP32 accumulator's registers, whose states are limited to
    those that can occur. It is empty if the proof starts from all states.
    """
    aig = Aig()
    known = _variables(aig, circuit)
    known |= zip(held, _numbers(aig, spec) if held else (), strict=True)
    expected, seen = (_after(aig, circuit.fixed(SELECT, each), known) for each in (0, number))
    return compare(aig, (), list(zip(expected, seen, strict=True))).equal is True


def _variables(aig: Aig, circuit: Circuit) -> dict[Net, int]:
    """A variable for each bit of the registers, and of the inputs other than ``SELECT``."""
    nets = [net for name, nets in circuit.inputs.items() if name != SELECT for net in nets]
    nets += [register.output for register in circuit.registers]
    return {net: aig.variable() for net in nets}


def _accumulator(circuit: Circuit) -> list[Net]:
    """The output nets of the registers that hold ``acc``, bit 0 first."""
    aig = Aig()
    known = _variables(aig, circuit)
    unchanged = circuit.fixed(SELECT, 0)
    literals = unchanged.word(unchanged.evaluate(aig, known), unchanged.outputs["acc"])
    holders = {known[register.output]: register.output for register in circuit.registers}
    return [holders[literal] for literal in literals]


def _numbers(aig: Aig, spec: DotSpec) -> list[int]:
    """An FP32 word whose bits are functions of variables.

    Its values, for all values of the variables, are the numbers that the accumulator can hold.
    """
    fraction, field = augend_fields(aig, limited=spec.is_limited)
    words = Words(aig)
    has_sign = words.all([*field, fraction[-1]]) ^ 1  # not NaN
    if not spec.may_be_minus_zero:
        has_sign = aig.conjunction(has_sign, words.any([*fraction, *field]))
    return [*fraction, *field, aig.conjunction(aig.variable(), has_sign)]


def _after(aig: Aig, circuit: Circuit, known: Mapping[Net, int]) -> list[int]:
    """All outputs, and the next values of all registers."""
    literals = circuit.evaluate(aig, dict(known))
    outputs = [net for nets in circuit.outputs.values() for net in nets]
    data = circuit.word(literals, [register.data for register in circuit.registers])
    return circuit.word(literals, outputs) + data
