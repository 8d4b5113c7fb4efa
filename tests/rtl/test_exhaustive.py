"""Tests of circuits as Yosys reads them, on more inputs than a simulator can run in a short time.

Multipliers are tested on all pairs of wide codes. MACs are tested for one cycle, which starts from
many different sums.
"""

import numpy as np
import pytest

from halfbyte.formats import Overflow, load, product_extremes
from halfbyte.rtl import Mac, MacSpec, applicable_architectures, multiplier

pytestmark = pytest.mark.yosys

WIDE_PAIRS = [("int8", "int8"), ("e4m3", "e4m3"), ("int8", "e4m3"), ("e3m2", "int8")]
CASES = [
    pytest.param(weight, activation, architecture, id=f"{weight}-{activation}-{architecture}")
    for weight, activation in WIDE_PAIRS
    for architecture in applicable_architectures(load(weight), load(activation))
]


def signed(words, width):
    """Unsigned words of ``width`` bits, read as two's complement."""
    return words - ((words >> (width - 1) & 1) << width)


@pytest.mark.parametrize(("weight", "activation", "architecture"), CASES)
def test_every_pair_of_wide_codes_multiplies_exactly(and_graph, weight, activation, architecture):
    weight, activation = load(weight), load(activation)
    unit = multiplier(architecture, weight=weight, activation=activation)
    w, a = (codes.ravel() for codes in np.indices((2**weight.bits, 2**activation.bits)))
    outputs = and_graph(unit)(w=w, a=a)
    term = outputs["term"]
    if unit.term.shape().signed:
        term = signed(term, len(unit.term))
    product = np.where(outputs["negate"] == 1, -term, term)
    expected = np.array(weight.integers)[w] * np.array(activation.integers)[a]
    assert np.array_equal(product, expected)


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("acc_width", [2, 17])
@pytest.mark.parametrize(("weight", "activation"), [("e2m1_sp", "e2m1_sp"), ("int4", "e3m0")])
def test_one_step_from_many_sums(and_graph, weight, activation, acc_width, overflow):
    """All products are added to random sums, and to sums near 0 and both ends of the range."""
    weight, activation = load(weight), load(activation)
    half = 2 ** (acc_width - 1)
    low, high = product_extremes(weight, activation)
    seed = acc_width
    print(f"seed {seed}")
    generator = np.random.default_rng(seed)
    w, a = (codes.ravel() for codes in np.indices((2**weight.bits, 2**activation.bits)))
    w, a = np.tile(w, 8), np.tile(a, 8)
    acc = generator.integers(-half, half, len(w))
    ends = [-half, -half - low, half - 1, half - 1 - high, 0, -1]
    acc[: len(w) // 2] = np.clip(generator.choice(ends, len(w) // 2), -half, half - 1)
    clear, enable = generator.integers(0, 2, (2, len(w)))
    base = np.where(clear == 1, 0, acc)
    total = base + np.array(weight.integers)[w] * np.array(activation.integers)[a]
    if overflow is Overflow.SATURATE:
        following = np.clip(total, -half, half - 1)
    else:
        following = (total + half) % (2 * half) - half
    expected = np.where(enable == 1, following, acc)
    for architecture in applicable_architectures(weight, activation):
        mac = Mac(
            MacSpec(
                weight,
                activation,
                architecture,
                acc_width=acc_width,
                overflow=overflow,
                enable=True,
            )
        )
        seen = and_graph(mac)(w=w, a=a, clear=clear, enable=enable, acc=acc)["acc"]
        assert np.array_equal(signed(seen, acc_width), expected), architecture
