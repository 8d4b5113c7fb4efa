"""The proof that a small FP32 stage gives the same results as an independent one.

A block is a group of products that share a scale. An FP32 stage (:class:`Fp32Sum`) adds a block's
scaled sum to an FP32 accumulator, its *augend*. The specification is
:class:`halfbyte.rtl.bf16.accumulate.Accumulate`. It computes the same sum, but was designed
independently, with another order of comparing, negating and rounding. There is one case for each
small difference of the summands' exponents. The alignment is then fixed wiring, and the logic is
small enough for SAT. One more case for each sign of the difference covers all larger differences.

The block's scaled sum is assumed to be an output of
:class:`halfbyte.rtl.dot.scaled_block.ScaledBlock`: the top bit of its significand is 1, or the
whole significand is 0, and it is never infinite. If the significand is 0, the stage may get either
sign, since a negative sum may be multiplied by a scale of 0. The specification always gets +0.

The accumulator's only NaN is 7FC00000. A *limited* stage is for sums that can neither overflow nor
be subnormal. Its summands are assumed to have exponent fields from 64 to 191, or to be 0 or NaN, as
:attr:`halfbyte.rtl.dot.numbers.DotNumbers.is_limited` ensures.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from amaranth.lib import wiring

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit, read_circuits
from halfbyte.area.netlists.lowering import LOGIC, PREPARE, run_lines
from halfbyte.area.proofs.equivalence import Verdict, compare
from halfbyte.area.proofs.results import PROVED, REFUTED, UNDECIDED, StageProof
from halfbyte.area.proofs.words import Words
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.dot.adders import AdderStyle, adder_modules
from halfbyte.rtl.dot.fp32_sum import Fp32Sum

__all__ = ["ALL_CASES", "Case", "augend_fields", "prove_fp32_stage"]

_FRACTION, _EXPONENT = 23, 8
# From this distance of the exponents on, only a sticky bit is left of the smaller summand.
_NEAR = 30
_TOP = "stage"


@dataclass(frozen=True)
class Case:
    """The block's exponent minus the augend's; if ``beyond``, also all values farther from 0."""

    difference: int
    beyond: bool = False


ALL_CASES = (
    *(Case(difference) for difference in range(1 - _NEAR, _NEAR)),
    Case(_NEAR, beyond=True),
    Case(-_NEAR, beyond=True),
)


def _lower(component: wiring.Component, style: AdderStyle | None = None) -> Circuit:
    """A component as a circuit; with ``style``, the adders that it contains are included."""
    parts = adder_modules(style) if style else {}
    files = {f"{_TOP}.il": to_rtlil(component, _TOP)}
    files |= {f"{name}.il": to_rtlil(make(), name) for name, make in parts.items()}
    lines = [f"read_rtlil {name}" for name in files]
    lines += [PREPARE, f"hierarchy -top {_TOP}", LOGIC, "delete *.*"]
    return read_circuits(run_lines(lines, files, "Reading an FP32 stage for a proof"))[_TOP]


def augend_fields(aig: Aig, *, limited: bool) -> tuple[list[int], list[int]]:
    """The fraction and exponent field of any number that the accumulator can hold.

    Both are functions of new variables. The only NaN is 7FC00000. With ``limited``, exponent fields
    are 64 to 191, or those of 0 and NaN.
    """
    words = Words(aig)
    field = aig.word(_EXPONENT)
    if limited:
        # In exponent fields from 64 to 191, exactly one of the upper two bits is 1.
        field = [*field[:-1], field[-2] ^ 1]
        is_nan, is_number = aig.variable(), aig.variable()
        field = words.masked(field, is_number)
        field = [aig.disjunction(literal, is_nan) for literal in field]
        fraction = words.masked(aig.word(_FRACTION), aig.conjunction(is_number, is_nan ^ 1))
        fraction[-1] = aig.disjunction(fraction[-1], is_nan)
        return fraction, field
    is_special = words.all(field)
    rest = words.masked(aig.word(_FRACTION - 1), is_special ^ 1)
    return [*rest, aig.variable()], field


def _is_beyond(aig: Aig, block: Sequence[int], exponent: Sequence[int], case: Case) -> int:
    """Whether the exponents are as far apart as the case says, or farther in the same direction.

    Differences that do not fit in the bits of the block's exponent are left out.
    :func:`halfbyte.rtl.dot.scaled_block.block_exponent_bits` ensures that they do not occur.
    """
    width = len(block) + 2
    wide = [*block, block[-1], block[-1]]
    inverse = [*(literal ^ 1 for literal in exponent), *[TRUE] * (width - _EXPONENT)]
    less_one = aig.add(wide, inverse)
    difference = aig.add(less_one, Words.constant(1, width))
    fits = TRUE
    for word in (less_one, difference):
        for literal in word[len(block) :]:
            fits = aig.conjunction(fits, aig.exclusive(literal, word[len(block) - 1]) ^ 1)
    if case.difference < 0:  # negate: the bitwise inverse plus 1
        difference = aig.add([literal ^ 1 for literal in difference], Words.constant(1, width))
    beyond = aig.add(difference, Words.constant(-abs(case.difference), width))
    return aig.conjunction(fits, beyond[-1] ^ 1)


def _inputs(aig: Aig, stage: Fp32Sum, case: Case) -> Mapping[str, Sequence[int]]:
    """The stage's inputs in a case, as functions of free variables."""
    width, words = stage.exponent_bits, Words(aig)
    fraction, field = augend_fields(aig, limited=stage.limited)
    is_normal = words.any(field)
    exponent = [aig.disjunction(field[0], is_normal ^ 1), *field[1:]]
    is_nonzero = aig.variable()
    if case.beyond:
        block = aig.word(width)
        is_nonzero = aig.conjunction(is_nonzero, _is_beyond(aig, block, exponent, case))
    else:
        wide = [*exponent, *[FALSE] * (width - _EXPONENT)]
        block = aig.add(wide, words.constant(case.difference, width))
    if stage.limited:
        inside = aig.conjunction(
            words.any(block[_EXPONENT:]) ^ 1,
            aig.exclusive(block[_EXPONENT - 1], block[_EXPONENT - 2]),
        )
        is_nonzero = aig.conjunction(is_nonzero, inside)
    significand = words.masked(aig.word(stage.significand_bits - 1), is_nonzero)
    return {
        "negative": [aig.variable()],
        "exponent": block,
        "significand": [*significand, is_nonzero],
        "is_nan": [aig.variable()],
        "is_infinite": [FALSE],
        "augend": [*fraction, *field, aig.variable()],
    }


def _total(aig: Aig, circuit: Circuit, words: Mapping[str, Sequence[int]]) -> list[int]:
    """The output ``total`` for input words given by name; words of other names are ignored."""
    known = circuit.known({name: words[name] for name in circuit.inputs})
    return circuit.word(circuit.evaluate(aig, known), circuit.output("total"))


def _verdict(stage: Fp32Sum, small: Circuit, large: Circuit, case: Case) -> Verdict:
    """Compare the stage with its specification ``large`` in one case."""
    aig = Aig()
    words = _inputs(aig, stage, case)
    is_negative = aig.conjunction(words["negative"][0], words["significand"][-1])
    expected = _total(aig, large, {**words, "negative": [is_negative]})
    seen = _total(aig, small, words)
    return compare(aig, (), list(zip(expected, seen, strict=True)))


def prove_fp32_stage(make: Callable[[], Fp32Sum], cases: Sequence[Case] = ALL_CASES) -> StageProof:
    """Prove that the stage that ``make`` builds equals the specification.

    If it does not, the result names the first case in which they differ. Raises ToolError if Yosys
    fails.
    """
    start = time.monotonic()
    stage = make()
    small = _lower(stage, stage.style)
    large = _lower(
        Accumulate(
            significand_bits=stage.significand_bits, exponent_bits=max(10, stage.exponent_bits)
        )
    )
    status, queries, counterexample = PROVED, 0, None
    for case in cases:
        verdict = _verdict(stage, small, large, case)
        queries += verdict.queries
        if verdict.equal is False:
            where = "or farther from 0" if case.beyond else "exactly"
            counterexample = (
                f"the block's exponent minus the accumulator's is {case.difference}, {where}"
            )
            status = REFUTED
            break
        if verdict.equal is None:
            status = UNDECIDED
    return StageProof(
        status=status,
        cases=len(cases),
        method=(
            f"{len(cases)} cases of the exponents' difference were checked by SAT, "
            f"in {queries} queries"
        ),
        counterexample=counterexample,
        seconds=round(time.monotonic() - start, 3),
    )
