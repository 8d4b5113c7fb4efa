"""Test dot-product units, which add the products of several lanes in each cycle.

The code for tensors is tested against the modules ``scalar`` and ``dot_scalar``, which are the
definition and compute one value at a time, and against the block-scaled GEMM.
"""

import random
from fractions import Fraction

import pytest
import torch

from halfbyte.base import UserError
from halfbyte.formats import SCALE_CODES, Format, Overflow, find_scale_code, load
from halfbyte.golden import Quantized, dot_scalar, gemm
from halfbyte.golden.dot_unit import add_rounded_once, exact_stream, fp32_stream, integer_stream
from halfbyte.golden.scalar import dot, mac

E2M1, INT4 = load("e2m1"), load("int4")
CYCLES = 300
SIGN, INFINITY = 0x8000_0000, 0x7F80_0000


def codes(generator, lanes, bits=4, cycles=CYCLES):
    """Random codes (cycles, lanes). In some cycles, all lanes have the same code."""
    return [
        [generator.randrange(2**bits)] * lanes
        if generator.random() < 0.2
        else [generator.randrange(2**bits) for _ in range(lanes)]
        for _ in range(cycles)
    ]


def stream(generator, scale, lanes):
    """(w, a, clear, w_scales, a_scales) as lists. Most scale codes are near the middle code."""
    middle = 2 ** (scale.bits - 1)

    def scales():
        anywhere = [scale.nan_code, 0, 1, *range(2**scale.bits)]
        return [
            generator.choice([generator.choice(anywhere), scale.nan_code])
            if generator.random() < 0.05
            else middle + generator.randrange(-8, 8)
            for _ in range(CYCLES)
        ]

    clear = [index == 0 or generator.random() < 0.05 for index in range(CYCLES)]
    return (
        codes(generator, lanes),
        codes(generator, lanes),
        clear,
        *(scales() for _ in range(2)),
    )


def tensors(w, a, clear, *scales):
    return (
        torch.tensor(w, dtype=torch.uint8),
        torch.tensor(a, dtype=torch.uint8),
        torch.tensor(clear),
        *(torch.tensor(each, dtype=torch.uint8) for each in scales),
    )


def bits_of(acc):
    """The bits of FP32 numbers, as unsigned integers."""
    return [bits & 0xFFFF_FFFF for bits in acc.view(torch.int32).tolist()]


@pytest.mark.parametrize("overflow", Overflow)
def test_integer_stream_agrees_with_the_definition(overflow):
    generator = random.Random(1)
    w, a = codes(generator, 5), codes(generator, 5)
    clear = [generator.random() < 0.1 for _ in w]
    seen = integer_stream(
        *tensors(w, a, clear), weight=INT4, activation=E2M1, acc_width=10, overflow=overflow
    )
    acc = 0
    for cycle, expected in enumerate(seen.tolist()):
        acc = mac(
            acc,
            dot(w[cycle], a[cycle], INT4, E2M1),
            clear=clear[cycle],
            acc_width=10,
            overflow=overflow,
        )
        assert acc == expected


@pytest.mark.parametrize("scale", SCALE_CODES.values(), ids=SCALE_CODES)
@pytest.mark.parametrize("gathers", [False, True])
def test_fp32_stream_agrees_with_the_definition(scale, gathers):
    """With ``gathers``, a block may take several cycles, and ``last`` marks its last cycle."""
    generator = random.Random(2)
    w, a, clear, *scales = stream(generator, scale, lanes=4)
    last = [not gathers or generator.random() < 0.5 for _ in w]
    options = {"weight": E2M1, "activation": E2M1, "scale": scale}
    seen = fp32_stream(*tensors(w, a, clear, *scales), torch.tensor(last), **options)
    sums = dot_scalar.gathered(
        [dot(*each, E2M1, E2M1) for each in zip(w, a, strict=True)], clear, last
    )
    acc, expected = 0, []
    for cycle, total in enumerate(sums):
        if last[cycle]:
            acc = dot_scalar.fp32_step(
                acc,
                total,
                *(each[cycle] for each in scales),
                clear=clear[cycle],
                scale=scale,
                quantum=Fraction(1, 4),
            )
        elif clear[cycle]:
            acc = 0
        expected.append(acc)
    assert bits_of(seen) == expected
    assert dot_scalar.QUIET_NAN in expected


@pytest.mark.parametrize("scale", SCALE_CODES.values(), ids=SCALE_CODES)
def test_several_blocks_a_cycle_are_added_one_after_the_other(scale):
    generator = random.Random(5)
    w, a, clear, *scales = stream(generator, scale, lanes=3)
    clear = [clears and cycle % 4 == 0 for cycle, clears in enumerate(clear)]
    options = {"weight": E2M1, "activation": E2M1, "scale": scale}
    of_each = tensors(w, a, clear, *scales)
    codes_of_all, scales_of_all = (
        [each.reshape(CYCLES // 4, -1) for each in some] for some in (of_each[:2], of_each[3:])
    )
    columns = (*codes_of_all, of_each[2][::4], *scales_of_all)
    acc, expected = 0, []
    for cycle in range(CYCLES):
        acc = dot_scalar.fp32_step(
            acc,
            dot(w[cycle], a[cycle], E2M1, E2M1),
            *(each[cycle] for each in scales),
            clear=clear[cycle],
            scale=scale,
            quantum=Fraction(1, 4),
        )
        expected.append(acc)
    assert bits_of(fp32_stream(*columns, **options)) == expected[3::4]
    exact = {**options, "acc_width": 64, "window": (-10, 10)}
    one, other = exact_stream(*columns, **exact), exact_stream(*of_each, **exact)
    assert all(torch.equal(few, many[3::4]) for few, many in zip(one, other, strict=True))


def test_sums_are_rounded_once_at_the_ends_of_fp32():
    generator = random.Random(3)
    numbers, values = [], []
    for _ in range(3000):
        exponent = generator.choice([0, 1, 2, 24, 25, 120, 253, 254])
        fraction = generator.choice([0, 1, 2**22, 2**23 - 1, generator.getrandbits(23)])
        numbers.append(generator.getrandbits(1) << 31 | exponent << 23 | fraction)
        place = max(exponent, 1) - 150 + generator.randrange(-30, 3)
        values.append(generator.randrange(-(2**13), 2**13) * 2.0**place)
    acc = torch.tensor([bits - (bits >> 31 << 32) for bits in numbers], dtype=torch.int32)
    seen = add_rounded_once(acc.view(torch.float32), torch.tensor(values, dtype=torch.float64))
    expected = [
        dot_scalar.fp32_step(bits, 1, 0, 0, clear=False, scale=None, quantum=Fraction(value))
        for bits, value in zip(numbers, values, strict=True)
    ]
    assert bits_of(seen) == expected
    assert {0, 0x8000_0000, 0x7F80_0000, 0xFF80_0000} <= set(expected)


@pytest.mark.parametrize("exponent", [-400, 400])
def test_formats_far_beyond_the_range_of_fp32_agree_with_the_definition(exponent):
    """Sums of negative products are -0 or -infinity, until a scale of 0 or NaN follows."""
    tiny = Format("tiny", "tiny", 2, tuple(n * Fraction(2) ** exponent for n in (0, 1, 3, -2)))
    scale, cycles = SCALE_CODES["e4m3"], 8
    w_scales = [1, 126, 0, 126, 1, 0, 127, 126]
    columns = [[3]] * cycles, [[2]] * cycles, [False] * cycles, w_scales, [126] * cycles
    options = {"weight": tiny, "activation": tiny, "scale": scale}
    acc, expected = 0, []
    for w_scale in w_scales:
        acc = dot_scalar.fp32_step(
            acc, -6, w_scale, 126, clear=False, scale=scale, quantum=tiny.quantum**2
        )
        expected.append(acc)
    assert expected[:3] == ([SIGN, SIGN, 0] if exponent < 0 else [SIGN | INFINITY] * 3)
    assert bits_of(fp32_stream(*tensors(*columns), **options)) == expected


def test_blocks_of_several_cycles_must_have_at_most_53_bits():
    """The 32 products of the first block need 53 bits, and those of the second 54."""
    wide = Format("wide", "wide", 2, tuple(map(Fraction, (0, 1, 2**20 - 1, 1 - 2**20))))
    options = {"weight": wide, "activation": wide, "scale": SCALE_CODES["e4m3"]}
    largest = torch.full((20, 4), 2, dtype=torch.uint8)
    scales = torch.full((20,), 15, dtype=torch.uint8)
    cycles = torch.arange(20)
    columns = (largest, largest, cycles == 0, scales, scales)
    seen = fp32_stream(*columns, cycles == 7, **options)
    block = 32 * (2**20 - 1) ** 2
    step = {"clear": True, "scale": options["scale"], "quantum": Fraction(1)}
    assert bits_of(seen[7:8]) == [dot_scalar.fp32_step(0, block, 15, 15, **step)]
    for last in ((cycles == 7) | (cycles == 19), cycles == 19):
        with pytest.raises(UserError, match=r"at most 53 significant bits, not 5[45]"):
            fp32_stream(*columns, last, **options)
    fp32_stream(largest, largest, cycles % 8 == 0, scales, scales, cycles % 8 == 7, **options)


def test_scales_and_their_format_are_given_together():
    one = torch.ones(1, 1, dtype=torch.uint8)
    columns = (one, one, one[0] > 0)
    formats = {"weight": E2M1, "activation": E2M1}
    with pytest.raises(TypeError, match=r"without a scale format needs 0 tensors of .*, not 2"):
        fp32_stream(*columns, one[0], one[0], **formats)
    with pytest.raises(TypeError, match=r"with a scale format needs 2 tensors of .*, not 0"):
        fp32_stream(*columns, **formats, scale=SCALE_CODES["e4m3"])


@pytest.mark.parametrize(
    ("scale", "window", "acc_width"),
    [("e4m3", None, 56), ("e8m0", (-6, 9), 40), ("ue5m3", (-20, 0), 24)],
)
def test_exact_stream_agrees_with_the_definition(scale, window, acc_width):
    generator = random.Random(4)
    scale = find_scale_code(scale)
    w, a, clear, *scales = stream(generator, scale, lanes=3)
    options = {"scale": scale, "acc_width": acc_width, "window": window}
    seen, seen_nan = exact_stream(
        *tensors(w, a, clear, *scales), weight=E2M1, activation=E2M1, **options
    )
    state = (0, False)
    for cycle in range(CYCLES):
        state = dot_scalar.exact_step(
            *state,
            dot(w[cycle], a[cycle], E2M1, E2M1),
            *(each[cycle] for each in scales),
            clear=clear[cycle],
            **options,
        )
        assert (seen[cycle], seen_nan[cycle]) == state
    assert seen_nan.any() and not seen_nan.all()


@pytest.mark.parametrize(("scale", "block"), [("e8m0", 32), ("e4m3", 16)])
def test_a_unit_computes_the_block_scaled_gemm(scale, block):
    scale = find_scale_code(scale)
    generator = torch.Generator().manual_seed(5)
    blocks, middle = 8, scale.bits * 15
    sides = [torch.randint(16, (3, blocks * block), generator=generator).byte() for _ in range(2)]
    scales = [
        torch.randint(middle - 8, middle + 8, (3, blocks), generator=generator).byte()
        if scale.name == "e8m0"
        else torch.randint(0, 127, (3, blocks), generator=generator).byte()
        for _ in range(2)
    ]
    table = torch.tensor([float(value or 0) for value in scale.values])
    a, w = (
        Quantized(codes, table[each.long()], E2M1, block)
        for codes, each in zip(sides, scales, strict=True)
    )
    product = gemm(a, w)
    for m in range(3):
        for n in range(3):
            clear = torch.tensor([index == 0 for index in range(blocks)])
            acc = fp32_stream(
                sides[1][n].view(blocks, block),
                sides[0][m].view(blocks, block),
                clear,
                scales[1][n],
                scales[0][m],
                weight=E2M1,
                activation=E2M1,
                scale=scale,
            )
            assert torch.equal(acc[-1], product[m, n])


def test_an_unknown_scale_format_is_refused():
    with pytest.raises(ValueError, match=r"Unknown scale format 'e8m1'; did you mean e8m0\?"):
        find_scale_code("e8m1")


def random_blocks(generator, products):
    return [generator.randrange(16) for _ in range(products)]


def blackwell(c, w, a, w_scales, a_scales, scale="e4m3"):
    return dot_scalar.blackwell(
        c,
        w,
        a,
        w_scales,
        a_scales,
        weight=E2M1,
        activation=E2M1,
        scale=find_scale_code(scale),
    )


def test_the_blackwell_model_is_exact_where_nothing_is_truncated():
    """With scales from 1/2 to 2, sums of 64 products fit into an FP32 significand of 24 bits."""
    generator = random.Random(6)
    scale = find_scale_code("e4m3")
    one = scale.values.index(1)
    for _ in range(50):
        w, a = (random_blocks(generator, 64) for _ in range(2))
        w_scales, a_scales = ([one + generator.randrange(-8, 9, 8) for _ in range(4)] for _ in "wa")
        exact = sum(
            dot(w[16 * b : 16 * b + 16], a[16 * b : 16 * b + 16], E2M1, E2M1)
            * scale.values[w_scales[b]]
            * scale.values[a_scales[b]]
            for b in range(4)
        ) * Fraction(1, 4)
        seen = blackwell(0x3F80_0000, w, a, w_scales, a_scales)
        assert dot_scalar.fp32_value(seen) == exact + 1


def test_the_blackwell_model_truncates_toward_zero():
    w, a = [2, *[0] * 15], [2, *[0] * 15]  # a sum of 1
    scale = find_scale_code("e8m0")
    one = scale.values.index(1)

    def of(c, exponent):
        return blackwell(c, w, a, [one + exponent], [one], "e8m0")

    # 1 + 2^-25 is truncated to 1, and -1 + 2^-25 to -(1 - 2^-24).
    assert of(0x3F80_0000, -25) == 0x3F80_0000
    assert of(0xBF80_0000, -25) == 0xBF7F_FFFF
    # A product of 2^-36 is lost entirely in a sum with -1.
    assert of(0xBF80_0000, -36) == 0xBF80_0000
    assert of(0, scale.nan_code - one) == dot_scalar.BLACKWELL_NAN
    assert of(0xFF80_0000, 0) == 0xFF80_0000
    assert blackwell(0, [0] * 16, a, [one], [one], "e8m0") == 0
