"""Candidates to replace a gate: they agree with it on the rows that matter.

They read nodes that do not depend on the gate, or new gates. A few of them are kept at random
(:func:`offer`). :mod:`.kernel` computes their cost.
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
    NOT,
    OFFERED,
    ORDERED,
    OUTPUT,
    POOLED,
    WIRE,
    XOR2,
    gate,
)
from halfbyte.base.compiled import borrowing_jit

__all__ = ["collect"]

# The number of nodes that are tried in XORs.
XORED = 8
# The share of inverters among extra gates.
INVERTERS = 0.15


@borrowing_jit
def fill_pool(inputs: int, net: Any, work: Any, cost: Any) -> None:
    """List what the gate may read: nodes that do not depend on it, and a few new gates.

    The constants, which are the last two inputs, come after these nodes: only wires read them
    (:func:`offer_constants`).
    """
    count = 0
    for node in range(inputs - 2):
        work.pool[count] = node
        count += 1
    for place in range(work.counts[ORDERED]):
        node = work.order[place]
        if not work.downstream[node]:
            work.pool[count] = node
            count += 1
    for place in range(count):
        node = work.pool[place]
        for word in range(work.care.shape[0]):  # faster than to assign a row
            work.pool_values[place, word] = net.values[node, word]
    base = count
    for extra in range(EXTRAS):
        kind = AND2 if np.random.random() < 0.8 else XOR2
        polarity = np.random.randint(16) & (11 if kind == AND2 else OUTPUT)
        a, b = np.random.randint(base), np.random.randint(base)
        if a == b or np.random.random() < INVERTERS or cost[kind, polarity] >= IMPOSSIBLE:
            kind, polarity, b = NOT, 0, a
        work.extras[extra, 0], work.extras[extra, 1] = kind, polarity
        work.extras[extra, 2], work.extras[extra, 3] = work.pool[a], work.pool[b]
        work.extras[extra, 4] = work.pool[a]
        work.pool[count] = -1 - extra
        for word in range(work.care.shape[0]):
            work.pool_values[count, word] = gate(
                kind,
                polarity,
                work.pool_values[a, word],
                work.pool_values[b, word],
                work.pool_values[a, word],
            )
        count += 1
    work.counts[POOLED] = count
    work.pool[count], work.pool[count + 1] = inputs - 2, inputs - 1


@borrowing_jit
def offer(work: Any, kind: int, polarity: int, a: int, b: int, c: int) -> None:
    """Keep a candidate or let it replace another; all have the same chance to stay."""
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


@borrowing_jit
def covering(work: Any, must: Any, skip: int, literals: Any, used: Any) -> int:
    """List the literals that are 1 wherever ``must`` is: 2 * pool place, plus 1 if inverted.

    With ``used``, list only literals that are 1 on at least one row of it.
    """
    count = 0
    for place in range(work.counts[POOLED]):
        if place == skip:
            continue
        plain, inverted = True, True
        plain_used, inverted_used = False, False
        for word in range(must.shape[0]):
            value = work.pool_values[place, word]
            if must[word] & ~value:
                plain = False
            if must[word] & value:
                inverted = False
            if not plain and not inverted:
                break
            if used[word] & value:
                plain_used = True
            if used[word] & ~value:
                inverted_used = True
        if plain and plain_used:
            literals[count] = 2 * place
            count += 1
        if inverted and inverted_used:
            literals[count] = 2 * place + 1
            count += 1
    return count


@borrowing_jit
def literal_value(work: Any, literal: int, word: int) -> Any:
    """One word of the truth table of a literal."""
    value = work.pool_values[literal >> 1, word]
    return ~value if literal & 1 else value


@borrowing_jit
def mask_literals(work: Any, literals: Any, count: int, mask: Any) -> None:
    """Write the truth tables of ``literals``, on the rows of a mask, to ``literal_values``."""
    for place in range(count):
        for word in range(mask.shape[0]):
            value = literal_value(work, literals[place], word)
            work.literal_values[place, word] = value & mask[word]


@borrowing_jit
def offer_wires(work: Any, cost: Any) -> None:
    """Offer another node, or its inverse, in place of the gate."""
    on, off = work.target[1], work.target[0]
    for place in range(work.counts[POOLED]):
        same, opposite = True, cost[NOT, 0] < IMPOSSIBLE
        for word in range(on.shape[0]):
            value = work.pool_values[place, word]
            if (on[word] & ~value) | (off[word] & value):
                same = False
            if (on[word] & value) | (off[word] & ~value):
                opposite = False
            if not same and not opposite:
                break
        if same:
            offer(work, WIRE, 0, place, place, place)
        if opposite:
            offer(work, NOT, 0, place, place, place)


@borrowing_jit
def offer_constants(work: Any) -> None:
    """Offer a constant for the gate if its value never matters or is always the same."""
    for level in range(2):
        fits = True
        for word in range(work.care.shape[0]):
            if work.target[1 - level, word]:
                fits = False
                break
        if fits:
            place = work.counts[POOLED] + level
            offer(work, WIRE, 0, place, place, place)


@borrowing_jit
def offer_ands(work: Any, cost: Any, output: int) -> None:
    """Offer ANDs of two literals, and of three with one chosen at random."""
    on, off = work.target[1 - output], work.target[output]
    count = covering(work, on, -1, work.literals, work.care)
    if count < 2:
        return
    mask_literals(work, work.literals, count, off)
    third = np.random.randint(count)
    for i in range(count):
        for j in range(i):
            a, b, c = work.literals[i], work.literals[j], work.literals[third]
            if a ^ b == 1:
                continue
            two = True
            three = i != third and j != third and a ^ c != 1 and b ^ c != 1
            for word in range(on.shape[0]):
                wrong = work.literal_values[i, word] & work.literal_values[j, word]
                if wrong:
                    two = False
                    three = three and not wrong & work.literal_values[third, word]
                    if not three:
                        break
            if two:
                offer_possible(work, cost, AND2, output, a, b, a & ~1)
            elif three:
                offer_possible(work, cost, AND3, output, a, b, c)


@borrowing_jit
def offer_and_ors(work: Any, cost: Any, output: int) -> None:
    """Offer ``(a & b) | c``, where ``c`` is chosen at random."""
    on, off = work.target[1 - output], work.target[output]
    # c must be 0 wherever the target is 0, so its inverse must cover those rows.
    count = covering(work, off, -1, work.literals, work.care)
    if count == 0:
        return
    c = work.literals[np.random.randint(count)] ^ 1
    useful = False
    for word in range(on.shape[0]):
        value = literal_value(work, c, word)
        useful = useful or bool(on[word] & value)
        work.rest[word] = on[word] & ~value
    if not useful:
        return
    count = covering(work, work.rest, c >> 1, work.others, work.care)
    mask_literals(work, work.others, count, off)
    for i in range(count):
        for j in range(i):
            a, b = work.others[i], work.others[j]
            fits = a ^ b != 1
            for word in range(on.shape[0]):
                if not fits:
                    break
                fits = not work.literal_values[i, word] & work.literal_values[j, word]
            if fits:
                offer_possible(work, cost, AO21, output, a, b, c)


@borrowing_jit
def offer_possible(work: Any, cost: Any, kind: int, output: int, a: int, b: int, c: int) -> None:
    """Offer a gate of literals if it exists, with its first two fan-ins in either order."""
    for _ in range(2):
        polarity = a & 1 | (b & 1) << 1 | (c & 1) << 2 | output << 3
        if cost[kind, polarity] < IMPOSSIBLE:
            offer(work, kind, polarity, a >> 1, b >> 1, c >> 1)
            return
        a, b = b, a


@borrowing_jit
def offer_xors(work: Any, cost: Any, values: Any) -> None:
    """Offer XOR and XNOR of two nodes, one of them chosen at random, a few times."""
    care = work.care
    for _ in range(XORED):
        i = np.random.randint(work.counts[POOLED])
        for j in range(work.counts[POOLED]):
            same, opposite = cost[XOR2, 0] < IMPOSSIBLE, cost[XOR2, OUTPUT] < IMPOSSIBLE
            for word in range(care.shape[0]):
                differs = work.pool_values[i, word] ^ work.pool_values[j, word] ^ values[word]
                if differs & care[word]:
                    same = False
                if ~differs & care[word]:
                    opposite = False
                if not same and not opposite:
                    break
            if same:
                offer(work, XOR2, 0, i, j, i)
            if opposite:
                offer(work, XOR2, OUTPUT, i, j, i)


@borrowing_jit
def offer_multiplexer(work: Any, cost: Any, values: Any) -> None:
    """Offer a multiplexer with select and data chosen at random."""
    if cost[MUX, 0] >= IMPOSSIBLE:
        return
    select = np.random.randint(work.counts[POOLED])
    ones, zeros = 0, 0
    for place in range(work.counts[POOLED]):
        high, low = place != select, place != select
        for word in range(work.care.shape[0]):
            wrong = (work.pool_values[place, word] ^ values[word]) & work.care[word]
            if wrong & work.pool_values[select, word]:
                high = False
            if wrong & ~work.pool_values[select, word]:
                low = False
            if not high and not low:
                break
        if high:
            work.literals[ones] = place
            ones += 1
        if low:
            work.others[zeros] = place
            zeros += 1
    if ones and zeros:
        a = work.literals[np.random.randint(ones)]
        b = work.others[np.random.randint(zeros)]
        if a != b:
            offer(work, MUX, 0, a, b, select)


@borrowing_jit
def collect(inputs: int, net: Any, work: Any, cost: Any, node: int) -> None:
    """Write candidates for the gate ``node`` to ``work.candidates``; its care is known."""
    fill_pool(inputs, net, work, cost)
    work.counts[OFFERED] = 0
    work.counts[CANDIDATES] = 0
    offer_wires(work, cost)
    offer_constants(work)
    for output in range(2):
        offer_ands(work, cost, output)
        offer_and_ors(work, cost, output)
    offer_xors(work, cost, net.values[node])
    offer_multiplexer(work, cost, net.values[node])
