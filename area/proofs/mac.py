"""Proofs that a MAC's RTL equals its specification, and that its netlist equals its RTL.

A proof compares two *sides* over one clock edge: RTL and specification, or netlist and RTL. Both
sides start with the same value of ``acc``, from *any* state of the registers and with any codes,
``clear`` and ``enable``. The next values of ``acc`` must be equal. So both sides are equal after
the first clear, and from then on they never differ. A netlist may encode its state in any way, as
long as ``acc`` follows from this state. The RTL may have several states with the same ``acc``. The
proof shows that the next ``acc`` does not depend on which of these states the RTL starts from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit, CircuitError
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.machine import (
    Inputs,
    accumulator,
    after_clock,
    initial_state,
    product_of_multiplier,
    state_of,
)
from halfbyte.area.proofs.results import (
    PROVED,
    REFUTED,
    STATUS,
    UNDECIDED,
    ClaimRecord,
    ProofError,
)
from halfbyte.area.proofs.specification import product, step
from halfbyte.formats import Format, Overflow, product_extremes, signed_width
from halfbyte.rtl import MacSpec
from halfbyte.rtl.architecture import MultiplierArchitecture

__all__ = [
    "NETLIST_CLAIM",
    "PROVED",
    "REFUTED",
    "RTL_CLAIM",
    "UNDECIDED",
    "Counterexample",
    "Proof",
    "ProofError",
    "prove_mac",
    "prove_multiplier",
    "prove_multiplier_netlist",
    "prove_netlist",
]

RTL_CLAIM, NETLIST_CLAIM = "rtl = specification", "netlist = rtl"


@dataclass(frozen=True)
class Counterexample:
    """Inputs and state for which the two sides differ, all as integers.

    Parameters
    ----------
    weight, activation : Format
        Formats of the codes.
    w, a, clear, enable : int
        The inputs.
    before : int or None
        The accumulator before the clock edge, in units of the product of both quanta. None for a
        multiplier, which does not have a state.
    expected, seen : int
        What the result must be, and what it is; in the same units.
    """

    weight: Format
    activation: Format
    w: int
    a: int
    clear: int
    enable: int
    before: int | None
    expected: int
    seen: int

    def __str__(self) -> str:
        unit = self.weight.quantum * self.activation.quantum
        inputs = ", ".join(
            f"{name} = code {code:0{fmt.bits}b} ({fmt.values[code]})"
            for name, code, fmt in (("w", self.w, self.weight), ("a", self.a, self.activation))
        )
        if self.before is None:
            what = "product"
        else:
            what = "acc"
            inputs += f", clear {self.clear}, enable {self.enable}"
            inputs += f", acc before {self.before} ({self.before * unit})"
        return (
            f"{inputs}: {what} should be {self.expected} ({self.expected * unit}), "
            f"but is {self.seen} ({self.seen * unit})"
        )


@dataclass(frozen=True)
class Proof:
    """The result of a proof.

    ``status`` is ``proved``, ``refuted`` or ``undecided`` (the solver gave up). ``code_pairs`` is
    the number of pairs of codes, all of which were simulated. ``queries`` is the number of
    questions to the SAT solver.
    """

    claim: str
    status: str
    code_pairs: int
    queries: int
    counterexample: Counterexample | None = None

    def record(self) -> ClaimRecord:
        """The result with its counterexample as text."""
        return ClaimRecord(
            status=self.status,
            claim=self.claim,
            code_pairs=self.code_pairs,
            queries=self.queries,
            counterexample=str(self.counterexample) if self.counterexample else None,
        )

    def check_not_refuted(self, what: str) -> None:
        """Raise ProofError with the counterexample if the claim is refuted."""
        if self.counterexample:
            raise ProofError(f"{what}: the claim {self.claim!r} is refuted: {self.counterexample}")


def prove_mac(rtl: Circuit, spec: MacSpec) -> Proof:
    """Prove that ``rtl``, the circuit of the MAC ``spec``, agrees with the formats' values."""
    inputs = _inputs(spec)
    aig = inputs.aig
    state = initial_state(aig, rtl)
    acc = accumulator(aig, rtl, state)
    seen = accumulator(aig, rtl, after_clock(rtl, inputs, state))
    needed = spec.width if spec.overflow is Overflow.WRAP else None
    term = product(aig, spec.weight, spec.activation, needed)
    expected = step(aig, term, acc, inputs.clear, overflow=spec.overflow, enable=inputs.enable)
    return _proof(RTL_CLAIM, spec, inputs, acc, expected, seen)


def prove_netlist(netlist: Circuit, rtl: Circuit, spec: MacSpec) -> Proof:
    """Prove that ``netlist`` does what ``rtl`` does; both are MACs of ``spec``.

    Raises CircuitError if the ports differ.
    """
    netlist.check_ports(rtl)
    inputs = _inputs(spec)
    aig = inputs.aig
    state = initial_state(aig, netlist)
    acc = accumulator(aig, netlist, state)
    expected = accumulator(aig, rtl, after_clock(rtl, inputs, state_of(rtl, acc)))
    seen = accumulator(aig, netlist, after_clock(netlist, inputs, state))
    return _proof(NETLIST_CLAIM, spec, inputs, acc, expected, seen)


def prove_multiplier(rtl: Circuit, multiplier: MultiplierArchitecture) -> Proof:
    """Prove that ``rtl``, the circuit of ``multiplier``, gives the exact products."""
    inputs = _inputs(multiplier)
    # The circuit's logic must be in the graph before the tables of exact products, which `product`
    # builds. A table that equals logic in the graph is replaced by it and needs no solver.
    width = signed_width(*product_extremes(multiplier.weight, multiplier.activation))
    seen = _product(rtl, inputs, multiplier, width)
    expected = product(inputs.aig, multiplier.weight, multiplier.activation)
    return _proof(RTL_CLAIM, multiplier, inputs, None, expected, seen)


def prove_multiplier_netlist(
    netlist: Circuit, rtl: Circuit, multiplier: MultiplierArchitecture
) -> Proof:
    """Prove that the netlist of a multiplier, without a MAC around it, gives its RTL's products.

    Raises CircuitError if the ports differ.
    """
    netlist.check_ports(rtl)
    inputs = _inputs(multiplier)
    width = signed_width(*product_extremes(multiplier.weight, multiplier.activation))
    expected, seen = (_product(each, inputs, multiplier, width) for each in (rtl, netlist))
    return _proof(NETLIST_CLAIM, multiplier, inputs, None, expected, seen)


def _product(
    circuit: Circuit, inputs: Inputs, multiplier: MultiplierArchitecture, width: int
) -> list[int]:
    """The product that a multiplier's circuit gives, in ``width`` bits."""
    signed = bool(multiplier.term.shape().signed)
    return product_of_multiplier(circuit, inputs, signed=signed, width=width)


def _inputs(unit: MacSpec | MultiplierArchitecture) -> Inputs:
    """A variable for each input bit; a missing ``clear`` is 0, and a missing ``enable`` is 1."""
    aig = Aig()
    is_mac = isinstance(unit, MacSpec)
    return Inputs(
        aig,
        w=aig.word(unit.weight.bits),
        a=aig.word(unit.activation.bits),
        clear=aig.variable() if is_mac else FALSE,
        enable=aig.variable() if is_mac and unit.enable else TRUE,
    )


def _proof(
    claim: str,
    unit: MacSpec | MultiplierArchitecture,
    inputs: Inputs,
    acc: Sequence[int] | None,
    expected: Sequence[int],
    seen: Sequence[int],
) -> Proof:
    """The result of comparing two words; ``acc`` is the accumulator before the clock edge."""
    if len(expected) != len(seen):
        raise CircuitError(f"The circuit's result must have {len(expected)} bits, not {len(seen)}")
    verdict = compare(inputs.aig, inputs.codes, list(zip(expected, seen, strict=True)), acc or ())
    counterexample = None
    if verdict.model is not None:
        words = (inputs.w, inputs.a, [inputs.clear], [inputs.enable], acc or (), expected, seen)
        w, a, clear, enable, *numbers = inputs.aig.evaluate(words, verdict.model, inputs.codes)
        before, *after = (_signed(number, len(expected)) for number in numbers)
        counterexample = Counterexample(
            unit.weight,
            unit.activation,
            w,
            a,
            clear,
            enable,
            None if acc is None else before,
            *after,
        )
    return Proof(claim, STATUS[verdict.equal], verdict.codes, verdict.queries, counterexample)


def _signed(number: int, width: int) -> int:
    """The value of the word ``number``, read as two's complement of ``width`` bits."""
    return number - (1 << width) if number >> (width - 1) & 1 else number
