"""Dot-product units: which ones are refused, what is exported, and the weights of the lanes' bits.

A lane multiplies one pair of codes. Its product is a weighted sum of its output bits.
"""

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest

from halfbyte.formats import SCALE_CODES, Overflow, load
from halfbyte.rtl import ArchitectureError, port_widths, to_verilog
from halfbyte.rtl.dot import Accumulator, DotSpec, lane_architectures, lane_bits
from halfbyte.rtl.dot.products import signed_digits

E2M1, INT4 = load("e2m1"), load("int4")
E8M0, E4M3 = SCALE_CODES["e8m0"], SCALE_CODES["e4m3"]
FP32, EXACT = Accumulator.FP32, Accumulator.EXACT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "Lanes must be 1 to 1024, not 0"),
        ({"lanes": 10**6}, "Lanes must be 1 to 1024, not 1000000"),
        ({"accumulator": FP32, "scale": E8M0, "block": 48}, "not 32 for blocks of 48"),
        ({"accumulator": FP32, "scale": E8M0, "block": 1}, "at most 16 blocks a cycle, not 32"),
        ({"scale": E8M0}, "An integer accumulator takes no scales"),
        ({"accumulator": EXACT}, "An exact accumulator is for scaled blocks"),
        ({"accumulator": EXACT, "scale": E8M0}, "525 bits, more than 64: give a window"),
        (
            {"accumulator": EXACT, "scale": E8M0, "window": (3, 2)},
            "goes from low to high, not 3 to 2",
        ),
        ({"window": (0, 1)}, "is for an exact accumulator, not for integer"),
        ({"block": 64}, "A block of 64 products needs a scale that they share"),
        ({"accumulator": FP32, "scale": E8M0, "block": 0}, "Block must be a positive int, not 0"),
        ({"accumulator": FP32, "overflow": Overflow.SATURATE}, "Only an integer accumulator"),
        ({"accumulator": FP32, "acc_width": 16}, "An FP32 accumulator has 32 bits, not 16"),
        ({"acc_width": 0}, "Accumulator width must be 2 to"),
        (
            {"architecture": "partial_products"},
            "does not fit e2m1 x e2m1: the codes of e2m1",
        ),
    ],
)
def test_impossible_units_are_refused(options, message):
    with pytest.raises((ValueError, ArchitectureError), match=message):
        DotSpec(**{"weight": E2M1, "activation": E2M1, "lanes": 32, **options})


def test_the_width_of_an_exact_accumulator_is_an_int():
    with pytest.raises(TypeError, match="Accumulator width must be an integer, not '40'"):
        DotSpec(E2M1, E2M1, lanes=2, accumulator=EXACT, scale=E4M3, acc_width="40")


def test_a_unit_whose_architecture_is_still_open_cannot_be_built():
    with pytest.raises(ArchitectureError, match="can resolve architecture auto; give one of these"):
        DotSpec(INT4, INT4, lanes=2).component()


@pytest.mark.parametrize("name", ["e2m1_sp", "int4", "nf4"])
def test_the_bits_of_a_lane_can_express_every_product(name):
    fmt = load(name)
    for architecture in lane_architectures(fmt, fmt):
        meaning = lane_bits(fmt, fmt, architecture)
        reachable = {
            meaning.value(sum(bit << place for place, bit in enumerate(bits)))
            for bits in itertools.product((0, 1), repeat=min(len(meaning.weights), 12))
        }
        products = {w * a for w in fmt.integers for a in fmt.integers}
        assert len(meaning.weights) > 12 or products <= reachable, architecture


def test_digits_add_up_to_the_weight():
    for weight in range(-300, 300):
        digits = signed_digits(weight)
        assert sum((-1 if negative else 1) << place for place, negative in digits) == weight
        places = [place for place, _ in digits]
        assert all(high - low > 1 for low, high in itertools.pairwise(places))


def test_lossless_widths_are_those_of_the_literature():
    """For NVFP4 in fixed point: 48 bits for a block of 16, 52 for 256 terms, 58 for 16384 terms."""
    for terms, width in ((16, 48), (256, 52), (1024, 54), (16384, 58)):
        spec = DotSpec(E2M1, E2M1, 16, accumulator=EXACT, scale=E4M3, terms=terms)
        assert spec.width == width
    assert DotSpec(E2M1, E2M1, 32, accumulator=FP32, scale=E8M0).block_width == 14


@pytest.mark.parametrize(
    ("scale", "exponent", "is_limited", "may_be_minus_zero"),
    [
        (E4M3, -45, True, False),  # all sums are multiples of 2^-63
        (E4M3, -46, False, False),
        (E4M3, -131, False, False),  # of 2^-149
        (E4M3, -132, False, True),
        (E8M0, 0, False, True),
        (None, 30, True, False),  # no sum reaches 2^64
        (None, 31, False, False),
    ],
)
def test_the_range_of_an_fp32_accumulator_follows_from_the_quanta(
    scale, exponent, is_limited, may_be_minus_zero
):
    one, other = INT4, replace(INT4, values=tuple(n * Fraction(2) ** exponent for n in INT4.values))
    spec = DotSpec(one, other, 1, accumulator=FP32, scale=scale)
    assert (spec.is_limited, spec.may_be_minus_zero) == (is_limited, may_be_minus_zero)


def test_ports_and_header_say_what_the_unit_is():
    spec = DotSpec(E2M1, INT4, 2, "sign_magnitude", accumulator=FP32, scale=E4M3, block=4)
    inputs, outputs = port_widths(spec.component())
    assert inputs == {"w": 8, "a": 8, "clear": 1, "w_scale": 7, "a_scale": 7, "last": 1}
    assert outputs == {"acc": 32}
    verilog = to_verilog(spec.component(), spec.name)
    assert "// last: high in the last of a block's 2 cycles" in verilog
    assert verilog.count("endmodule") == 1
    assert spec.name == "dot_e2m1_int4_lanes2_fp32_e4m3_block4_sign_magnitude"
