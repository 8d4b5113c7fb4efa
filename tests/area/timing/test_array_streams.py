"""The data that move through the registers of one element of a systolic array.

Energies are measured with these data. There are 64 independent streams of them. In an array of type
:class:`ArraySpec`, results leave upwards through the elements of a column. In an array of type
:class:`WeightArraySpec`, weights stay in the elements for some cycles, and the activations of
several *tokens* (input rows) take turns.
"""

import numpy as np

from halfbyte.area.timing.array_streams import element_streams
from halfbyte.area.timing.dot_streams import dot_streams
from halfbyte.area.timing.operands import CYCLES as TERMS
from halfbyte.area.timing.operands import load_operands, shipped_operands
from halfbyte.area.timing.weight_streams import measured_cycles, weight_streams
from halfbyte.formats import SCALE_CODES, load
from halfbyte.rtl.array import ArraySpec, WeightArraySpec
from halfbyte.rtl.dot import Accumulator, DotSpec

E2M1 = load("e2m1")
OPERANDS = load_operands(shipped_operands()[0])


def streams(**options):
    """The data of the middle element of a column, by port; ``options`` are for its unit."""
    unit = DotSpec(E2M1, E2M1, 4, "exponent_shift", **options)
    return element_streams(ArraySpec(unit, 5, 5), OPERANDS)


def test_a_sum_leaves_the_accumulator_in_the_first_cycle_of_the_next_sum():
    found = streams(acc_width=20)
    codes = OPERANDS.codes(E2M1, E2M1)
    integers = np.array(E2M1.integers)
    sums = (integers[codes["w"]] * integers[codes["a"]]).sum(axis=0)
    assert (found["control_in"][:, 0] == [3, *[0] * 63]).all()
    assert (found["acc"][0] == sums % 2**20).all()
    # The measured element is the middle one of the five in a column. The two elements below it send
    # their results through it.
    assert np.flatnonzero(found["valid_in"][:, 0]).tolist() == [2, 4]
    assert (found["sum_in"][2] == np.roll(sums, 1) % 2**20).all()


def test_scaled_sums_are_fp32_numbers():
    whole, scaled = (
        streams(**options)
        for options in (
            {"acc_width": 40},
            {"accumulator": Accumulator.FP32, "scale": SCALE_CODES["e4m3"], "block": 8},
        )
    )
    sums = whole["acc"][0].astype(np.int64)
    sums[sums >= 2**39] -= 2**40
    seen = scaled["acc"][0].astype(np.uint32).view(np.float32)
    assert (seen == (sums * 0.25).astype(np.float32)).all()
    # Bit 2 of the control word marks the end of a block, which comes in every second cycle.
    assert (scaled["control_in"][1::2, 0] & 4 == 4).all()
    assert not (scaled["control_in"][::2, 0] & 4).any()
    # The accumulator changes only at the end of a block; `acc` is its word after the cycle before.
    acc = scaled["acc"]
    assert (acc[1] == 0).all()
    assert (acc[2:-1:2] == acc[3::2]).all()
    assert (acc[2:-2:2] != acc[4::2]).any()


def test_weights_stay_while_tokens_take_turns():
    unit = DotSpec(E2M1, E2M1, 4, "exponent_shift", acc_width=20)
    spec = WeightArraySpec(unit, 4, 4)
    held = dot_streams(spec.element_unit, OPERANDS)
    half = len(held["w"]) // 2
    for part in (slice(half), slice(half, None)):
        assert (held["w"][part] == held["w"][part][:1]).all()
    assert (held["w"][0] != held["w"][half]).any()
    # In each cycle, a stream gets the token that the next stream had in the cycle before.
    for port in ("a", "addend"):
        assert (held[port][0, 1:4] == held[port][1, :3]).all()
        assert (held[port][0] == held[port][4]).all()
    codes = OPERANDS.codes(E2M1, E2M1)
    integers = np.array(E2M1.integers)
    terms = (integers[codes["w"]] * integers[codes["a"]])[: TERMS // 4]
    assert (held["addend"][0] == terms.sum(axis=0) % 2**20).all()
    found = weight_streams(spec, OPERANDS)
    assert np.flatnonzero(found["load_in"][:, 0]).tolist() == [0, 5]
    # In the first five cycles, the weights of the four rows pass through the element. So at most
    # four different values are seen.
    assert len({*found["w_in"][:5, 0].tolist()}) <= 4


def test_a_unit_keeps_its_weights_as_long_as_its_array():
    unit = WeightArraySpec(DotSpec(E2M1, E2M1, 4, "exponent_shift"), 4, 4).element_unit
    for held in (5, 40):
        w = dot_streams(unit, OPERANDS, held)["w"]
        changes = np.flatnonzero((w[1:] != w[:-1]).any(axis=1)) + 1
        assert (len(w), changes.tolist()) == (2 * held, [held])
    assert measured_cycles(40) == 40
    deep = WeightArraySpec(DotSpec(E2M1, E2M1, 4), 4, 4, depth=1000)
    assert len(weight_streams(deep, OPERANDS)["w_in"]) == 2 * measured_cycles(1000) < 2000


def test_exact_sums_have_their_nan_bit_above_them():
    scale = SCALE_CODES["e4m3"]
    unit = DotSpec(E2M1, E2M1, 4, accumulator=Accumulator.EXACT, scale=scale)
    spec = WeightArraySpec(unit, 2, 2)
    top = weight_streams(spec, OPERANDS)["top"]
    assert spec.result_bits == unit.width + 1
    assert max(top.ravel()) < 2**unit.width  # the NaN bit is 0, since all scales are 1
