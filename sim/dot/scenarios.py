"""Makes the scenarios of a dot-product unit. A scenario is a sequence of inputs with one purpose.

A block consists of products that share a scale of their weights and a scale of their activations.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from halfbyte.rtl.dot import DotSpec
from halfbyte.sim.dot.stimulus import Codes, Stimulus

__all__ = ["SCENARIOS", "stimulus_of"]

_CLEAR = 0.1  # probability that a cycle has a clear; also used for other rare events
_Generator = np.random.Generator


def _stimulus(
    spec: DotSpec,
    generator: _Generator,
    w: NDArray[np.uint8],
    a: NDArray[np.uint8],
    clear: NDArray[np.bool_] | None = None,
    scales: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
) -> Stimulus:
    """The inputs of a scenario with the codes ``w`` and ``a``.

    Clears and scales that are not given are random. :func:`_last` decides where blocks end.
    """
    count = len(w)
    if clear is None:
        clear = generator.random(count) < _CLEAR
    if scales is None:
        scales = _likely_scales(spec, generator, count)
    return Stimulus(w, a, clear, _last(spec, generator, clear), *scales).started()


def _last(spec: DotSpec, generator: _Generator, clear: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The flags that mark the last cycle of each block. Some blocks end early, at random."""
    last = np.zeros(len(clear), np.bool_)
    taken = 0
    for cycle, cleared in enumerate(clear):
        taken = 1 if cleared else taken + 1
        last[cycle] = taken == spec.cycles_per_block or generator.random() < _CLEAR
        taken = 0 if last[cycle] else taken
    return last


def _likely_scales(
    spec: DotSpec, generator: _Generator, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes of random scales, mostly near 1. A few may be any code, also that of NaN."""
    if spec.scale is None:
        none = np.zeros(count, np.uint8)
        return none, none
    scale = spec.scale
    one = scale.values.index(1)
    reach = 4 << scale.mantissa_bits
    numbers = [
        np.where(
            generator.random(count) < _CLEAR / 2,
            generator.integers(0, 2**scale.bits, count),
            generator.integers(one - reach, one + reach, count),
        ).astype(np.uint8)
        for _ in range(2)
    ]
    return numbers[0], numbers[1]


def _lanes(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """Pairs of codes in all lanes at once, then pairs in one lane while the other lanes add 0.

    In the first part, each lane gets every pair of codes, but at most 4096 pairs. If neither format
    has a zero, the other lanes add small products instead of 0.
    """
    w, a = Codes(spec.weight), Codes(spec.activation)
    pairs = np.arange(min(w.count * a.count, 2**12))
    lanes = np.arange(spec.lanes)
    # The lanes have different pairs in the same cycle.
    together = (pairs[:, None] + 37 * lanes) % (w.count * a.count)
    alone = generator.permutation(len(pairs))[: max(1, cycles // spec.lanes)]
    count = len(together) + len(alone) * spec.lanes
    w_codes = np.full((count, spec.lanes), w.zero, np.uint8)
    a_codes = np.full((count, spec.lanes), a.zero, np.uint8)
    w_codes[: len(pairs)], a_codes[: len(pairs)] = together % w.count, together // w.count
    rows = np.arange(len(pairs), count)
    lane, pair = np.tile(lanes, len(alone)), np.repeat(pairs[alone], spec.lanes)
    w_codes[rows, lane], a_codes[rows, lane] = pair % w.count, pair // w.count
    return _stimulus(spec, generator, w_codes, a_codes)


def _extremes(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """Codes of the highest or lowest values, mostly the same in all lanes and for many cycles."""
    w, a = Codes(spec.weight), Codes(spec.activation)
    ends = [(x, y) for x in (w.highest, w.lowest) for y in (a.highest, a.lowest)]
    lengths = generator.integers(1, 200, 200)
    kinds = np.repeat(generator.integers(0, len(ends), len(lengths)), lengths)[:cycles]
    table = np.array(ends, np.uint8)[kinds]
    w_codes = np.repeat(table[:, :1], spec.lanes, axis=1)
    a_codes = np.repeat(table[:, 1:], spec.lanes, axis=1)
    # Sometimes one lane differs.
    rows = generator.random(len(table)) < _CLEAR
    lane = generator.integers(0, spec.lanes, rows.sum())
    w_codes[rows, lane] = generator.integers(0, w.count, rows.sum())
    return _stimulus(spec, generator, w_codes, a_codes, generator.random(len(table)) < 0.01)


def _random(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """Random codes, clears and scales."""
    shape = (cycles, spec.lanes)
    w = generator.integers(0, 2**spec.weight.bits, shape).astype(np.uint8)
    a = generator.integers(0, 2**spec.activation.bits, shape).astype(np.uint8)
    return _stimulus(spec, generator, w, a)


def _few(spec: DotSpec, generator: _Generator, cycles: int) -> tuple[NDArray[np.uint8], ...]:
    """Random codes in some lanes, and products of 0 in the other lanes.

    If no weight is 0, the other lanes have the weight of the smallest magnitude.
    """
    w, a = Codes(spec.weight), Codes(spec.activation)
    shape = (cycles, spec.lanes)
    used = generator.random(shape) < generator.random((cycles, 1))
    w_codes = np.where(used, generator.integers(0, w.count, shape), w.zero).astype(np.uint8)
    a_codes = generator.integers(0, a.count, shape).astype(np.uint8)
    return w_codes, a_codes


def _scales(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """All codes of scales, for both operands; special scales, such as NaN and 1, are frequent."""
    w, a = _few(spec, generator, cycles)
    scale = spec.scale
    if scale is None:
        return _stimulus(spec, generator, w, a)
    codes = 2**scale.bits
    special = [0, 1, 2, scale.nan_code, scale.nan_code - 1, scale.values.index(1)]
    special += [1 << scale.mantissa_bits, (1 << scale.mantissa_bits) - 1]
    either = [
        np.where(
            generator.random(cycles) < 0.3,
            generator.choice(special, cycles),
            (np.arange(cycles) + start) % codes,
        ).astype(np.uint8)
        for start in (0, codes // 3)
    ]
    return _stimulus(spec, generator, w, a, scales=(either[0], either[1]))


def _cancelling(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """Products, then their exact or approximate negatives, so that most bits of the sum cancel."""
    w, a = _few(spec, generator, cycles)
    negated = Codes(spec.weight).negated
    clear = generator.random(cycles) < 0.05
    scales = [each.copy() for each in _likely_scales(spec, generator, cycles)]
    for cycle in range(1, cycles, 2):
        w[cycle], a[cycle] = negated[w[cycle - 1]], a[cycle - 1]
        for each in scales:
            each[cycle] = each[cycle - 1]
        if generator.random() < 0.5:
            w[cycle, generator.integers(spec.lanes)] = generator.integers(len(negated))
    return _stimulus(spec, generator, w, a, clear, (scales[0], scales[1]))


def _ends(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """The largest and the smallest scales, for sums that overflow or are subnormal."""
    w, a = _few(spec, generator, cycles)
    if spec.scale is None:
        return _stimulus(spec, generator, w, a)
    top, reach = spec.scale.nan_code, 24 << spec.scale.mantissa_bits
    is_high = np.repeat(generator.random(cycles // 16 + 1) < 0.5, 16)[:cycles]
    sides = [
        np.where(
            is_high,
            np.maximum(top - 1 - generator.integers(0, 2 + reach, cycles), 0),
            np.minimum(generator.integers(0, 2 + reach, cycles), top),
        )
        for _ in range(2)
    ]
    if not spec.scale.has_subnormals:
        # The product of both scales is near the lowest or highest exponent that FP32 can hold.
        highest = 384 - generator.integers(0, spec.block_width + 4, cycles)
        lowest = 106 + generator.integers(-4, 44, cycles)
        sides[1] = np.clip(np.where(is_high, highest, lowest) - sides[0], 0, top - 1)
    return _stimulus(
        spec, generator, w, a, scales=(sides[0].astype(np.uint8), sides[1].astype(np.uint8))
    )


def _high_scales(spec: DotSpec, generator: _Generator, count: int) -> list[NDArray[np.uint8]]:
    """Random scales from 2^4 to below 2^8; zeros for a unit without scales.

    They are so high that the format also has much smaller scales, which the callers use for other
    blocks.
    """
    if spec.scale is None:
        return [np.zeros(count, np.uint8) for _ in range(2)]
    low, high = (
        spec.scale.values.index(1) + (binades << spec.scale.mantissa_bits) for binades in (4, 8)
    )
    return [generator.integers(low, high, count).astype(np.uint8) for _ in range(2)]


def _ties(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """A block, then single products of about half a unit in the last place of the block's sum.

    In a unit without scales, the single products are the smallest ones.
    """
    w, a = _few(spec, generator, cycles)
    w_format, a_format = Codes(spec.weight), Codes(spec.activation)
    clear = np.arange(cycles) % 3 == 0
    scales = _high_scales(spec, generator, cycles)
    sums = (w_format.integers[w].astype(np.int64) * a_format.integers[a]).sum(axis=1)
    sums += sums == 0
    smallest = int(w_format.integers[w_format.smallest] * a_format.integers[a_format.smallest])
    for cycle in np.flatnonzero(~clear):
        lane = generator.integers(spec.lanes)
        w[cycle], a[cycle] = w_format.zero, a_format.zero
        w[cycle, lane], a[cycle, lane] = w_format.smallest, a_format.smallest
        if spec.scale is not None:
            one = 1 << spec.scale.mantissa_bits
            down = 25 - int(abs(sums[cycle - cycle % 3])).bit_length() + smallest.bit_length() - 1
            down += int(generator.integers(-1, 2))
            for each, part in zip(scales, (down // 2, down - down // 2), strict=True):
                each[cycle] = max(0, int(each[cycle - cycle % 3]) - one * part)
    return _stimulus(spec, generator, w, a, clear, (scales[0], scales[1]))


def _residues(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """Large and much smaller blocks in one sum.

    Some sums use all bits of the accumulator, and others only two bits that are far apart.
    Two kinds of groups of four blocks alternate. A group of the first kind is a block, two much
    smaller blocks, and the exact or approximate negative of the first block. In a group of the
    second kind, the scales grow. In half of all groups, each block is a single product of the
    smallest magnitude. A unit without scales gets random products.
    """
    w, a = _few(spec, generator, cycles)
    clear = np.arange(cycles) % 4 == 0
    scales = _high_scales(spec, generator, cycles)
    if spec.scale is None:
        return _stimulus(spec, generator, w, a, clear)
    w_format, a_format = Codes(spec.weight), Codes(spec.activation)
    negated, one = w_format.negated, 1 << spec.scale.mantissa_bits
    for start in range(0, cycles - 3, 4):
        group, last = slice(start, start + 4), start + 3
        if generator.random() < 0.5:
            signs = np.array([w_format.smallest, negated[w_format.smallest]], np.uint8)
            w[group], a[group] = w_format.zero, a_format.zero
            w[group, 0], a[group, 0] = generator.choice(signs, 4), a_format.smallest
        for each in scales:
            high = int(each[start])
            if start % 8:
                steps = one * generator.integers(0, 13, 4).cumsum() - high // 2
            else:
                steps = -one * np.array([0, *generator.integers(1, 14, 2), 0])
            each[group] = (high + steps).clip(0, spec.scale.nan_code - 1)
        if start % 8 == 0:
            w[last], a[last] = negated[w[start]], a[start]
            if generator.random() < 0.5:
                w[last, generator.integers(spec.lanes)] = generator.integers(len(negated))
    return _stimulus(spec, generator, w, a, clear, (scales[0], scales[1]))


def _sizes(spec: DotSpec, generator: _Generator, cycles: int) -> Stimulus:
    """Sums of every size and both signs.

    Random products would mostly cancel, so most products of a block have the same sign. Half of the
    cycles clear, so that the sum of a single block, large or small, is also rounded alone.
    """
    w_format, a_format = Codes(spec.weight), Codes(spec.activation)
    shape = (cycles, spec.lanes)
    # Codes are chosen from a list that is ordered from large to small magnitude. With a small bias,
    # most of the chosen codes have a large magnitude.
    bias = generator.choice([0.05, 0.2, 0.5, 1.0, 2.0], (cycles, 1))
    w, a = (
        np.argsort(-np.abs(each.integers), kind="stable")[
            (each.count * generator.random(shape) ** (1 / bias)).astype(np.int64)
        ].astype(np.uint8)
        for each in (w_format, a_format)
    )
    is_negative = generator.random((cycles, 1)) < 0.5
    differs = (w_format.integers[w] * a_format.integers[a] < 0) != is_negative
    turned = differs & (generator.random(shape) < generator.choice([0.8, 1.0], (cycles, 1)))
    w = np.where(turned, w_format.negated[w], w)
    used = generator.random(shape) < generator.choice([0.25, 0.5, 1.0, 1.0], (cycles, 1))
    w = np.where(used, w, w_format.zero).astype(np.uint8)
    return _stimulus(spec, generator, w, a, generator.random(cycles) < 0.5)


SCENARIOS: dict[str, Callable[[DotSpec, _Generator, int], Stimulus]] = {
    "lanes": _lanes,
    "extremes": _extremes,
    "random": _random,
    "scales": _scales,
    "cancelling": _cancelling,
    "ends": _ends,
    "ties": _ties,
    "residues": _residues,
    "sizes": _sizes,
}


def stimulus_of(spec: DotSpec, scenario: str, cycles: int, seed: int) -> Stimulus:
    """The inputs of a scenario, for about ``cycles`` cycles. Equal arguments give equal inputs.

    ``lanes`` may have 4096 cycles more, and ``extremes`` has fewer if ``cycles`` is large.
    For a unit that takes several blocks a cycle, the inputs are made as for a unit that takes one.
    The inputs of consecutive cycles then become the blocks of one cycle. The scenario ``lanes`` is
    different: every block gets the inputs of all cycles, so that each lane has every pair of codes.
    """
    generator = np.random.default_rng([seed, *scenario.encode()])
    blocks = spec.blocks_per_cycle
    if blocks == 1:
        return SCENARIOS[scenario](spec, generator, cycles)
    single = replace(spec, lanes=spec.block_lanes)
    if scenario == "lanes":
        return _lanes(single, generator, cycles).side_by_side(blocks)
    return SCENARIOS[scenario](single, generator, cycles * blocks).folded(blocks)
