"""The compiled loops of the annealing: each move replaces one gate by another.

A *network* is a list of nodes: the inputs first, then the gates in any order. Each gate has a kind
and a polarity (:mod:`.functions`) and up to three fan-ins. The truth table of every node over all
inputs is known, as words of 64 rows. A gate may be replaced by anything that agrees with it on the
rows where its value matters. Its value does not matter on rows where other gates mask it, or where
either of the allowed outputs would result.

All loops are in one file, since numba's cached machine code would miss a change in another file.
"""

from typing import Any, NamedTuple

import numpy as np

from halfbyte.base.compiled import jit

__all__ = ["AND2", "AND3", "AO21", "FAN_INS", "KINDS", "MUX", "NOT", "XOR2", "Nodes", "run"]

NOT, AND2, XOR2, AND3, AO21, MUX = range(6)
KINDS = 6
FAN_INS = (1, 2, 2, 3, 3, 3)
# Polarity: bits 0 to 2 invert fan-ins, bit 3 the output.
OUTPUT = 8
# A wire: another node takes the place of a gate.
WIRE = -1
# A cost of this or more means that the gate does not exist.
IMPOSSIBLE = 1e9
# In each move: the number of random extra gates, which are not built yet; of nodes that are tried
# in XORs; and of candidates whose cost is computed.
EXTRAS, XORED, KEPT = 4, 8, 8
# The share of inverters among extra gates.
INVERTERS = 0.15
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
NONE = np.uint64(0)
# Indices into `Scratch.counts`.
ORDERED, POOLED, OFFERED, CANDIDATES = range(4)
SMALLEST = 1e-9


class Nodes(NamedTuple):
    """A network: ``kind``, ``polarity`` and ``fan_ins`` of every node, and its truth table.

    ``values`` is (nodes, words). Nodes without readers are free for new gates.
    """

    kind: Any
    polarity: Any
    fan_ins: Any
    outputs: Any
    values: Any


class Scratch(NamedTuple):
    """Working arrays of a move. ``pool`` lists nodes that a gate may read; extra n is -1 - n."""

    order: Any
    mark: Any
    stack: Any
    uses: Any
    flipped: Any
    downstream: Any
    pool: Any
    pool_values: Any
    literals: Any
    literal_values: Any
    others: Any
    extras: Any
    care: Any
    target: Any
    rest: Any
    candidates: Any
    counts: Any


@jit
def fan_in_count(kind: int) -> int:
    """The number of nodes that a gate reads."""
    if kind <= NOT:
        return 1
    return 2 if kind <= XOR2 else 3


@jit
def gate(kind: int, polarity: int, a: Any, b: Any, c: Any) -> Any:
    """The value of a gate from words of 64 rows."""
    if kind == NOT:
        return ~a
    if polarity & 1:
        a = ~a
    if polarity & 2:
        b = ~b
    if polarity & 4:
        c = ~c
    if kind == AND2:
        value = a & b
    elif kind == XOR2:
        value = a ^ b
    elif kind == AND3:
        value = a & b & c
    elif kind == AO21:
        value = (a & b) | c
    else:
        value = (c & a) | (~c & b)
    return ~value if polarity & OUTPUT else value


@jit
def scratch(nodes: int, words: int) -> Any:
    """Working arrays for a network with this number of nodes and words."""
    pool = nodes + EXTRAS
    return Scratch(
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(6 * nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.zeros((nodes, words), np.uint64),
        np.zeros(nodes, np.bool_),
        np.zeros(pool, np.int64),
        np.zeros((pool, words), np.uint64),
        np.zeros(2 * pool, np.int64),
        np.zeros((2 * pool, words), np.uint64),
        np.zeros(2 * pool, np.int64),
        np.zeros((EXTRAS, 5), np.int64),
        np.zeros(words, np.uint64),
        np.zeros((2, words), np.uint64),
        np.zeros(words, np.uint64),
        np.zeros((KEPT, 5), np.int64),
        np.zeros(4, np.int64),
    )


@jit
def refresh(inputs: int, net: Any, work: Any, cost: Any) -> float:
    """Sort the gates that outputs need, count their readers, evaluate them; return their cost."""
    work.mark[:] = 0
    work.uses[:] = 0
    count, total = 0, 0.0
    for output in net.outputs:
        depth = 0
        if output >= inputs and work.mark[output] == 0:
            work.stack[0] = output
            depth = 1
        while depth > 0:
            node = work.stack[depth - 1]
            pushed = False
            for place in range(fan_in_count(net.kind[node])):
                source = net.fan_ins[node, place]
                if source >= inputs and work.mark[source] == 0:
                    work.stack[depth] = source
                    depth += 1
                    pushed = True
                    break
            if pushed:
                continue
            depth -= 1
            if work.mark[node] == 0:
                work.mark[node] = 1
                work.order[count] = node
                count += 1
        work.uses[output] += 1
    for position in range(count):
        node = work.order[position]
        total += cost[net.kind[node], net.polarity[node]]
        for place in range(fan_in_count(net.kind[node])):
            work.uses[net.fan_ins[node, place]] += 1
        evaluate(net, node)
    work.counts[ORDERED] = count
    return total


@jit
def evaluate(net: Any, node: int) -> None:
    """Compute the truth table of a gate from those of its fan-ins."""
    a, b, c = net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2]
    values = net.values
    for word in range(values.shape[1]):
        values[node, word] = gate(
            net.kind[node], net.polarity[node], values[a, word], values[b, word], values[c, word]
        )


@jit
def flip(inputs: int, net: Any, work: Any, position: int) -> None:
    """Compute the truth tables of dependent nodes for the opposite value of a gate."""
    order, downstream, flipped, values = work.order, work.downstream, work.flipped, net.values
    for place in range(work.counts[ORDERED]):
        downstream[order[place]] = False
    node = order[position]
    downstream[node] = True
    for word in range(values.shape[1]):
        flipped[node, word] = ~values[node, word]
    for place in range(position + 1, work.counts[ORDERED]):
        node = order[place]
        a, b, c = net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2]
        count = fan_in_count(net.kind[node])
        from_a = a >= inputs and downstream[a]
        from_b = count > 1 and b >= inputs and downstream[b]
        from_c = count > 2 and c >= inputs and downstream[c]
        if not (from_a or from_b or from_c):
            continue
        downstream[node] = True
        for word in range(values.shape[1]):
            flipped[node, word] = gate(
                net.kind[node],
                net.polarity[node],
                flipped[a, word] if from_a else values[a, word],
                flipped[b, word] if from_b else values[b, word],
                flipped[c, word] if from_c else values[c, word],
            )


@jit
def find_care(inputs: int, net: Any, work: Any, allowed: Any, position: int) -> None:
    """Find the rows on which a gate must keep its value for the outputs to stay allowed."""
    flip(inputs, net, work, position)
    node = work.order[position]
    for word in range(work.care.shape[0]):
        first, second = ALL, ALL
        for place in range(net.outputs.shape[0]):
            output = net.outputs[place]
            value = net.values[output, word]
            if output >= inputs and work.downstream[output]:
                value = work.flipped[output, word]
            first &= ~(value ^ allowed[0, place, word])
            second &= ~(value ^ allowed[1, place, word])
        care = ~(first | second)
        work.care[word] = care
        work.target[1, word] = net.values[node, word] & care
        work.target[0, word] = ~net.values[node, word] & care


@jit
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
        work.pool_values[place] = net.values[work.pool[place]]
    base = count
    for extra in range(EXTRAS):
        kind = AND2 if np.random.random() < 0.8 else XOR2
        polarity = np.random.randint(16) & (11 if kind == AND2 else OUTPUT)
        a, b = np.random.randint(base), np.random.randint(base)
        if a == b or np.random.random() < INVERTERS or cost[kind, polarity] >= IMPOSSIBLE:
            kind, polarity, b = NOT, 0, a
        work.extras[extra] = (kind, polarity, work.pool[a], work.pool[b], work.pool[a])
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


@jit
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
    work.candidates[slot] = (kind, polarity, a, b, c)


@jit
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


@jit
def literal_value(work: Any, literal: int, word: int) -> Any:
    """One word of the truth table of a literal."""
    value = work.pool_values[literal >> 1, word]
    return ~value if literal & 1 else value


@jit
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


@jit
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


@jit
def offer_ands(work: Any, cost: Any, output: int) -> None:
    """Offer ANDs of two literals, and of three with one chosen at random."""
    on, off = work.target[1 - output], work.target[output]
    count = covering(work, on, -1, work.literals, work.care)
    if count < 2:
        return
    for place in range(count):
        for word in range(on.shape[0]):
            work.literal_values[place, word] = literal_value(work, work.literals[place], word)
    third = np.random.randint(count)
    for i in range(count):
        for j in range(i):
            a, b, c = work.literals[i], work.literals[j], work.literals[third]
            if a ^ b == 1:
                continue
            two = True
            three = i != third and j != third and a ^ c != 1 and b ^ c != 1
            for word in range(on.shape[0]):
                wrong = work.literal_values[i, word] & work.literal_values[j, word] & off[word]
                if wrong:
                    two = False
                    three = three and not wrong & work.literal_values[third, word]
                    if not three:
                        break
            if two:
                offer_possible(work, cost, AND2, output, a, b, a & ~1)
            elif three:
                offer_possible(work, cost, AND3, output, a, b, c)


@jit
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
    for i in range(count):
        for j in range(i):
            a, b = work.others[i], work.others[j]
            fits = a ^ b != 1
            for word in range(on.shape[0]):
                if not fits:
                    break
                both = literal_value(work, a, word) & literal_value(work, b, word)
                fits = not both & off[word]
            if fits:
                offer_possible(work, cost, AO21, output, a, b, c)


@jit
def offer_possible(work: Any, cost: Any, kind: int, output: int, a: int, b: int, c: int) -> None:
    """Offer a gate of literals if it exists, with its first two fan-ins in either order."""
    for _ in range(2):
        polarity = a & 1 | (b & 1) << 1 | (c & 1) << 2 | output << 3
        if cost[kind, polarity] < IMPOSSIBLE:
            offer(work, kind, polarity, a >> 1, b >> 1, c >> 1)
            return
        a, b = b, a


@jit
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


@jit
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


@jit
def release(inputs: int, net: Any, work: Any, cost: Any, node: int) -> float:
    """Drop one use of a node; return the cost of the gates that are then unused."""
    freed, depth = 0.0, 1
    work.stack[0] = node
    while depth > 0:
        depth -= 1
        node = work.stack[depth]
        work.uses[node] -= 1
        if node >= inputs and work.uses[node] == 0:
            freed += cost[net.kind[node], net.polarity[node]]
            for place in range(fan_in_count(net.kind[node])):
                work.stack[depth] = net.fan_ins[node, place]
                depth += 1
    return freed


@jit
def retain(inputs: int, net: Any, work: Any, node: int) -> None:
    """Undo :func:`release`."""
    depth = 1
    work.stack[0] = node
    while depth > 0:
        depth -= 1
        node = work.stack[depth]
        work.uses[node] += 1
        if node >= inputs and work.uses[node] == 1:
            for place in range(fan_in_count(net.kind[node])):
                work.stack[depth] = net.fan_ins[node, place]
                depth += 1


@jit
def use(work: Any, cost: Any, place: int, step: int) -> float:
    """Count a use of the node at a place of the pool, or with step -1 take it back.

    Returns the cost of an extra gate, which would have to be built.
    """
    node = work.pool[place]
    if node >= 0:
        work.uses[node] += step
        return 0.0
    kind, polarity = work.extras[-1 - node, 0], work.extras[-1 - node, 1]
    for source in range(fan_in_count(kind)):
        work.uses[work.extras[-1 - node, 2 + source]] += step
    added: float = cost[kind, polarity]
    return added


@jit
def rise(inputs: int, net: Any, work: Any, cost: Any, node: int, candidate: int) -> float:
    """The rise of the cost if a candidate replaces the gate ``node``."""
    kind, polarity = work.candidates[candidate, 0], work.candidates[candidate, 1]
    count = fan_in_count(kind)
    same = kind == net.kind[node] and polarity == net.polarity[node]
    for place in range(count):
        same = same and work.pool[work.candidates[candidate, 2 + place]] == net.fan_ins[node, place]
    if same:
        return IMPOSSIBLE
    change: float = 0.0 if kind == WIRE else cost[kind, polarity]
    for place in range(count):
        change += use(work, cost, work.candidates[candidate, 2 + place], 1)
    change -= cost[net.kind[node], net.polarity[node]]
    for place in range(fan_in_count(net.kind[node])):
        change -= release(inputs, net, work, cost, net.fan_ins[node, place])
    for place in range(fan_in_count(net.kind[node])):
        retain(inputs, net, work, net.fan_ins[node, place])
    for place in range(count):
        use(work, cost, work.candidates[candidate, 2 + place], -1)
    return change


@jit
def built(inputs: int, net: Any, work: Any, place: int, node: int) -> int:
    """The node at a place of the pool; an extra gate gets a free node, or -1 if all are used."""
    found: int = work.pool[place]
    if found >= 0:
        return found
    for free in range(inputs, net.kind.shape[0]):
        if work.uses[free] == 0 and free != node:
            net.kind[free] = work.extras[-1 - found, 0]
            net.polarity[free] = work.extras[-1 - found, 1]
            net.fan_ins[free] = work.extras[-1 - found, 2:]
            work.uses[free] = 1
            return free
    return -1


@jit
def replace(inputs: int, net: Any, work: Any, node: int, candidate: int) -> None:
    """Replace a gate by a candidate; does nothing if there is no room for it."""
    chosen = work.candidates[candidate]
    kind, count = chosen[0], fan_in_count(chosen[0])
    a = built(inputs, net, work, chosen[2], node)
    b = built(inputs, net, work, chosen[3], node) if count > 1 else a
    c = built(inputs, net, work, chosen[4], node) if count > 2 else a
    if a < 0 or b < 0 or c < 0:
        return
    if kind != WIRE:
        net.kind[node] = kind
        net.polarity[node] = chosen[1]
        net.fan_ins[node] = (a, b, c)
        return
    for place in range(work.counts[ORDERED]):
        for source in range(3):
            if net.fan_ins[work.order[place], source] == node:
                net.fan_ins[work.order[place], source] = a
    for place in range(net.outputs.shape[0]):
        if net.outputs[place] == node:
            net.outputs[place] = a


@jit
def choose(inputs: int, net: Any, work: Any, cost: Any, node: int) -> tuple[int, float]:
    """A cheapest candidate, ties broken at random, and the rise of the cost."""
    best, chosen, equals = IMPOSSIBLE, -1, 0
    for candidate in range(work.counts[CANDIDATES]):
        change = rise(inputs, net, work, cost, node, candidate)
        if change >= IMPOSSIBLE:
            continue
        if change < best - SMALLEST:
            best, chosen, equals = change, candidate, 1
        elif change < best + SMALLEST:
            equals += 1
            if np.random.randint(equals) == 0:
                chosen = candidate
    return chosen, best


@jit
def move(inputs: int, net: Any, work: Any, cost: Any, allowed: Any, temperature: float) -> bool:
    """Try to replace a random gate; return whether the network has changed."""
    position = np.random.randint(work.counts[ORDERED])
    node = work.order[position]
    find_care(inputs, net, work, allowed, position)
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
    chosen, change = choose(inputs, net, work, cost, node)
    if chosen < 0:
        return False
    if change > SMALLEST and np.random.random() >= np.exp(-change / temperature):
        return False
    replace(inputs, net, work, node, chosen)
    return True


@jit
def run(
    inputs: int,
    net: Any,
    best: Any,
    cost: Any,
    allowed: Any,
    moves: int,
    hot: float,
    cold: float,
    seed: int,
) -> float:
    """Anneal ``net`` from ``hot`` to ``cold``; keep the cheapest in ``best``, return its cost.

    Parameters
    ----------
    inputs : int
        Number of input nodes; the last two are the constants 0 and 1.
    net, best : Nodes
        The network, which is changed, and a second one of the same shapes for the result.
    cost : (KINDS, 16) float64
        Cost of a gate by kind and polarity.
    allowed : (2, outputs, words) uint64
        Two truth tables of the outputs. On each row, all outputs must come from one of the two.
    """
    np.random.seed(seed)
    work = scratch(net.kind.shape[0], net.values.shape[1])
    lowest = IMPOSSIBLE
    changed = True
    for step in range(moves + 1):
        if changed:
            total = refresh(inputs, net, work, cost)
            if total < lowest - SMALLEST:
                lowest = total
                best.kind[:] = net.kind
                best.polarity[:] = net.polarity
                best.fan_ins[:] = net.fan_ins
                best.outputs[:] = net.outputs
        if step == moves or work.counts[ORDERED] == 0:
            break
        temperature = hot * (cold / hot) ** (step / moves)
        changed = move(inputs, net, work, cost, allowed, temperature)
    return lowest
