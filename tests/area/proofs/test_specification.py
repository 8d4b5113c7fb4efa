"""The MAC's specification, which is logic for the proofs, agrees with Python's integers."""

import random
from dataclasses import replace

import pytest

from halfbyte.area.netlists.aig import TRUE, Aig
from halfbyte.area.proofs.specification import product, product_tables, step
from halfbyte.formats import Overflow, load


@pytest.mark.parametrize(
    ("weight", "activation"),
    [("e2m1_sp", "e2m1_sp"), ("int4", "int8"), ("sf4", "e1m2"), ("e4m3", "e4m3")],
)
def test_tables_hold_every_product(weight, activation):
    weight, activation = load(weight), load(activation)
    tables = product_tables(weight, activation)
    texts = [f"{table:0{2 ** (weight.bits + activation.bits)}b}"[::-1] for table in tables]
    for a, a_value in enumerate(activation.integers):
        for w, w_value in enumerate(weight.integers):
            row = w | a << weight.bits
            bits = [int(text[row]) for text in texts]
            number = sum(bit << place for place, bit in enumerate(bits[:-1]))
            assert number - (bits[-1] << len(bits) - 1) == w_value * a_value


def signed(number, width):
    return number - (number >> width - 1 << width)


@pytest.mark.parametrize(
    ("width", "overflow"),
    [(17, Overflow.WRAP), (6, Overflow.WRAP), (9, Overflow.SATURATE), (6, Overflow.SATURATE)],
)
@pytest.mark.parametrize("has_enable", [False, True])
def test_step_is_the_definition(width, overflow, has_enable):
    fmt = load("e2m1_sr")
    aig = Aig()
    codes, clear, acc = aig.word(8), aig.variable(), aig.word(width)
    enable = aig.variable() if has_enable else TRUE
    after = step(aig, product(aig, fmt, fmt), acc, clear, overflow=overflow, enable=enable)
    generator = random.Random(width)
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    for _ in range(500):
        w, a, is_clear, is_enabled = (generator.randrange(n) for n in (16, 16, 2, 2))
        before = generator.choice([low, low + 1, -1, 0, high, generator.randint(low, high)])
        model = {clear: is_clear}
        if has_enable:
            model[enable] = is_enabled
        model |= {code: (w | a << 4) >> place & 1 for place, code in enumerate(codes)}
        model |= {bit: before >> place & 1 for place, bit in enumerate(acc)}
        total = (0 if is_clear else before) + fmt.integers[w] * fmt.integers[a]
        if overflow is Overflow.SATURATE:
            expected = min(max(total, low), high)
        else:
            expected = (total - low) % (1 << width) + low
        if has_enable and not is_enabled:
            expected = before
        (seen,) = aig.evaluate([after], model, codes)
        assert signed(seen, width) == expected


@pytest.mark.parametrize("code", [1, 5])
def test_integers_that_are_not_the_values_are_noticed(code):
    fmt = replace(load("e2m1_sp"))
    wrong = list(fmt.integers)
    wrong[code] += 1
    vars(fmt)["integers"] = tuple(wrong)  # replaces the cached property
    with pytest.raises(
        AssertionError, match="integers of e2m1_sp or int4 do not give the format's values"
    ):
        product_tables(fmt, load("int4"))
