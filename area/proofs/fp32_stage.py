"""The proof that the small FP32 stage equals an independent one, by cases of exponents.

:class:`halfbyte.rtl.bf16.accumulate.Accumulate` is the specification. It computes the same sum, but
was designed independently, with another order of comparing, negating and rounding. If the
difference of the exponents is fixed, the alignment is fixed wiring, and the rest is small enough
for SAT. One more case on either side covers all larger differences.

The block is assumed to be an output of :class:`halfbyte.rtl.dot.scaled_block.ScaledBlock`: its top
bit is 1, or it is +0. The accumulator's only NaN is 7FC00000. If the stage uses the range of
scales, both summands are within it.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib import wiring

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig
from halfbyte.area.netlists.circuit import Circuit, read_circuits
from halfbyte.area.netlists.lowering import LOGIC, PREPARE, RIPPLE_CARRY
from halfbyte.area.proofs.equivalence import Verdict, compare
from halfbyte.area.proofs.results import PROVED, REFUTED, UNDECIDED, StageProof
from halfbyte.base import run_yosys
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.dot.adders import AdderStyle, adder_modules
from halfbyte.rtl.dot.fp32_sum import Fp32Sum

__all__ = ["ALL_CASES", "Case", "augend_fields", "prove_fp32_stage"]

_FRACTION, _EXPONENT = 23, 8
# Beyond this distance only a sticky bit is left of the lower summand.
_NEAR = 30
_TOP = "stage"


@dataclass(frozen=True)
class Case:
    """The block's exponent minus the accumulator's; ``beyond``: this difference or a larger one."""

    difference: int
    beyond: bool = False


ALL_CASES = (
    *(Case(difference) for difference in range(1 - _NEAR, _NEAR)),
    Case(_NEAR, beyond=True),
    Case(-_NEAR, beyond=True),
)


def _lower(component: wiring.Component, style: AdderStyle | None = None) -> Circuit:
    """A component as a circuit, including the adders that it places."""
    parts = adder_modules(style) if style else {}
    with tempfile.TemporaryDirectory(prefix="halfbyte-proof-") as temporary:
        folder = Path(temporary)
        (folder / "ripple.v").write_text(RIPPLE_CARRY)
        (folder / f"{_TOP}.il").write_text(to_rtlil(component, _TOP))
        for name, make in parts.items():
            (folder / f"{name}.il").write_text(to_rtlil(make(), name))
        lines = [f"read_rtlil {name}.il" for name in (_TOP, *parts)]
        lines += [PREPARE, f"hierarchy -top {_TOP}", LOGIC, "delete *.*", "write_json stage.json"]
        run_yosys("\n".join(lines) + "\n", folder, "Reading an FP32 stage for a proof")
        return read_circuits((folder / "stage.json").read_text())[_TOP]


def _any(aig: Aig, literals: Iterable[int]) -> int:
    found = FALSE
    for literal in literals:
        found = aig.disjunction(found, literal)
    return found


def _all(aig: Aig, literals: Iterable[int]) -> int:
    return _any(aig, (literal ^ 1 for literal in literals)) ^ 1


def _masked(aig: Aig, word: Sequence[int], mask: int) -> list[int]:
    return [aig.conjunction(literal, mask) for literal in word]


def augend_fields(aig: Aig, *, limited: bool) -> tuple[list[int], list[int]]:
    """Fraction and exponent field of any number that the accumulator can hold.

    Its only NaN is 7FC00000. ``limited``: no number is subnormal or infinite.
    """
    field = aig.word(_EXPONENT)
    if limited:
        # Exponents 64 to 191: exactly one of the upper two bits is 1.
        field = [*field[:-1], field[-2] ^ 1]
        is_nan, is_number = aig.variable(), aig.variable()
        field = _masked(aig, field, is_number)
        field = [aig.disjunction(literal, is_nan) for literal in field]
        fraction = _masked(aig, aig.word(_FRACTION), aig.conjunction(is_number, is_nan ^ 1))
        fraction[-1] = aig.disjunction(fraction[-1], is_nan)
        return fraction, field
    is_special = _all(aig, field)
    rest = _masked(aig, aig.word(_FRACTION - 1), is_special ^ 1)
    return [*rest, aig.variable()], field


def _constant(number: int, width: int) -> list[int]:
    return [TRUE if number >> place & 1 else FALSE for place in range(width)]


def _is_beyond(aig: Aig, block: Sequence[int], exponent: Sequence[int], case: Case) -> int:
    """Whether the exponents are as far apart as the case says, or farther.

    The stage takes differences that fit in the bits of the block's exponent:
    :func:`halfbyte.rtl.dot.scaled_block.block_exponent_bits` sees to that.
    """
    width = len(block) + 2
    wide = [*block, block[-1], block[-1]]
    inverse = [*(literal ^ 1 for literal in exponent), *[TRUE] * (width - _EXPONENT)]
    less_one = aig.add(wide, inverse)
    difference = aig.add(less_one, _constant(1, width))
    fits = TRUE
    for word in (less_one, difference):
        for literal in word[len(block) :]:
            fits = aig.conjunction(fits, aig.exclusive(literal, word[len(block) - 1]) ^ 1)
    if case.difference < 0:  # -difference - 1 is the bitwise inverse
        difference = aig.add([literal ^ 1 for literal in difference], _constant(1, width))
    beyond = aig.add(difference, _constant(-abs(case.difference), width))
    return aig.conjunction(fits, beyond[-1] ^ 1)


def _inputs(aig: Aig, stage: Fp32Sum, case: Case) -> Mapping[str, Sequence[int]]:
    """The stage's inputs in a case, as functions of free variables."""
    width = stage.exponent_bits
    fraction, field = augend_fields(aig, limited=stage.limited)
    is_normal = _any(aig, field)
    exponent = [aig.disjunction(field[0], is_normal ^ 1), *field[1:]]
    is_nonzero = aig.variable()
    if case.beyond:
        block = aig.word(width)
        is_nonzero = aig.conjunction(is_nonzero, _is_beyond(aig, block, exponent, case))
    else:
        wide = [*exponent, *[FALSE] * (width - _EXPONENT)]
        block = aig.add(wide, _constant(case.difference, width))
    if stage.limited:
        inside = aig.conjunction(
            _any(aig, block[_EXPONENT:]) ^ 1,
            aig.exclusive(block[_EXPONENT - 1], block[_EXPONENT - 2]),
        )
        is_nonzero = aig.conjunction(is_nonzero, inside)
    significand = _masked(aig, aig.word(stage.significand_bits - 1), is_nonzero)
    return {
        "negative": [aig.conjunction(aig.variable(), is_nonzero)],
        "exponent": block,
        "significand": [*significand, is_nonzero],
        "is_nan": [aig.variable()],
        "is_infinite": [FALSE],
        "augend": [*fraction, *field, aig.variable()],
    }


def _total(aig: Aig, circuit: Circuit, words: Mapping[str, Sequence[int]]) -> list[int]:
    known = {
        net: literal
        for name, nets in circuit.inputs.items()
        for net, literal in zip(nets, words[name], strict=True)
    }
    return circuit.word(circuit.evaluate(aig, known), circuit.output("total"))


def _verdict(stage: Fp32Sum, small: Circuit, large: Circuit, case: Case) -> Verdict:
    aig = Aig()
    words = _inputs(aig, stage, case)
    expected, seen = (_total(aig, circuit, words) for circuit in (large, small))
    return compare(aig, (), list(zip(expected, seen, strict=True)))


def prove_fp32_stage(make: Callable[[], Fp32Sum], cases: Sequence[Case] = ALL_CASES) -> StageProof:
    """Whether the stage that ``make`` builds (a :class:`Fp32Sum`) equals the specification.

    Raises ToolError if Yosys fails.
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
            where = "or farther" if case.beyond else "exactly"
            status, counterexample = REFUTED, f"exponents {case.difference} apart, {where}"
            break
        if verdict.equal is None:
            status = UNDECIDED
    return StageProof(
        status=status,
        cases=len(cases),
        method=f"{len(cases)} cases of the exponents' difference, {queries} queries",
        counterexample=counterexample,
        seconds=round(time.monotonic() - start, 3),
    )
