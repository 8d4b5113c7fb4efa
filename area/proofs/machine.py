"""MACs and multipliers as functions in an and-inverter graph.

A literal is a node of the graph (:class:`Aig`) or its inverse. A state maps the output net of each
register to a literal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit, CircuitError, Net

__all__ = [
    "Inputs",
    "accumulator",
    "after_clock",
    "initial_state",
    "product_of_multiplier",
    "state_of",
]


@dataclass(frozen=True)
class Inputs:
    """The input variables of a proof, for both of the circuits or functions that it compares."""

    aig: Aig
    w: Sequence[int]
    a: Sequence[int]
    clear: int = FALSE
    enable: int = TRUE
    words: Mapping[str, Sequence[int]] = field(init=False)

    def __post_init__(self) -> None:
        words = {"w": self.w, "a": self.a, "clear": [self.clear], "enable": [self.enable]}
        object.__setattr__(self, "words", words)

    @property
    def codes(self) -> list[int]:
        """The variables of both operands' codes, those of the weight first."""
        return [*self.w, *self.a]

    def of(self, circuit: Circuit) -> dict[Net, int]:
        """The literals of a circuit's input nets."""
        known: dict[Net, int] = {}
        for name, nets in circuit.inputs.items():
            if len(nets) != len(self.words.get(name, ())):
                raise CircuitError(f"A MAC has no input {name} of {len(nets)} bits")
            known |= dict(zip(nets, self.words[name], strict=True))
        return known


State = Mapping[Net, int]


def initial_state(aig: Aig, circuit: Circuit) -> dict[Net, int]:
    """A state with a new variable for each register."""
    return {register.output: aig.variable() for register in circuit.registers}


def accumulator(aig: Aig, circuit: Circuit, state: State) -> list[int]:
    """The output ``acc`` of a circuit; raises CircuitError if ``state`` does not determine it."""
    return circuit.word(circuit.evaluate(aig, state), circuit.output("acc"))


def state_of(circuit: Circuit, acc: Sequence[int]) -> dict[Net, int]:
    """The state of ``rtl.Mac`` with accumulator ``acc``; carries kept in registers are 0."""
    nets = circuit.wires.get("accumulator", ())
    if len(nets) != len(acc):
        raise CircuitError(f"The accumulator must have {len(acc)} bits, not {len(nets)}")
    state = dict(zip(nets, acc, strict=True))
    state |= dict.fromkeys(circuit.wires.get("saved", ()), FALSE)
    if state.keys() != {register.output for register in circuit.registers}:
        raise CircuitError("The circuit's registers must be exactly those of its accumulator")
    return state


def after_clock(circuit: Circuit, inputs: Inputs, state: State) -> dict[Net, int]:
    """The state after the clock edge.

    Raises CircuitError if a pin that clears or presets a register is not tied inactive.
    """
    literals = circuit.evaluate(inputs.aig, {**inputs.of(circuit), **state})
    for register in circuit.registers:
        for net, level in register.tied:
            if literals.get(net) != level:
                raise CircuitError("A pin that clears or presets a register is not tied inactive")
    data = circuit.word(literals, [register.data for register in circuit.registers])
    _hint(inputs.aig, circuit, literals)
    return {
        register.output: literal ^ register.inverted
        for register, literal in zip(circuit.registers, data, strict=True)
    }


def _hint(aig: Aig, circuit: Circuit, literals: Mapping[Net, int]) -> None:
    """Add the product to the graph, from the outputs of ``rtl.Addend`` inside the MAC.

    The product is ``odd + 2 * (rest + (negate & ~odd))``. The MAC itself does not compute it, and
    the proofs do not depend on these nodes. They only make proofs faster: the specification's
    product then equals known nodes, and does not enter the solver as a table.
    """
    odd, rest, negate = (
        [literals[net] for net in circuit.wires.get(f"addend.{name}", ()) if net in literals]
        for name in ("odd", "rest", "negate")
    )
    if odd and negate:
        carry = [aig.conjunction(negate[0], odd[0] ^ 1), *[FALSE] * len(rest)]
        aig.add(rest, carry[: len(rest)])


def product_of_multiplier(
    circuit: Circuit, inputs: Inputs, *, signed: bool, width: int
) -> list[int]:
    """A multiplier's product, ``-term if negate else term``, in ``width`` bits.

    ``term`` and ``negate`` are outputs of the circuit. ``signed`` says whether ``term`` is in two's
    complement. Raises CircuitError for a circuit without these outputs, or with a wider term.
    """
    aig = inputs.aig
    literals = circuit.evaluate(aig, inputs.of(circuit))
    term, (negate,) = (circuit.word(literals, circuit.output(name)) for name in ("term", "negate"))
    if len(term) > width:
        raise CircuitError(f"The term must have at most {width} bits, not {len(term)}")
    wide = [*term, *[term[-1] if signed else FALSE] * (width - len(term))]
    flipped = [aig.exclusive(literal, negate) for literal in wide]
    return aig.add(flipped, [negate, *[FALSE] * (width - 1)])
