"""The proof that a DFloat11 lane with fixed codes decodes correctly.

The proof covers one cycle, from any state in which the lane decodes. DFloat11 compresses BF16
weights without loss. A lane reads chunks of a compressed tensor and outputs the weights. There are
eight fixed codes for the weights' exponents. A chunk's header has the number of the chunk's code,
and an exponent that is called the *highest*. Most words of the code stand for this exponent or for
one below it, and one rare word stands for the exponent above it. A code word of more than eight
bits consists of eight ones and a *rest*. The rest 1111 is the escape: the eight bits after it are
the exponent itself.

The specification says, for every state in which a lane decodes and for all inputs, what the lane
outputs and which state follows. It looks up the next exponent among the code words, which are
written here as text. It computes the CRC bit by bit. Only the names of signals, and the numbers of
states, modes and verdicts, are the same as in the RTL.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from amaranth.lib import wiring

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit, Net
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.results import ProofError, UnitProof, unit_proof
from halfbyte.area.proofs.words import Words
from halfbyte.rtl.dfloat11.crc import Crc
from halfbyte.rtl.dfloat11.fixed import FixedLane

__all__ = [
    "CLAIM",
    "code_words",
    "crc_is_right",
    "prove_fixed_lane",
    "rest_words",
]

CLAIM = "lane = fixed codes and CRC-32C, one step from any state of decoding"

_ONES = "1" * 8  # the start of every code word that has a rest
_CODE, _REST, _PLAIN = range(3)  # modes of a lane: the kind of the bits that come next
_DECODE, _CHECK, _DRAIN = 1, 2, 3  # states of a lane
_WRONG_LENGTH = 3  # the verdict on a chunk that is shorter or longer than it says
_POLYNOMIAL = 0x82F63B78  # that of CRC-32C, with the lowest power in the highest bit
_XOR = 0b0110  # truth table of an XOR gate


@cache
def code_words(number: int) -> Mapping[str, int]:
    """The words of at most eight bits in one code.

    Returns a number for each word: how far the word's exponent is below the highest one. If bit 2
    of ``number`` is 1 (*flat*), the words 100 and 101 replace the word 10. The number in bits 0 and
    1 (*late*), plus 4, is the length of the highest exponent's word.
    """
    flat, late = number >= 4, number % 4
    short = {"00": 2, "01": 3, "100" if flat else "10": 1}
    if flat:
        short["101"] = 4
    words = dict(short)
    below = max(short.values()) + 1
    for ones in range(2, 8):
        word = "1" * ones + "0"
        if ones == late + 3:
            words[word] = 0
        else:
            words[word] = below
            below += 1
    return words


@cache
def rest_words(number: int) -> Mapping[str, int]:
    """The rests of longer words in one code, with numbers as in :func:`code_words`.

    The number -1 stands for the exponent above the highest one. The escape, 1111, is left out.
    """
    lowest = max(code_words(number).values())
    return {
        "10": -1, "00": lowest + 1, "01": lowest + 2, "110": lowest + 3, "1110": lowest + 4
    }  # fmt: skip


@dataclass(frozen=True)
class _Step:
    """A step of a lane, in which it consumes some bits and may complete an exponent.

    ``lengths`` has a literal for each number of bits that the step can consume. The literal is 1 if
    the step consumes this number of bits. ``following`` is the mode after the step. ``exponent`` is
    valid if ``is_exponent`` is 1.
    """

    lengths: Mapping[int, int]
    following: list[int]
    is_exponent: int
    exponent: list[int]


class _Specification:
    """The lane's inputs and registers as variables, and how the lane must read exponents.

    ``symbols`` is the number of exponents that the lane can read per cycle. A *literal* is a node
    of the and-inverter graph or its inverse.
    """

    def __init__(self, circuit: Circuit, symbols: int) -> None:
        self.aig = aig = Aig()
        self.words = Words(aig)
        self.symbols = symbols
        self.beat = 8 * symbols  # bits of code words in one transfer
        self.known: dict[Net, int] = {}
        self._circuit = circuit
        self.inputs = {
            name: aig.word(len(nets)) if name != "rst" else [FALSE]
            for name, nets in circuit.inputs.items()
        }
        for name, nets in circuit.inputs.items():
            self.known |= zip(nets, self.inputs[name], strict=True)
        kept = "reader.beat" if symbols == 2 else "reader.byte"
        names = {
            "state": "state", "left": "left", "crc": "crc", "verdict": "verdict", "place": "place",
            "codes_done": "codes_done", "raw_done": "raw_done", "highest": "reader.highest",
            "code": "reader.code", "kept": kept, "is_empty": "reader.is_empty",
            "position": "reader.position", "mode": "reader.mode",
        }  # fmt: skip
        if symbols == 2:
            names |= {"half": "reader.half", "has_half": "reader.has_half"}
        self.nets = {name: circuit.wires[wire] for name, wire in names.items()}
        self.state = {name: aig.word(len(nets)) for name, nets in self.nets.items()}
        self.state["state"] = self.words.constant(_DECODE, 3)
        low, high = self.state["mode"]
        self.state["mode"] = [low, aig.conjunction(high, low ^ 1)]  # three modes, not four
        for name, nets in self.nets.items():
            self.known |= zip(nets, self.state[name], strict=True)
        # The CRC stage may output anything here: it is proved separately.
        self.crc = aig.word(32)
        self.known |= zip(circuit.wires["step.following"], self.crc, strict=True)

    def seen(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """The RTL's outputs and the inputs of its CRC stage; then its registers' next values."""
        literals = self._circuit.evaluate(self.aig, self.known)
        data = {each.output: each.data for each in self._circuit.registers}
        outputs = {
            name: self._circuit.word(literals, nets) for name, nets in self._circuit.outputs.items()
        }
        for name in ("step.state", "step.data"):
            outputs[name] = self._circuit.word(literals, self._circuit.wires[name])
        following = {
            name: self._circuit.word(literals, [data[net] for net in nets])
            for name, nets in self.nets.items()
        }
        return outputs, following

    def _is(self, bits: Sequence[int], text: str) -> int:
        """Whether ``bits`` begin with ``text``; both have the first bit first."""
        return self.words.all([bit ^ (sign == "0") for bit, sign in zip(bits, text, strict=False)])

    def step(self, bits: Sequence[int], mode: Sequence[int]) -> _Step:
        """What the lane does in ``mode`` if the next eight bits are ``bits``, first bit first."""
        aig, words = self.aig, self.words
        is_mode = [words.is_equal(mode, each) for each in range(3)]
        lengths: dict[int, list[int]] = {8: [is_mode[_PLAIN]]}
        exponents = [words.masked(bits[::-1], is_mode[_PLAIN])]
        complete = [is_mode[_PLAIN]]
        for number in range(8):
            is_code = words.is_equal(self.state["code"], number)
            for kind, table in ((_CODE, code_words(number)), (_REST, rest_words(number))):
                for text, below in table.items():
                    here = words.all([is_code, is_mode[kind], self._is(bits, text)])
                    exponent = words.sum(self.state["highest"], words.constant(-below, 8))
                    exponents.append(words.masked(exponent, here))
                    lengths.setdefault(len(text), []).append(here)
                    complete.append(here)
        to_rest = aig.conjunction(is_mode[_CODE], self._is(bits, _ONES))
        to_plain = aig.conjunction(is_mode[_REST], self._is(bits, "1111"))
        lengths[8].append(to_rest)
        lengths[4].append(to_plain)
        return _Step(
            {length: words.any(found) for length, found in lengths.items()},
            [to_rest, to_plain],
            words.any(complete),
            words.merged(exponents),
        )

    def after(self, bits: Sequence[int], lengths: Mapping[int, int]) -> list[int]:
        """The bits that follow those that a step consumes."""
        count = len(bits) - max(lengths)
        return self.words.merged(
            [self.words.masked(bits[n : n + count], here) for n, here in lengths.items()]
        )

    def number(self, lengths: Mapping[int, int], width: int) -> list[int]:
        """The number of bits that a step consumes, as a word."""
        constants = [
            self.words.masked(self.words.constant(n, width), here) for n, here in lengths.items()
        ]
        return self.words.merged(constants)

    def window(self) -> list[int]:
        """The next bits of the stream, the first bit first: eight for each of the ``symbols``."""
        first = self.state["kept"][::-1]
        codes = self.inputs["codes__payload"][: self.beat]
        following = [
            bit for byte in range(self.symbols) for bit in codes[8 * byte : 8 * byte + 8][::-1]
        ]
        both = [*first, *following]
        return self.words.merged(
            [
                self.words.masked(
                    both[place : place + self.beat],
                    self.words.is_equal(self.state["position"], place),
                )
                for place in range(self.beat)
            ]
        )


def _pairs(circuit: Circuit, symbols: int) -> tuple[Aig, list[tuple[int, int]]]:
    """The pairs of bits that must be equal, as literals of one and-inverter graph.

    In most pairs, the first bit is the specification's and the second the circuit's. In pairs for
    bits that matter only under a condition, the first is 0, and the second is 1 if specification
    and circuit differ under this condition.

    A lane with two symbols per cycle outputs two weights at once. If it has read only one of their
    exponents, it keeps this one, the *half*, for the next cycle.
    """
    spec = _Specification(circuit, symbols)
    aig, words, state = spec.aig, spec.words, dict(spec.state)
    flags = {
        name: spec.inputs[name][0]
        for name in ("codes__valid", "raw__valid", "weights__ready")
    }  # fmt: skip
    codes, raw = spec.inputs["codes__payload"], spec.inputs["raw__payload"]
    is_last = words.any(state["left"]) ^ 1
    empty = state["is_empty"][0]

    # Read the next exponent or the next two. ``crosses`` says that the last kept bit is consumed,
    # ``overruns`` that bits of the next transfer are needed, too.
    bits = spec.window()
    first = spec.step(bits[:8], state["mode"])
    width = len(state["position"]) + 1
    length, exponents = spec.number(first.lengths, width), first.exponent
    is_complete, keeps_half = first.is_exponent, FALSE
    if symbols == 2:
        second = spec.step(spec.after(bits, first.lengths), words.constant(_CODE, 2))
        (has_half,) = state["has_half"]
        is_pair = words.all([has_half ^ 1, first.is_exponent, second.is_exponent])
        both = words.sum(length, spec.number(second.lengths, width))
        length = words.chosen(is_pair, both, length)
        exponents = words.chosen(
            has_half,
            [*state["half"], *first.exponent],
            [*first.exponent, *second.exponent],
        )
        is_complete = aig.disjunction(is_pair, aig.conjunction(has_half, first.is_exponent))
        keeps_half = aig.disjunction(has_half, first.is_exponent)
    end = words.sum(words.extended(state["position"], width), length)
    crosses, overruns = end[-1], aig.conjunction(end[-1], words.any(end[:-1]))
    is_there = aig.conjunction(empty ^ 1, aig.disjunction(overruns ^ 1, flags["codes__valid"]))

    # Output weights. A raw byte has the sign (bit 7) and the mantissa of a weight.
    weights = [
        literal
        for index in range(symbols)
        for literal in (
            *raw[8 * index : 8 * index + 7],
            *exponents[8 * index : 8 * index + 8],
            raw[8 * index + 7],
        )
    ]
    offers = aig.conjunction(is_there, is_complete)
    takes = words.all([offers, flags["weights__ready"], flags["raw__valid"]])
    goes_on = aig.disjunction(takes, aig.conjunction(is_there, is_complete ^ 1))
    wants = words.any([overruns, is_complete ^ 1, is_last ^ 1])
    ready = aig.disjunction(empty, words.all([goes_on, crosses, wants]))
    comes = aig.conjunction(ready, flags["codes__valid"])
    expected_outputs = {
        "weights__valid": [aig.conjunction(offers, flags["raw__valid"])],
        "codes__ready": [ready],
        "raw__ready": [aig.conjunction(offers, flags["weights__ready"])],
        "verdict__valid": [FALSE],
    }

    # Compute the next state
    read = [codes[8 * n : 8 * n + 8] for n in reversed(range(symbols))]
    ends_here = aig.conjunction(takes, aig.exclusive(is_last, raw[spec.beat]))
    is_wrong = aig.disjunction(aig.conjunction(comes, codes[spec.beat]), ends_here)
    to_check = words.chosen(
        aig.conjunction(takes, is_last), words.constant(_CHECK, 3), words.constant(_DECODE, 3)
    )
    ones = words.constant(-1, len(state["left"]))
    following = {
        **state,
        "kept": words.chosen(comes, [bit for byte in read for bit in byte], state["kept"]),
        "is_empty": [
            aig.conjunction(comes ^ 1, aig.choose(aig.conjunction(goes_on, crosses), TRUE, empty))
        ],
        "position": words.chosen(goes_on, end[:-1], state["position"]),
        "mode": words.chosen(goes_on, first.following, state["mode"]),
        "crc": words.chosen(takes, spec.crc, state["crc"]),
        "left": words.chosen(takes, words.sum(state["left"], ones), state["left"]),
        "codes_done": words.chosen(comes, [codes[spec.beat]], state["codes_done"]),
        "raw_done": words.chosen(takes, [raw[spec.beat]], state["raw_done"]),
        "verdict": words.chosen(is_wrong, words.constant(_WRONG_LENGTH, 2), state["verdict"]),
        "state": words.chosen(is_wrong, words.constant(_DRAIN, 3), to_check),
    }
    if symbols == 2:
        (has_half,) = state["has_half"]
        waits = aig.conjunction(is_complete ^ 1, keeps_half)
        following["has_half"] = [aig.choose(goes_on, waits, has_half)]
        half = words.chosen(has_half, state["half"], first.exponent)

    outputs, seen = spec.seen()
    pairs = [
        (one, other)
        for name, word in expected_outputs.items()
        for one, other in zip(word, outputs[name], strict=True)
    ]
    pairs += zip(state["crc"], outputs["step.state"], strict=True)
    valid = expected_outputs["weights__valid"][0]
    for name in ("weights__payload", "step.data"):
        for one, other in zip(weights, outputs[name], strict=True):
            pairs.append((FALSE, aig.conjunction(aig.exclusive(one, other), valid)))
    for name, word in following.items():
        if name != "half":  # compared below, if the lane keeps a half
            pairs += zip(word, seen[name], strict=True)
    if symbols == 2:
        (will_have,) = following["has_half"]
        for one, other in zip(half, seen["half"], strict=True):
            pairs.append((FALSE, aig.conjunction(aig.exclusive(one, other), will_have)))
    return aig, pairs


def crc_is_right(circuit: Circuit, bits: int) -> bool:
    """Whether a circuit updates a CRC-32C for the next ``bits`` bits of data.

    It must consist of XOR gates, and each output must be the XOR of just those inputs that the
    definition of the CRC names.
    """
    sums: dict[Net, frozenset[tuple[str, int]]] = {}
    for name, nets in circuit.inputs.items():
        sums |= {net: frozenset({(name, place)}) for place, net in enumerate(nets)}
    for gate in circuit.gates:
        if gate.table != _XOR or len(gate.inputs) != 2:
            return False
        one, other = (sums[net] for net in gate.inputs)
        sums[gate.output] = one ^ other
    state = [frozenset({("state", place)}) for place in range(32)]
    for place in range(bits):
        feedback = state[0] ^ {("data", place)}
        shifted: list[frozenset[tuple[str, int]]] = [*state[1:], frozenset()]
        state = [
            old ^ feedback if _POLYNOMIAL >> tap & 1 else old for tap, old in enumerate(shifted)
        ]
    return [sums[net] for net in circuit.outputs["following"]] == state


def prove_fixed_lane(component: wiring.Component | None = None, symbols: int = 1) -> UnitProof:
    """Prove that a lane that reads up to ``symbols`` exponents per cycle decodes correctly.

    ``component`` is the lane; by default ``rtl.dfloat11.fixed.FixedLane``. Raises ProofError if the
    claim is refuted.
    """
    start = time.monotonic()
    bits = 16 * symbols
    lane = component or FixedLane(symbols=symbols)
    circuits = lower({"lane": lane, "step": Crc(bits=bits)}, fused=True)
    if not crc_is_right(circuits["step"], bits):
        raise ProofError(f"The claim {CLAIM!r} is refuted: the CRC stage computes another function")
    aig, pairs = _pairs(circuits["lane"], symbols)
    verdict = compare(aig, (), pairs)
    method = (
        f"all states were checked by SAT, in {verdict.queries} queries; "
        "the CRC was checked by comparing XOR sums"
    )
    return unit_proof(CLAIM, verdict.equal, method, start)
