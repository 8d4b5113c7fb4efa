"""The MAC follows its definition: ``acc <= (clear ? 0 : acc) + w * a``.

If ``segment`` is given, the accumulator is carry-save. It is cut into segments of that many bits,
and a register saves each carry from one segment to the next.
"""

import random

import pytest
from amaranth.sim import Simulator

from halfbyte.formats import Overflow, load, lossless_acc_width
from halfbyte.rtl import ArchitectureError, Mac, MacSpec, applicable_architectures


def expected(weight, activation, cycles, acc_width, overflow):
    """``acc`` after each cycle, computed from the definition with Python integers."""
    half = 2 ** (acc_width - 1)
    acc, sums = 0, []
    for w, a, clear, *enable in cycles:
        if enable and not enable[0]:
            sums.append(acc)
            continue
        total = (0 if clear else acc) + weight.integers[w] * activation.integers[a]
        if overflow is Overflow.SATURATE:
            acc = max(-half, min(half - 1, total))
        else:
            acc = (total + half) % (2 * half) - half
        sums.append(acc)
    return sums


def random_cycles(weight, activation, count, seed, enable=False):
    """Inputs (w, a, clear[, enable]) of ``count`` random cycles, after one that clears."""
    generator = random.Random(seed)
    cycles = [
        (
            generator.randrange(2**weight.bits),
            generator.randrange(2**activation.bits),
            int(generator.random() < 0.05),
            *([int(generator.random() < 0.7)] if enable else []),
        )
        for _ in range(count)
    ]
    first = (0, 0, 1, 1) if enable else (0, 0, 1)
    return [first, *cycles]


@pytest.mark.parametrize("name", ["int4", "e2m1", "e2m1_sp", "e2m1_sr", "e3m0", "sf4"])
def test_accumulates_losslessly(accumulate, name):
    fmt = load(name)
    cycles = random_cycles(fmt, fmt, 300, seed=7)
    for architecture in applicable_architectures(fmt, fmt):
        mac = Mac(MacSpec(fmt, fmt, architecture))
        assert mac.spec.width == lossless_acc_width(fmt, fmt, 256)
        sums = expected(fmt, fmt, cycles, mac.spec.width, Overflow.WRAP)
        assert accumulate(mac, cycles) == sums, architecture


@pytest.mark.parametrize("overflow", list(Overflow))
@pytest.mark.parametrize("acc_width", [2, 5, 9, 12])
@pytest.mark.parametrize("architecture", ["sign_magnitude", "twos_complement"])
def test_narrow_accumulators_wrap_or_saturate(accumulate, overflow, acc_width, architecture):
    fmt = load("e2m1_sr")
    mac = Mac(
        MacSpec(
            fmt,
            fmt,
            architecture,
            acc_width=acc_width,
            overflow=overflow,
        )
    )
    cycles = random_cycles(fmt, fmt, 400, seed=acc_width)
    assert accumulate(mac, cycles) == expected(fmt, fmt, cycles, acc_width, overflow)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["int4", "e2m1_sp", "apot4_sp"])
def test_the_largest_and_the_smallest_sums_are_exact(accumulate, name, sign):
    fmt, terms = load(name), 16
    codes = range(2**fmt.bits)
    worst = max(
        ((w, a) for w in codes for a in codes),
        key=lambda pair: sign * fmt.integers[pair[0]] * fmt.integers[pair[1]],
    )
    mac = Mac(MacSpec(weight=fmt, activation=fmt, terms=terms, architecture="sign_magnitude"))
    cycles = [(*worst, int(index == 0)) for index in range(terms)]
    product = fmt.integers[worst[0]] * fmt.integers[worst[1]]
    assert accumulate(mac, cycles)[-1] == terms * product


def test_enable_holds_the_sum(accumulate):
    fmt = load("e2m1")
    mac = Mac(MacSpec(fmt, fmt, "exponent_shift", enable=True))
    cycles = random_cycles(fmt, fmt, 300, seed=3, enable=True)
    assert accumulate(mac, cycles) == expected(fmt, fmt, cycles, mac.spec.width, Overflow.WRAP)


@pytest.mark.parametrize("segment", [1, 2, 5, 15])
@pytest.mark.parametrize("architecture", ["sign_magnitude", "baugh_wooley", "booth"])
def test_carry_save_accumulators_give_the_same_sums(accumulate, architecture, segment):
    fmt = load("int4")
    cycles = random_cycles(fmt, fmt, 400, seed=segment, enable=True)
    mac = Mac(MacSpec(fmt, fmt, architecture, segment=segment, enable=True))
    assert mac.spec.width == 16
    assert accumulate(mac, cycles) == expected(fmt, fmt, cycles, 16, Overflow.WRAP)


@pytest.mark.parametrize(("acc_width", "segment"), [(2, 1), (5, 1), (9, 4), (12, 11)])
def test_narrow_carry_save_accumulators_wrap(accumulate, acc_width, segment):
    fmt = load("e2m1_sr")
    options = {"acc_width": acc_width, "segment": segment}
    mac = Mac(MacSpec(fmt, fmt, "sign_magnitude", **options))
    cycles = random_cycles(fmt, fmt, 400, seed=acc_width)
    assert accumulate(mac, cycles) == expected(fmt, fmt, cycles, acc_width, Overflow.WRAP)


@pytest.mark.parametrize("pattern", [[7, 7], [8, 8], [7, 8], [0, 0]])
def test_carries_run_through_all_segments(accumulate, pattern):
    """The sum goes from -1 to 0 and back, so a carry passes every bit."""
    fmt = load("int4")
    mac = Mac(MacSpec(fmt, fmt, "twos_complement", segment=1))
    minus_one, one = (15, 1), (1, 1)
    cycles = [(*minus_one, 1), (*one, 0), (*minus_one, 0), (*pattern, 0), (0, 0, 0), (0, 0, 0)]
    assert accumulate(mac, cycles) == expected(fmt, fmt, cycles, 16, Overflow.WRAP)


@pytest.mark.parametrize(("segment", "moving"), [(1, 15), (4, 3), (8, 1)])
@pytest.mark.parametrize("enable", [False, True])
def test_registers_stand_still_for_the_final_addition(segment, moving, enable):
    """The registers stop at once if ``enable`` is low, or soon if the products are 0.

    With products of 0, they stop after as many cycles as there are registers for carries.
    """
    fmt = load("int4")
    options = {"architecture": "sign_magnitude", "segment": segment, "enable": enable}
    mac = Mac(MacSpec(weight=fmt, activation=fmt, **options))
    module = mac.elaborate(None)
    resolve = module.submodules.resolve
    states = []

    async def bench(ctx):
        # The sum goes from -1 to 0, so a carry passes every bit.
        for codes, clear, running in [((15, 1), 1, 1), ((1, 1), 0, 1), *[((0, 0), 0, 0)] * 20]:
            ctx.set(mac.w, codes[0])
            ctx.set(mac.a, codes[1])
            ctx.set(mac.clear, clear)
            if enable:
                ctx.set(mac.enable, running)
            await ctx.tick()
            states.append((ctx.get(resolve.sum), ctx.get(resolve.carries)))
            assert ctx.get(mac.acc) == (-1 if clear else 0)

    simulator = Simulator(module)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    held = states[1:]
    changes = [cycle for cycle in range(1, len(held)) if held[cycle] != held[cycle - 1]]
    assert max(changes, default=0) == (0 if enable else moving)


def test_segments_are_checked_on_construction():
    fmt = load("int4")
    good = {"weight": fmt, "activation": fmt, "architecture": "sign_magnitude"}
    for segment in (0, 16):
        with pytest.raises(ValueError, match=f"less than the accumulator's 16 bits, not {segment}"):
            Mac(MacSpec(**good, segment=segment))
    for segment in ("4", True, 2.0):
        with pytest.raises(TypeError, match="Segment must be an int"):
            Mac(MacSpec(**good, segment=segment))
    with pytest.raises(ValueError, match="carry-save accumulator must wrap, not saturate"):
        Mac(MacSpec(**good, segment=4, acc_width=9, overflow=Overflow.SATURATE))


def test_parameters_are_checked_on_construction():
    fmt = load("e2m1")
    good = {"weight": fmt, "activation": fmt, "architecture": "sign_magnitude"}
    with pytest.raises(ArchitectureError, match="Unknown architecture 'magic'"):
        Mac(MacSpec(**{**good, "architecture": "magic"}))
    with pytest.raises(ValueError, match="Number of terms must be 1 to 1048576, not 0"):
        Mac(MacSpec(**good, terms=0))
    with pytest.raises(ValueError, match="Accumulator width must be 2 to 64, not 65"):
        Mac(MacSpec(**good, acc_width=65))
    with pytest.raises(TypeError, match="Overflow must be an Overflow, not 'wrap'"):
        Mac(MacSpec(**good, overflow="wrap"))
