"""Finds candidates to replace a gate in a move of the annealing.

A candidate has the same value as the gate on every row of the truth table where that value matters
(``work.care``). It reads nodes that do not depend on the gate, or a few new gates. Functions called
``offer...`` find candidates, of which a few are kept at random. :mod:`.kernel` then computes the
cost of these. :class:`.state.Scratch` explains the arrays of ``work``, and the words *pool*,
*literal* and *target*.
"""

from typing import Any

import numpy as np

from halfbyte.area.synthesis.annealing.state import (
    AND2,
    AND3,
    AO21,
    CANDIDATES,
    EXTRAS,
    IMPOSSIBLE,
    KEPT,
    MUX,
    NONE,
    NOT,
    OFFERED,
    ORDERED,
    OUTPUT,
    POOLED,
    WIRE,
    XOR2,
    compute,
)
from halfbyte.base.compiled import inner_jit

__all__ = ["collect"]

# In each move: the number of random nodes that are tried as the first input of an XOR.
XORED = 8
# The probability that a new gate is an inverter even if another gate is possible.
INVERTERS = 0.15
# For each word, a digest is rotated left by 23 bits: a left shift by 23, and a right shift by 41.
TURN, OTHER_TURN = np.uint64(23), np.uint64(41)


@inner_jit
def fill_pool(inputs: int, net: Any, work: Any, cost: Any) -> None:
    """Fill the pool: nodes that do not depend on the gate, and a few new gates.

    The last two of the first ``inputs`` nodes are the constants. They come after the pool, since
    candidates do not read them. They can only replace the gate (:func:`offer_constants`).
    """
    values = work.pool_values
    count = 0
    for node in range(inputs - 2):
        work.pool[count] = node
        count += 1
    for place in range(work.counts[ORDERED]):
        node = work.order[place]
        work.pool[count] = node
        count += 1 - work.downstream[node]
    for place in range(count):
        node = work.pool[place]
        for word in range(len(work.words)):
            values[place, word] = work.values[node, word]
    base = count
    for extra in range(EXTRAS):
        kind = AND2 if np.random.random() < 0.8 else XOR2
        # Only an AND may have inverted fan-ins: the bits of 11 invert a, b and the output.
        polarity = np.random.randint(16) & (11 if kind == AND2 else OUTPUT)
        a, b = np.random.randint(base), np.random.randint(base)
        if a == b or np.random.random() < INVERTERS or cost[kind, polarity] >= IMPOSSIBLE:
            kind, polarity, b = NOT, 0, a
        work.extras[extra, 0], work.extras[extra, 1] = kind, polarity
        work.extras[extra, 2], work.extras[extra, 3] = work.pool[a], work.pool[b]
        work.extras[extra, 4] = work.pool[a]
        work.pool[count] = -1 - extra
        compute(work.words, values, count, kind, polarity, a, b, a)
        count += 1
    work.counts[POOLED] = count
    work.pool[count], work.pool[count + 1] = inputs - 2, inputs - 1


@inner_jit
def offer(work: Any, kind: int, polarity: int, a: int, b: int, c: int) -> None:
    """Keep a candidate, let it replace another, or drop it (reservoir sampling).

    All candidates that are offered in a move are equally likely to be kept.
    """
    work.counts[OFFERED] += 1
    slot = work.counts[CANDIDATES]
    if slot < KEPT:
        work.counts[CANDIDATES] += 1
    else:
        slot = np.random.randint(work.counts[OFFERED])
        if slot >= KEPT:
            return
    work.candidates[slot, 0], work.candidates[slot, 1] = kind, polarity
    work.candidates[slot, 2], work.candidates[slot, 3], work.candidates[slot, 4] = a, b, c


@inner_jit
def append(literals: Any, count: int, literal: int, fits: Any) -> int:
    """Write a literal to ``literals[count]``; returns ``count`` + 1 if it fits, else ``count``."""
    literals[count] = literal
    return count + 1 if fits else count


@inner_jit
def digest(value: Any, before: Any) -> Any:
    """The digest of a truth table from its last word and the digest of the words before.

    It is linear: the digest of the XOR of two tables is the XOR of their digests.
    """
    return (before << TURN | before >> OTHER_TURN) ^ value


@inner_jit
def survey(work: Any, cost: Any) -> None:
    """List the literals that cover each target; offer nodes that equal the gate or its inverse.

    A literal covers a target if it is 1 on all rows of the target, and on at least one row of
    ``care``.
    """
    values, target = work.pool_values, work.target
    inverts = cost[NOT, 0] < IMPOSSIBLE
    ons, offs = 0, 0
    for place in range(work.counts[POOLED]):
        # `on_0` marks rows where the gate is 1 and the node 0, `off_1` rows where the gate is 0 and
        # the node 1, and so on. Each is the OR of all words, so it is 0 if there are no such rows.
        on_0, on_1, off_0, off_1, code = NONE, NONE, NONE, NONE, NONE
        for word in range(len(work.words)):
            value, off, on = values[place, word], target[0, word], target[1, word]
            on_0 |= on & ~value
            on_1 |= on & value
            off_0 |= off & ~value
            off_1 |= off & value
            code = digest(value & (on | off), code)
        work.digests[place] = code
        is_0, is_1 = on_0 | off_0 != NONE, on_1 | off_1 != NONE
        ons = append(work.covers[1], ons, 2 * place, (on_0 == NONE) & is_1)
        ons = append(work.covers[1], ons, 2 * place + 1, (on_1 == NONE) & is_0)
        offs = append(work.covers[0], offs, 2 * place, (off_0 == NONE) & is_1)
        offs = append(work.covers[0], offs, 2 * place + 1, (off_1 == NONE) & is_0)
        if on_0 | off_1 == NONE:
            offer(work, WIRE, 0, place, place, place)
        if inverts and on_1 | off_0 == NONE:
            offer(work, NOT, 0, place, place, place)
    work.covered[0], work.covered[1] = offs, ons


@inner_jit
def cover_rest(work: Any, skip: int) -> int:
    """Write the literals that cover ``work.rest`` to ``work.others``; returns their number.

    The literals of the node at place ``skip`` are left out.
    """
    values = work.pool_values
    count = 0
    for place in range(work.counts[POOLED]):
        rest_0, rest_1, care_0, care_1 = NONE, NONE, NONE, NONE
        for word in range(len(work.words)):
            value, rest, care = values[place, word], work.rest[word], work.care[word]
            rest_0 |= rest & ~value
            rest_1 |= rest & value
            care_0 |= care & ~value
            care_1 |= care & value
        other = place != skip
        count = append(work.others, count, 2 * place, other & (rest_0 == NONE) & (care_1 != NONE))
        count = append(
            work.others, count, 2 * place + 1, other & (rest_1 == NONE) & (care_0 != NONE)
        )
    return count


@inner_jit
def mask_literals(work: Any, literals: Any, count: int, mask: Any) -> None:
    """Write the truth tables of literals, on the rows of a mask, to ``work.literal_values``."""
    for place in range(count):
        node, invert = literals[place] >> 1, NONE - np.uint64(literals[place] & 1)
        for word in range(len(work.words)):
            value = work.pool_values[node, word] ^ invert
            work.literal_values[place, word] = value & mask[word]


@inner_jit
def offer_constants(work: Any) -> None:
    """Offer a constant if the gate has this value on all rows that matter, or if no row matters."""
    for level in range(2):
        wrong = NONE
        for word in range(len(work.words)):
            wrong |= work.target[1 - level, word]
        if wrong == NONE:
            place = work.counts[POOLED] + level
            offer(work, WIRE, 0, place, place, place)


@inner_jit
def offer_ands(work: Any, cost: Any, output: int) -> None:
    """Offer ANDs of two literals, or of three where two are not enough; the third is random.

    ``output`` is 1 for gates with an inverted output.
    """
    literals, count = work.covers[1 - output], work.covered[1 - output]
    if count < 2:
        return
    values = work.literal_values
    mask_literals(work, literals, count, work.target[output])
    third = np.random.randint(count)
    c = literals[third]
    for i in range(count):
        a = literals[i]
        for j in range(i):
            wrong, still = NONE, NONE
            for word in range(len(work.words)):
                both = values[i, word] & values[j, word]
                wrong |= both
                still |= both & values[third, word]
            if still != NONE:
                continue
            b = literals[j]
            if a ^ b == 1:
                continue
            if wrong == NONE:
                offer_possible(work, cost, AND2, output, a, b, a & ~1)
            elif i != third and j != third and a ^ c != 1 and b ^ c != 1:
                offer_possible(work, cost, AND3, output, a, b, c)


@inner_jit
def offer_and_ors(work: Any, cost: Any, output: int) -> None:
    """Offer ``(a & b) | c``, inverted if ``output`` is 1, where ``c`` is chosen at random."""
    on, off = work.target[1 - output], work.target[output]
    # c must be 0 on all rows of `off`, so its inverse must cover them.
    count = work.covered[output]
    if count == 0:
        return
    c = work.covers[output, np.random.randint(count)] ^ 1
    invert = NONE - np.uint64(c & 1)
    useful = NONE
    for word in range(len(work.words)):
        value = work.pool_values[c >> 1, word] ^ invert
        useful |= on[word] & value
        work.rest[word] = on[word] & ~value
    if useful == NONE:
        return
    count = cover_rest(work, c >> 1)
    mask_literals(work, work.others, count, off)
    values = work.literal_values
    for i in range(count):
        a = work.others[i]
        for j in range(i):
            wrong = NONE
            for word in range(len(work.words)):
                wrong |= values[i, word] & values[j, word]
            if wrong == NONE and a ^ work.others[j] != 1:
                offer_possible(work, cost, AO21, output, a, work.others[j], c)


@inner_jit
def offer_possible(work: Any, cost: Any, kind: int, output: int, a: int, b: int, c: int) -> None:
    """Offer a gate of this kind that reads the literals, if ``cost`` has such a gate.

    ``a`` and ``b`` may be swapped.
    """
    for _ in range(2):
        polarity = a & 1 | (b & 1) << 1 | (c & 1) << 2 | output << 3
        if cost[kind, polarity] < IMPOSSIBLE:
            offer(work, kind, polarity, a >> 1, b >> 1, c >> 1)
            return
        a, b = b, a


@inner_jit
def is_xor(work: Any, i: int, j: int, invert: Any) -> bool:
    """Whether the XOR of two nodes of the pool and of ``invert`` can replace the gate."""
    wrong, values = NONE, work.pool_values
    for word in range(len(work.words)):
        differs = values[i, word] ^ values[j, word] ^ work.target[1, word] ^ invert
        wrong |= differs & work.care[word]
    return bool(wrong == NONE)


@inner_jit
def offer_xors(work: Any, cost: Any) -> None:
    """Offer XORs and XNORs of two nodes, of which the first is chosen at random.

    Digests are compared first, since a pair can replace the gate only if its digests match.
    """
    gate, ones = NONE, NONE
    for word in range(len(work.words)):
        gate = digest(work.target[1, word], gate)
        ones = digest(work.care[word], ones)
    plain, inverted = cost[XOR2, 0] < IMPOSSIBLE, cost[XOR2, OUTPUT] < IMPOSSIBLE
    for _ in range(XORED):
        i = np.random.randint(work.counts[POOLED])
        wanted = work.digests[i] ^ gate
        for j in range(work.counts[POOLED]):
            differs = work.digests[j] ^ wanted
            if differs == NONE and plain and is_xor(work, i, j, NONE):
                offer(work, XOR2, 0, i, j, i)
            if differs == ones and inverted and is_xor(work, i, j, ~NONE):
                offer(work, XOR2, OUTPUT, i, j, i)


@inner_jit
def offer_multiplexer(work: Any, cost: Any) -> None:
    """Offer a multiplexer whose select and data inputs are chosen at random."""
    if cost[MUX, 0] >= IMPOSSIBLE:
        return
    values = work.pool_values
    select = np.random.randint(work.counts[POOLED])
    ones, zeros = 0, 0
    for place in range(work.counts[POOLED]):
        wrong_1, wrong_0 = NONE, NONE
        for word in range(len(work.words)):
            wrong = values[place, word] & work.care[word] ^ work.target[1, word]
            wrong_1 |= wrong & values[select, word]
            wrong_0 |= wrong & ~values[select, word]
        other = place != select
        ones = append(work.literals, ones, place, other & (wrong_1 == NONE))
        zeros = append(work.others, zeros, place, other & (wrong_0 == NONE))
    if ones and zeros:
        a = work.literals[np.random.randint(ones)]
        b = work.others[np.random.randint(zeros)]
        if a != b:
            offer(work, MUX, 0, a, b, select)


@inner_jit
def collect(inputs: int, net: Any, work: Any, cost: Any) -> None:
    """Write candidates for a gate to ``work.candidates``.

    :func:`.state.find_care` must have run for this gate: it finds the rows that matter.
    """
    fill_pool(inputs, net, work, cost)
    work.counts[OFFERED] = 0
    work.counts[CANDIDATES] = 0
    survey(work, cost)
    offer_constants(work)
    for output in range(2):
        offer_ands(work, cost, output)
        offer_and_ors(work, cost, output)
    offer_xors(work, cost)
    offer_multiplexer(work, cost)
