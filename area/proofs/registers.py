"""The proof that a unit's netlist equals its RTL, register by register.

A register of the netlist has the name of the RTL register it was mapped from, so it holds a known
bit of a signal. From *any* common state of the registers and for any inputs, all outputs and the
next values of all common registers must be equal. So RTL and netlist stay equal once their
registers are equal, for example after a reset, a loaded table or a cleared sum. A register that
exists only in the RTL or only in the netlist may hold any value. So a proof does not depend on
which registers synthesis has dropped.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from halfbyte.area.cells.cell import Cell
from halfbyte.area.netlists.aig import Aig
from halfbyte.area.netlists.circuit import Circuit, Net, Register, read_circuits
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.mac import NETLIST_CLAIM
from halfbyte.area.proofs.results import REFUTED, STATUS, ProofError, UnitProof

__all__ = ["Bit", "MappedUnit", "prove_circuits", "prove_unit", "read_mapped_unit"]

Bit = tuple[str, int]
"""The name of a signal, and the place of a bit in it."""

_METHOD = (
    "all states were checked by SAT: {pairs} bits of outputs and registers, in {queries} queries"
)
_RTL = "rtl"


@dataclass(frozen=True)
class MappedUnit:
    """A netlist and its registers.

    ``registers`` maps a bit of a signal in the RTL to the output net of the register that holds
    this bit in the netlist.
    """

    circuit: Circuit
    registers: Mapping[Bit, Net]


def read_mapped_unit(folder: Path, top: str, cells: Mapping[str, Cell]) -> MappedUnit:
    """Read the module ``top`` that synthesis wrote to ``folder``.

    ``netlist.json`` is the netlist, and ``registers.json`` is the unit before its registers were
    mapped to cells. Raises CircuitError for a netlist that is not a synchronous circuit of
    ``cells``.
    """
    text = (folder / "netlist.json").read_text()
    circuit = read_circuits(text, cells)[top]
    mapped = json.loads(text)["modules"][top]["cells"]
    before = json.loads((folder / "registers.json").read_text())["modules"][top]
    signals = _signals(before["netnames"])
    registers: dict[Bit, Net] = {}
    for name, cell in before["cells"].items():
        flip_flop = cells[mapped[name]["type"]].flip_flop if name in mapped else None
        if flip_flop and "Q" in cell["connections"]:
            net = mapped[name]["connections"][flip_flop.output][0]
            registers |= dict.fromkeys(signals.get(cell["connections"]["Q"][0], ()), net)
    return MappedUnit(circuit, registers)


def _signals(netnames: Any) -> dict[Net, list[Bit]]:
    """For each net, the bits of named signals that it carries."""
    found: dict[Net, list[Bit]] = {}
    for name, wire in netnames.items():
        if not wire.get("hide_name"):
            for place, net in enumerate(wire["bits"]):
                found.setdefault(net, []).append((name, place))
    return found


def prove_unit(
    component: wiring.Component, folder: Path, top: str, cells: Mapping[str, Cell]
) -> UnitProof:
    """Prove that the netlist in ``folder`` equals the RTL of ``component``.

    The ``status`` of the result is ``proved``, or ``undecided`` if the solver gave up. Raises
    ProofError with a counterexample if the netlist is refuted.
    """
    start = time.monotonic()
    rtl = lower({_RTL: component}, fused=True)[_RTL]
    proof = prove_circuits(rtl, read_mapped_unit(folder, top, cells))
    if proof.status == REFUTED:
        name = type(component).__name__
        raise ProofError(f"{name}: the claim {NETLIST_CLAIM!r} is refuted: {proof.counterexample}")
    return replace(proof, seconds=round(time.monotonic() - start, 3))


def prove_circuits(rtl: Circuit, unit: MappedUnit) -> UnitProof:
    """Compare the RTL and the netlist of a unit over one clock edge.

    Raises CircuitError if the ports differ, or if a value on either side does not follow from
    inputs and registers alone.
    """
    start = time.monotonic()
    unit.circuit.check_ports(rtl)
    aig = Aig()
    sides = _Sides(aig, rtl, unit)
    checked = list(sides.checked())
    verdict = compare(aig, (), [(expected, seen) for _, expected, seen in checked])
    counterexample = None
    if verdict.model is not None:
        counterexample = _counterexample(aig, sides, checked, verdict.model)
    return UnitProof(
        status=STATUS[verdict.equal],
        claim=NETLIST_CLAIM,
        method=_METHOD.format(pairs=len(checked), queries=verdict.queries),
        counterexample=counterexample,
        seconds=round(time.monotonic() - start, 3),
    )


class _Sides:
    """The RTL and the netlist, as functions of the same variables.

    Each bit of an input has one variable. Each bit that both circuits hold in a register also has
    one. ``words`` has these variables by the signal's name, for messages. A register that only one
    circuit has gets a variable of its own.
    """

    def __init__(self, aig: Aig, rtl: Circuit, unit: MappedUnit) -> None:
        self._rtl, self._netlist = rtl, unit.circuit
        self.words: dict[str, list[int]] = {}
        known: dict[Net, int] = {}
        mapped: dict[Net, int] = {}
        for name, nets in rtl.inputs.items():
            self.words[name] = aig.word(len(nets))
            known |= zip(nets, self.words[name], strict=True)
            mapped |= zip(unit.circuit.inputs[name], self.words[name], strict=True)
        self._pairs = list(_partners(rtl, unit))
        for bit, one, other in self._pairs:
            known[one.output] = aig.variable()
            mapped[other.output] = known[one.output] ^ other.inverted
            self.words.setdefault(bit[0], []).append(known[one.output])
        for circuit, literals in ((rtl, known), (unit.circuit, mapped)):
            for register in circuit.registers:
                if register.output not in literals:
                    literals[register.output] = aig.variable()
        self._expected = rtl.evaluate(aig, known)
        self._seen = unit.circuit.evaluate(aig, mapped)

    def checked(self) -> Iterator[tuple[str, int, int]]:
        """All bits that must be equal: the name, the expected literal and the netlist's literal."""
        for name, nets in self._rtl.outputs.items():
            expected = self._rtl.word(self._expected, nets)
            seen = self._netlist.word(self._seen, self._netlist.outputs[name])
            for place, (one, other) in enumerate(zip(expected, seen, strict=True)):
                yield f"output {name}[{place}]", one, other
        for (name, place), holder, mapped in self._pairs:
            (expected_data,) = self._rtl.word(self._expected, [holder.data])
            (seen_data,) = self._netlist.word(self._seen, [mapped.data])
            yield f"next {name}[{place}]", expected_data ^ holder.inverted, seen_data
        for register in self._netlist.registers:
            for tied, level in register.tied:
                (literal,) = self._netlist.word(self._seen, [tied])
                yield "an inactive clear or preset", level, literal


def _partners(rtl: Circuit, unit: MappedUnit) -> Iterator[tuple[Bit, Register, Register]]:
    """Pairs of registers that hold the same bit: one of the RTL, and one of the netlist."""
    mapped = {register.output: register for register in unit.circuit.registers}
    holders = {register.output: register for register in rtl.registers}
    # A register can have several names. Try plain names first: a ``$`` begins a number that
    # Amaranth adds to a repeated name, and a ``.`` follows the name of a submodule.
    for name in sorted(rtl.wires, key=lambda name: ("$" in name or "." in name, name)):
        for place, net in enumerate(rtl.wires[name]):
            other = unit.registers.get((name, place))
            if net in holders and other in mapped:
                yield (name, place), holders.pop(net), mapped.pop(other)


def _counterexample(
    aig: Aig, sides: _Sides, checked: Sequence[tuple[str, int, int]], model: Mapping[int, int]
) -> str:
    """The first difference, and the inputs and registers that cause it."""
    literals = [[literal] for _, one, other in checked for literal in (one, other)]
    values = aig.evaluate(literals, model, ())
    differing = [
        (what, expected, seen)
        for (what, _, _), expected, seen in zip(checked, values[::2], values[1::2], strict=True)
        if expected != seen
    ]
    what, expected, seen = differing[0]
    numbers = aig.evaluate(list(sides.words.values()), model, ())
    named = zip(sides.words, numbers, strict=True)
    state = ", ".join(f"{name} {number:#x}" for name, number in named if number)
    others = f" (and {len(differing) - 1} more)" if differing[1:] else ""
    where = f"where {state}; all else is 0" if state else "where all inputs and registers are 0"
    return f"{what} should be {expected}, but is {seen}{others}, {where}"
