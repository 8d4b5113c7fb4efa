"""The proof that the DFloat11 decoder loads only code tables with which its reader can decode.

The loader reads one number of a code table per cycle: the number of rows, the row of the escape
(the code after which a symbol follows in plain bits), the number of codes of each length, and the
symbols. The proof is by induction over the cycles. An invariant holds after reset, and every step
from a state in which it holds leads to a state in which it holds again. The invariant has two main
parts. While the numbers of codes arrive, the codes of all lengths whose numbers have arrived form a
prefix code, and the table and the loader's registers describe this code. A loaded table is a
complete canonical code, as :mod:`.table_code` defines it. The proof of the reader assumes just
this. Simulation, not this proof, shows that the loader accepts such tables.
"""

import time
from collections.abc import Mapping, Sequence

from amaranth.lib import wiring

from halfbyte.area.netlists.aig import FALSE, Aig
from halfbyte.area.netlists.circuit import Circuit, Net
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.results import UnitProof, unit_proof
from halfbyte.area.proofs.table_code import Table, is_canonical
from halfbyte.area.proofs.words import Words
from halfbyte.rtl.dfloat11.framing import LENGTH_LIMIT
from halfbyte.rtl.dfloat11.loader import Loader

__all__ = ["prove_loader"]

CLAIM = "a loaded table is a complete canonical code, by induction"

_ROWS, _ESCAPE, _COUNTS, _SYMBOLS = range(4)  # states of the loader
_REGISTERS = ("state", "loaded", "slots", "row", "length", "room")

_State = Mapping[str, Sequence[int]]


class _Invariant:
    """Conditions that hold in every state that the loader can reach."""

    def __init__(self, aig: Aig, rows: int, longest: int) -> None:
        self._aig, self._rows, self._longest = aig, rows, longest
        self._words = Words(aig)

    def _implies(self, condition: int, conclusions: Sequence[int]) -> list[int]:
        """For each conclusion, whether it is 1 or the condition is 0."""
        return [self._aig.disjunction(condition ^ 1, each) for each in conclusions]

    def _equal(self, one: Sequence[int], other: Sequence[int]) -> int:
        """Whether two unsigned words, perhaps of different widths, are equal."""
        width = max(len(one), len(other))
        pairs = zip(
            self._words.extended(one, width), self._words.extended(other, width), strict=True
        )
        return self._words.all([self._aig.exclusive(a, b) ^ 1 for a, b in pairs])

    def of(self, state: _State) -> list[int]:
        """The conditions on a state, as literals that must all be 1."""
        words, aig = self._words, self._aig
        table = Table(aig, state["table"], self._rows, self._longest)
        slots, length = state["slots"], state["length"]
        is_counting = words.is_equal(state["state"], _COUNTS)
        has_all = aig.disjunction(words.is_equal(state["state"], _SYMBOLS), *state["loaded"])
        # ``slots`` is the number of rows, but 2 for a table with one row.
        most = words.constant(self._rows, len(slots) + 1)
        in_range = words.is_less(most, words.extended(slots, len(most))) ^ 1
        found = self._implies(
            words.any([words.is_equal(state["state"], _ESCAPE), is_counting, has_all]),
            [in_range, aig.disjunction(table.lone ^ 1, words.is_equal(slots, 2))],
        )
        for number in range(1, LENGTH_LIMIT + 1):
            here = aig.conjunction(is_counting, words.is_equal(length, number))
            known = min(number - 1, self._longest)
            right = [
                *table.fits(known),
                self._equal(state["room"], table.room(known)),
                self._equal(state["row"], table.row(known)),
            ]
            found += self._implies(here, right)
        is_length = [words.is_equal(length, n) for n in range(1, LENGTH_LIMIT + 1)]
        found += self._implies(is_counting, [words.any(is_length)])
        ends = [
            *table.fits(self._longest),
            words.any(table.room(self._longest)) ^ 1,
            self._equal(slots, table.row(self._longest)),
        ]
        is_idle = words.is_equal(state["state"], _ROWS)
        found += self._implies(words.any(state["loaded"]), [is_idle])
        return found + self._implies(has_all, ends)

    def conclusion(self, state: _State) -> int:
        """Whether the table is what the reader's proof assumes."""
        return is_canonical(self._aig, state["table"], self._rows, self._longest)


def _states(circuit: Circuit, aig: Aig) -> tuple[_State, _State]:
    """Any state, and the state after a step with any inputs and without a reset."""
    nets = {name: circuit.wires[name] for name in _REGISTERS} | {"table": circuit.outputs["table"]}
    state = {name: aig.word(len(each)) for name, each in nets.items()}
    known: dict[Net, int] = {}
    for name, each in circuit.inputs.items():
        values = [FALSE] if name == "rst" else aig.word(len(each))
        known |= zip(each, values, strict=True)
    for name, each in nets.items():
        known |= zip(each, state[name], strict=True)
    literals = circuit.evaluate(aig, known)
    data = {each.output: (each.data, each.inverted) for each in circuit.registers}
    following = {
        name: [literals[data[net][0]] ^ data[net][1] for net in each] for name, each in nets.items()
    }
    return state, following


def prove_loader(
    component: wiring.Component | None = None, *, rows: int = 16, longest: int = 10
) -> UnitProof:
    """Prove that a loaded table is always a complete canonical code.

    ``rows`` and ``longest`` are the most rows and code bits that the loader allows. ``component``
    is the loader; by default ``rtl.dfloat11.loader.Loader``. Raises ProofError if the claim is
    refuted.
    """
    start = time.monotonic()
    loader = component or Loader(rows=rows, max_length=longest)
    circuit = lower({"loader": loader}, fused=True)["loader"]
    aig = Aig()
    state, following = _states(circuit, aig)
    invariant = _Invariant(aig, rows, longest)
    words = Words(aig)
    holds = words.all(invariant.of(state))
    reset = {**state, "state": [FALSE] * len(state["state"]), "loaded": [FALSE]}
    pairs = [(FALSE, each ^ 1) for each in invariant.of(reset)]
    pairs += [(FALSE, aig.conjunction(holds, each ^ 1)) for each in invariant.of(following)]
    is_loaded = words.all([holds, *state["loaded"]])
    pairs.append((FALSE, aig.conjunction(is_loaded, invariant.conclusion(state) ^ 1)))
    verdict = compare(aig, (), pairs)
    method = f"induction by SAT, in {verdict.queries} queries"
    return unit_proof(CLAIM, verdict.equal, method, start)
