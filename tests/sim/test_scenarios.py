"""The inputs of the bench are complete, reach the extremes, and are repeatable.

Each scenario is a stream, which has a value of each input for every cycle. A walk is a part of a
stream: it adds products of one sign until the sum crosses a limit of the accumulator.
"""

from dataclasses import replace

import numpy as np
import pytest

from halfbyte.formats import Format, Overflow, bundled, load, lossless_acc_width, product_extremes
from halfbyte.golden import scalar
from halfbyte.rtl import MacSpec, variants
from halfbyte.sim.runner import make_plans
from halfbyte.sim.scenarios import (
    SHORT_SUM,
    Stream,
    all_pairs,
    clears,
    expectation,
    extremes,
    limits,
    random_cycles,
    streams,
)
from halfbyte.sim.wrapper import layout_of

TERMS = 256


def test_pairs_has_every_pair_once() -> None:
    stream = all_pairs(load("int8"), load("int8"))
    assert len(set(zip(stream.w.tolist(), stream.a.tolist(), strict=True))) == len(stream) == 65536
    assert stream.clear.all()


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_extremes_end_on_the_ends_of_the_lossless_range(fmt: Format) -> None:
    stream = extremes(fmt, fmt, TERMS)
    sums = expectation(stream, MacSpec(fmt, fmt, terms=TERMS))
    low, high = product_extremes(fmt, fmt)
    assert sums[TERMS - 1] == sums.max() == TERMS * high
    assert sums[2 * TERMS - 1] == sums.min() == TERMS * low
    # An accumulator with one bit fewer could not hold these sums.
    width = lossless_acc_width(fmt, fmt, TERMS)
    assert max(sums.max(), ~sums.min()) >= 2 ** (width - 2)


def test_extremes_use_all_pairs_with_the_same_product() -> None:
    fmt = load("e2m1")
    stream = extremes(fmt, fmt, TERMS)
    pairs = set(zip(stream.w.tolist(), stream.a.tolist(), strict=True))
    assert pairs == {(7, 7), (15, 15), (7, 15), (15, 7)}


def test_limits_are_reached_in_every_accumulator_without_enable() -> None:
    fmt = load("e2m1")
    macs = variants(MacSpec(fmt, fmt, acc_width=20, overflow=Overflow.SATURATE)).values()
    stream = limits(macs)
    for spec in macs:
        if not spec.enable:
            sums = expectation(stream, replace(spec, overflow=Overflow.SATURATE, segment=None))
            assert (sums == 2 ** (spec.width - 1) - 1).any(), spec.name
            assert (sums == -(2 ** (spec.width - 1))).any(), spec.name
    # No walk reaches the limits of 64 bits, but the stream still has one cycle.
    assert len(limits([MacSpec(fmt, fmt, acc_width=64)])) == 1


def test_clears_come_at_every_position_with_and_without_enable() -> None:
    fmt = load("e2m1_sp")
    stream = clears(fmt, fmt, np.random.default_rng(0))
    position = np.arange(len(stream)) % SHORT_SUM
    assert set(position[stream.clear & stream.enable]) == set(range(SHORT_SUM))
    assert set(position[stream.clear & ~stream.enable]) == set(range(1, SHORT_SUM))
    assert (np.array(fmt.integers)[stream.w] * np.array(fmt.integers)[stream.a]).all()


def test_random_streams_repeat_only_with_the_same_seed() -> None:
    fmt = load("int5")
    first, again, other = (
        streams([MacSpec(fmt, fmt, terms=TERMS)], cycles=5000, seed=seed)["random"]
        for seed in (1, 1, 2)
    )
    assert (first.w == again.w).all()
    assert (first.clear == again.clear).all()
    assert (first.w != other.w).any()


def test_random_cycles_have_long_and_short_sums() -> None:
    fmt = load("int4")
    stream = random_cycles(fmt, fmt, 100_000, np.random.default_rng(0))
    lengths = np.diff(np.flatnonzero(stream.clear))
    assert lengths.min() == 1
    assert lengths.max() > 400
    assert set(stream.w) == set(stream.a) == set(range(16))


@pytest.mark.parametrize("weight, activation", [("e2m1_sp", "e2m1_sp"), ("sf4", "int8")])
def test_expectation_is_the_scalar_definition(weight: str, activation: str) -> None:
    w_format, a_format = load(weight), load(activation)
    stream = random_cycles(w_format, a_format, 600, np.random.default_rng(3))
    for spec in variants(MacSpec(w_format, a_format, terms=TERMS)).values():
        seen, acc = expectation(stream, spec).tolist(), 0
        for cycle, sum_seen in enumerate(seen):
            if stream.enable[cycle] or not spec.enable:
                codes = int(stream.w[cycle]), int(stream.a[cycle])
                acc = scalar.mac(
                    acc,
                    scalar.product(*codes, w_format, a_format),
                    clear=bool(stream.clear[cycle]),
                    acc_width=spec.width,
                    overflow=spec.overflow,
                )
            assert sum_seen == acc


def test_narrow_accumulators_overflow_in_the_random_stream() -> None:
    fmt = load("e2m1_sp")
    macs = variants(MacSpec(fmt, fmt, terms=TERMS))
    plan = make_plans(macs, layout_of(macs, title="t", seed=0), cycles=2000)["random"]
    sums = dict(zip(macs, plan.expected, strict=True))
    for name in ("enabled", "wrap", "saturate", "tight", "tight_wrap"):
        assert (sums[name] != sums["lossless"]).mean() > 0.05
    # ``saved`` and ``wrap_saved`` are carry-save accumulators, with the same sums as ordinary ones.
    assert (sums["saved"] == sums["enabled"]).all()
    assert (sums["wrap_saved"] == sums["tight_wrap"]).all()
    assert {sums["saturate"].min(), sums["saturate"].max()} == {-256, 255}
    assert {sums["tight"].min(), sums["tight"].max()} == {-64, 63}


def test_a_stream_begins_with_a_clear() -> None:
    zeros, flags = np.zeros(2, dtype=np.uint8), np.array([False, True])
    with pytest.raises(ValueError, match="must begin with a cycle that has clear"):
        Stream(zeros, zeros, clear=flags, enable=~flags)
    with pytest.raises(ValueError, match="must have one length of at least 1, not"):
        Stream(zeros[:0], zeros[:0], clear=flags[:0], enable=flags[:0])
