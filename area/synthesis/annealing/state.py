"""The state of a network during annealing: order, truth tables and care.

A *network* is a list of nodes: the inputs first, then the gates in any order. Each gate has a kind
and a polarity (:mod:`.functions`) and up to three fan-ins. The truth table of every node over all
inputs is known, as words of 64 rows.
"""

from typing import Any, NamedTuple

import numpy as np

from halfbyte.base.compiled import borrowing_jit

__all__ = [
    "AND2",
    "AND3",
    "AO21",
    "CANDIDATES",
    "EXTRAS",
    "FAN_INS",
    "IMPOSSIBLE",
    "KEPT",
    "KINDS",
    "MUX",
    "NOT",
    "OFFERED",
    "ORDERED",
    "OUTPUT",
    "POOLED",
    "WIRE",
    "XOR2",
    "Nodes",
    "Scratch",
    "evaluate",
    "fan_in_count",
    "find_care",
    "gate",
    "refresh",
    "scratch",
]

NOT, AND2, XOR2, AND3, AO21, MUX = range(6)
KINDS = 6
FAN_INS = (1, 2, 2, 3, 3, 3)
# Polarity: bits 0 to 2 invert fan-ins, bit 3 the output.
OUTPUT = 8
# A wire: another node takes the place of a gate.
WIRE = -1
# A cost of this or more means that the gate does not exist.
IMPOSSIBLE = 1e9
# In each move: the number of random extra gates, which are not built yet, and of candidates whose
# cost is computed.
EXTRAS, KEPT = 4, 8
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
# Indices into `Scratch.counts`.
ORDERED, POOLED, OFFERED, CANDIDATES = range(4)


class Nodes(NamedTuple):
    """A network. Nodes without readers are free for new gates.

    Attributes
    ----------
    kind, polarity : (nodes,) int64
        Kind and polarity of each gate.
    fan_ins : (nodes, 3) int64
        The nodes that each gate reads.
    outputs : (outputs,) int64
        The nodes that are outputs.
    values : (nodes, words) uint64
        The truth table of each node, one bit for each row.
    """

    kind: Any
    polarity: Any
    fan_ins: Any
    outputs: Any
    values: Any


class Scratch(NamedTuple):
    """Working arrays; each move, or :func:`refresh`, writes them anew.

    The *pool* is what the gate may read: existing nodes, then :data:`EXTRAS` new gates. It has room
    for ``nodes + EXTRAS``. A *literal* is twice a place in the pool, plus 1 if inverted.

    Attributes
    ----------
    order : (nodes,) int64
        The gates that outputs need, each after those that it reads; ``counts[ORDERED]`` of them.
    mark : (nodes,) int64
        1 for gates that are in ``order``.
    stack : (6 * nodes,) int64
        Nodes that are still to be visited.
    uses : (nodes,) int64
        Number of needed gates and outputs that read each node.
    flipped : (nodes, words) uint64
        Truth tables for the opposite value of the gate, of nodes in ``downstream``.
    downstream : (nodes,) bool
        The gate itself, and gates that depend on it.
    pool : (nodes + EXTRAS,) int64
        The node at each place, or -1 - n for extra n; ``counts[POOLED]`` of them, then two
        constants.
    pool_values : (nodes + EXTRAS, words) uint64
        The truth table at each place.
    literals, others : (2 * (nodes + EXTRAS),) int64
        Literals, or places in the pool, from which a gate could be built.
    literal_values : (2 * (nodes + EXTRAS), words) uint64
        The truth tables of ``literals`` or ``others``, on some rows.
    extras : (EXTRAS, 5) int64
        New gates: kind, polarity and three nodes that they read.
    care : (words,) uint64
        The rows on which the gate's value matters.
    target : (2, words) uint64
        The rows of ``care`` where the gate is 0, and those where it is 1.
    rest : (words,) uint64
        The rows of a target that are still to be covered.
    candidates : (KEPT, 5) int64
        Kind, polarity and three places in the pool; ``counts[CANDIDATES]`` of them.
    counts : (4,) int64
        Counters with the indices :data:`ORDERED`, :data:`POOLED`, :data:`OFFERED`,
        :data:`CANDIDATES`.
    """

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


@borrowing_jit
def fan_in_count(kind: int) -> int:
    """The number of nodes that a gate reads."""
    if kind <= NOT:
        return 1
    return 2 if kind <= XOR2 else 3


@borrowing_jit
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


def scratch(nodes: int, words: int) -> Scratch:
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


@borrowing_jit
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


@borrowing_jit
def evaluate(net: Any, node: int) -> None:
    """Compute the truth table of a gate from those of its fan-ins."""
    a, b, c = net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2]
    values = net.values
    for word in range(values.shape[1]):
        values[node, word] = gate(
            net.kind[node], net.polarity[node], values[a, word], values[b, word], values[c, word]
        )


@borrowing_jit
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


@borrowing_jit
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
