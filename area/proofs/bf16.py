"""The proof that the RTL of the BF16 MAC computes IEEE 754's fused multiply-add.

The proof has three parts, each for all inputs. First, the product stage gives the exact product of
two BF16 numbers. Second, the sum stage adds this product to an FP32 number, the *augend*, and
rounds once. Third, the MAC consists of these two stages. In the proof of the sum stage, each case
covers one difference of the two exponents: the exact sum is then an integer of fixed width. Two
more cases cover all larger differences.

If one summand is far smaller than the other, only its sign, and whether it is zero, affect
rounding. If the smaller summand is not zero, the proof replaces it by a small number of the same
sign: one unit, far below the last bit of the larger summand. This does not change the rounded
result: the nearest midpoint between neighbouring FP32 numbers is more than twice as far from the
larger summand as the smaller summand is from zero.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from amaranth.lib import wiring

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.binary32 import EXPONENT, Number, pack, rounded, unpack
from halfbyte.area.proofs.equivalence import Verdict, compare
from halfbyte.area.proofs.results import PROVED, UNDECIDED, ProofError, UnitProof
from halfbyte.area.proofs.words import Words
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.bf16.product import Product

__all__ = [
    "CLAIM",
    "FAR",
    "SUM_CASES",
    "prove_bf16_mac",
    "prove_product",
    "prove_sum",
    "prove_wiring",
]

CLAIM = "bf16_mac = fused multiply-add of IEEE 754, rounded once to nearest even"
FAR = 28
"""The product counts as far above the augend if its exponent is at least this much greater.

It counts as far below if its exponent is more than this much smaller.
"""

_SIGNIFICAND = 16  # bits of the product's significand
_GAP = 36  # bits between the unit that replaces a far summand and the last bit of the product

_ABOVE, _BELOW, _NEAR = "product far above", "product far below", "exponents "
SUM_CASES = (_ABOVE, _BELOW, *(f"{_NEAR}{difference:+d}" for difference in range(-FAR, FAR)))
"""The cases of the sum stage, named by the product's exponent minus the augend's."""

Pair = tuple[int, int]
# A function that is called with the name of each part or case before its proof, to show progress.
OnCase = Callable[[str], None]


def _outputs(
    aig: Aig, circuit: Circuit, words: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """The outputs of a stage, by name, if its inputs have the values ``words``."""
    literals = circuit.evaluate(aig, circuit.known(words))
    return {name: circuit.word(literals, nets) for name, nets in circuit.outputs.items()}


def prove_product(circuit: Circuit) -> Verdict:
    """Prove that the product stage gives the exact product of any two BF16 numbers."""
    aig = Aig()
    words = Words(aig)
    w, a = aig.word(16), aig.word(16)
    seen = _outputs(aig, circuit, {"w": w, "a": a})
    one, other = unpack(aig, w, 7), unpack(aig, a, 7)
    whole = words.product(one.integer, other.integer)
    unit = words.sum(one.exponent, other.exponent)
    # The stage shifts the product until its highest 1 is at place 15. There is one case for each
    # place that this 1 can have before the shift.
    shifted, exponents = [], []
    for zeros in range(_SIGNIFICAND):
        top = _SIGNIFICAND - 1 - zeros
        here = aig.conjunction(whole[top], words.any(whole[top + 1 :]) ^ 1)
        shifted.append(words.masked([*[FALSE] * zeros, *whole][:_SIGNIFICAND], here))
        biased = words.sum(unit, words.constant(127 + top, EXPONENT))
        exponents.append(words.masked(biased, here))
    one_is_zero, other_is_zero = words.any(one.integer) ^ 1, words.any(other.integer) ^ 1
    is_nan = words.any(
        [
            one.is_nan,
            other.is_nan,
            aig.conjunction(one.is_infinite, other_is_zero),
            aig.conjunction(other.is_infinite, one_is_zero),
        ]
    )
    is_infinite = aig.disjunction(one.is_infinite, other.is_infinite)
    has_exponent = words.any(whole)
    return compare(
        aig,
        (),
        [
            *zip(words.merged(shifted), seen["significand"], strict=True),
            *_where(aig, has_exponent, words.merged(exponents), seen["exponent"]),
            (aig.exclusive(one.negative, other.negative), seen["negative"][0]),
            (is_nan, seen["is_nan"][0]),
            (aig.conjunction(is_infinite, is_nan ^ 1), seen["is_infinite"][0]),
        ],
    )


def _where(aig: Aig, condition: int, expected: Iterable[int], seen: Sequence[int]) -> list[Pair]:
    """Pairs that compare two words only where ``condition`` is 1.

    If the words have different widths, the upper bits of the wider word are ignored.
    """
    both = zip(expected, seen, strict=False)
    return [(FALSE, aig.conjunction(aig.exclusive(*pair), condition)) for pair in both]


@dataclass(frozen=True)
class _Sum:
    """The inputs of the sum stage.

    ``exponent`` is the product's biased exponent; that of ``product`` itself is not used. ``word``
    has the 32 bits of the augend, and ``augend`` is the number that they encode.
    """

    aig: Aig
    product: Number
    exponent: list[int]
    word: list[int]
    augend: Number

    @classmethod
    def free(cls, aig: Aig) -> "_Sum":
        """Inputs with any values that the stage allows.

        The product's significand is 0 or has its top bit set, and the product is not both NaN and
        infinite.
        """
        word = aig.word(32)
        top = aig.variable()
        significand = [aig.conjunction(aig.variable(), top) for _ in range(_SIGNIFICAND - 1)]
        negative, is_nan, is_infinite = aig.word(3)
        only = aig.conjunction(is_infinite, is_nan ^ 1)
        stored = aig.word(10)
        exponent = Words.extended(stored, EXPONENT, signed=True)
        product = Number(negative, [*significand, top], exponent, is_nan, only)
        return cls(aig, product, exponent, word, unpack(aig, word, 23))

    def seen(self, circuit: Circuit) -> list[int]:
        """The circuit's output ``total`` for these inputs."""
        product = self.product
        return _outputs(
            self.aig,
            circuit,
            {
                "negative": [product.negative],
                "exponent": self.exponent[:10],
                "significand": product.integer,
                "is_nan": [product.is_nan],
                "is_infinite": [product.is_infinite],
                "augend": self.word,
            },
        )["total"]

    def expected(self, product: list[int], augend: list[int], unit: list[int]) -> list[int]:
        """The FP32 word that the stage must give.

        ``product`` and ``augend`` are the magnitudes of the summands, as integers of equal width in
        units of ``2 ** unit``.
        """
        aig, words = self.aig, Words(self.aig)
        total = words.sum(
            words.negated_if(self.product.negative, product),
            words.negated_if(self.augend.negative, augend),
        )
        magnitude = words.negated_if(total[-1], total)[:-1]
        # A sum that is exactly zero is +0, except that -0 + -0 is -0.
        both_negative = aig.conjunction(self.product.negative, self.augend.negative)
        negative = aig.choose(words.any(magnitude), total[-1], both_negative)
        return pack(aig, self.product, self.augend, rounded(aig, magnitude, unit), negative)


def _near(circuit: Circuit, difference: int) -> Verdict:
    """Prove that the sum is correct if the product's exponent is the augend's + ``difference``."""
    aig = Aig()
    words = Words(aig)
    inputs = _Sum.free(aig)
    augend = inputs.augend
    biased = words.sum(augend.exponent, words.constant(150 + difference, EXPONENT))
    inputs = replace(inputs, exponent=biased)
    # The exponent of the last bit is the biased exponent minus 127, minus 15 for the product or
    # minus 23 for the augend: in total minus 142 or minus 150. So the product's last bit is ``up``
    # places above the augend's.
    up = difference + 8
    ups = (max(up, 0), max(-up, 0))
    width = max(_SIGNIFICAND + ups[0], 24 + ups[1]) + 2
    summands = [
        words.extended([*[FALSE] * places, *integer], width)
        for places, integer in zip(ups, (inputs.product.integer, augend.integer), strict=True)
    ]
    unit = words.sum(augend.exponent, words.constant(-ups[1], EXPONENT))
    expected = inputs.expected(summands[0], summands[1], unit)
    return compare(aig, (), list(zip(expected, inputs.seen(circuit), strict=True)))


def _difference(words: Words, inputs: _Sum) -> list[int]:
    """The product's exponent minus the augend's, both biased."""
    augend = words.sum(inputs.augend.exponent, words.constant(150, EXPONENT))
    return words.difference(inputs.exponent, augend)


def _far_above(circuit: Circuit) -> Verdict:
    """Prove that the sum is correct if the augend is far below the product."""
    aig = Aig()
    words = Words(aig)
    inputs = _Sum.free(aig)
    far = words.is_less(words.constant(FAR - 1, EXPONENT), _difference(words, inputs))
    condition = aig.conjunction(far, inputs.product.integer[-1])
    width = _SIGNIFICAND + _GAP + 2
    product = words.extended([*[FALSE] * _GAP, *inputs.product.integer], width)
    augend = words.extended([words.any(inputs.augend.integer)], width)
    unit = words.sum(inputs.exponent, words.constant(-142 - _GAP, EXPONENT))
    expected = inputs.expected(product, augend, unit)
    return compare(aig, (), _where(aig, condition, expected, inputs.seen(circuit)))


def _far_below(circuit: Circuit) -> Verdict:
    """Prove that the sum is correct if the product is 0 or far below the augend."""
    aig = Aig()
    words = Words(aig)
    inputs = _Sum.free(aig)
    integer = inputs.product.integer
    far = words.is_less(_difference(words, inputs), words.constant(-FAR, EXPONENT))
    condition = aig.disjunction(far, integer[-1] ^ 1)
    width = 24 + FAR + 2
    product = words.extended([integer[-1]], width)
    augend = words.extended([*[FALSE] * FAR, *inputs.augend.integer], width)
    unit = words.sum(inputs.augend.exponent, words.constant(-FAR, EXPONENT))
    expected = inputs.expected(product, augend, unit)
    return compare(aig, (), _where(aig, condition, expected, inputs.seen(circuit)))


def prove_sum(
    circuit: Circuit,
    on_case: OnCase = lambda name: None,
    only: Sequence[str] = SUM_CASES,
) -> dict[str, Verdict]:
    """Prove that the sum stage rounds the exact sum correctly, in the cases of ``only``."""
    found = {}
    for name in only:
        on_case(name)
        if name == _ABOVE:
            found[name] = _far_above(circuit)
        elif name == _BELOW:
            found[name] = _far_below(circuit)
        else:
            found[name] = _near(circuit, int(name.removeprefix(_NEAR)))
    return found


def prove_wiring(mac: Circuit, product: Circuit, accumulate: Circuit) -> Verdict:
    """Prove that from any state, the MAC's next state is what its two stages compute."""
    aig = Aig()
    w, a, clear, register = aig.word(16), aig.word(16), aig.variable(), aig.word(32)
    of_product = _outputs(aig, product, {"w": w, "a": a})
    augend = [aig.conjunction(bit, clear ^ TRUE) for bit in register]
    stages = {name: of_product[name] for name in accumulate.inputs if name != "augend"}
    expected = _outputs(aig, accumulate, {**stages, "augend": augend})["total"]
    held = [each.output for each in mac.registers]
    places = {net: place for place, net in enumerate(mac.outputs["acc"])}
    known = mac.known({"w": w, "a": a, "clear": [clear]})
    known |= {net: register[places[net]] for net in held}
    literals = mac.evaluate(aig, known)
    seen = mac.word(literals, [each.data for each in mac.registers])
    pairs = [(expected[places[net]], bit) for net, bit in zip(held, seen, strict=True)]
    return compare(aig, (), pairs)


def prove_bf16_mac(
    parts: Sequence[wiring.Component] | None = None, on_case: OnCase = lambda name: None
) -> UnitProof:
    """Prove that the BF16 MAC is correct for all inputs.

    ``parts`` are the MAC, the product stage and the sum stage; by default those of ``rtl.bf16``.
    Raises ProofError if a part is refuted.
    """
    start = time.monotonic()
    mac, product, accumulate = parts or (Bf16Mac(), Product(), Accumulate())
    circuits = lower({"mac": mac, "product": product, "accumulate": accumulate}, fused=True)
    on_case("product")
    verdicts = {"product": prove_product(circuits["product"])}
    verdicts |= prove_sum(circuits["accumulate"], on_case)
    on_case("wiring")
    verdicts["wiring"] = prove_wiring(
        *(circuits[name] for name in ("mac", "product", "accumulate"))
    )
    refuted = [name for name, verdict in verdicts.items() if verdict.equal is False]
    if refuted:
        raise ProofError(f"The claim {CLAIM!r} is refuted; wrong parts: {', '.join(refuted)}")
    decided = all(verdict.equal for verdict in verdicts.values())
    queries = sum(verdict.queries for verdict in verdicts.values())
    return UnitProof(
        status=PROVED if decided else UNDECIDED,
        claim=CLAIM,
        method=(
            f"all operands and accumulators were checked by SAT, in {len(verdicts)} cases and "
            f"{queries} queries"
        ),
        counterexample=None,
        seconds=round(time.monotonic() - start, 3),
    )
