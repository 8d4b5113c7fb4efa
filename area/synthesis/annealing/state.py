"""The arrays of a network during annealing: gates, their order, and truth tables.

A *network* is a list of nodes: the inputs first, then the two constants, then the gates in any
order. Each gate has a kind, up to three fan-ins (the nodes that it reads), and a polarity: which
fan-ins are inverted, and whether the output is. A *row* of a truth table is one combination of
input values. The truth table of every node is known, in words of 64 rows.

Most functions are compiled (:mod:`halfbyte.base.compiled`). Where a loop over words has its length
from ``Scratch.words``, this length is fixed when the loop is compiled. Such a loop never stops
early: a short loop without branches is faster than one that tests whether to stop.
"""

from typing import Any, NamedTuple

import numpy as np

from halfbyte.base.compiled import borrowing_jit, inner_jit

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
    "MIN_WORDS",
    "MUX",
    "NONE",
    "NOT",
    "OFFERED",
    "ORDERED",
    "OUTPUT",
    "POOLED",
    "WIRE",
    "XOR2",
    "Nodes",
    "Scratch",
    "compute",
    "evaluate",
    "fan_in_count",
    "find_care",
    "refresh",
    "scratch",
]

# Kinds of gates with fan-ins a, b and c. AO21 is (a & b) | c, and MUX is a if c else b.
NOT, AND2, XOR2, AND3, AO21, MUX = range(6)
KINDS = 6
# The number of fan-ins of each kind.
FAN_INS = (1, 2, 2, 3, 3, 3)
# Polarity: bits 0 to 2 invert the fan-ins, bit 3 (this mask) the output.
OUTPUT = 8
# The kind of a candidate (what could replace a gate) that is not a gate but an existing node.
WIRE = -1
# A gate with this cost or more does not exist in the library.
IMPOSSIBLE = 1e9
# In each move: the number of random extra gates, which are not part of the network yet, and the
# largest number of candidates whose cost is computed.
EXTRAS, KEPT = 4, 8
# A word of a truth table in which no bit is set.
NONE = np.uint64(0)
# The least number of words that loops are compiled for. Truth tables of two 4-bit codes have this
# many words.
MIN_WORDS = 4
# Indices into `Scratch.counts`.
ORDERED, POOLED, OFFERED, CANDIDATES = range(4)


class Nodes(NamedTuple):
    """A network. Nodes without readers are free for new gates.

    Attributes
    ----------
    kind, polarity : (nodes,) int64
        Kind and polarity of each gate.
    fan_ins : (nodes, 3) int64
        The nodes that each gate reads. If there are fewer than three, the first is repeated.
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

    A move tries to replace one gate, here called *the gate*. A *candidate* is what could replace
    it. Candidates read from the *pool*: existing nodes, then :data:`EXTRAS` new gates. A *literal*
    is twice a place in the pool, plus 1 if that node is inverted. A *target* is the set of rows
    where the gate must be 0, or the set where it must be 1.

    Attributes
    ----------
    words : tuple of int
        As many zeros as a truth table has words. Unlike the shape of an array, the length of a
        tuple is known when the loops are compiled.
    order : (nodes,) int64
        The gates that outputs depend on, each after the gates that it reads; the first
        ``counts[ORDERED]`` entries are used.
    mark : (nodes,) int64
        1 for gates that are in ``order``.
    stack : (6 * nodes,) int64
        Nodes that a search still has to visit.
    uses : (nodes,) int64
        For each node, the number of outputs and of gates in ``order`` that read it.
    values : (2 * nodes, words) uint64
        The truth table of each node. The second half has the truth tables that ``downstream`` nodes
        would have if the gate were inverted.
    downstream : (nodes,) int64
        1 for the gate itself, and for gates that depend on it.
    pool : (nodes + EXTRAS,) int64
        The node at each place, or -1 - n for new gate n. After the first ``counts[POOLED]``
        entries come the two constants.
    pool_values : (nodes + EXTRAS, words) uint64
        The truth table at each place.
    digests : (nodes + EXTRAS,) uint64
        A digest of each truth table of the pool, on the rows of ``care``. The digest of the XOR of
        two tables is the XOR of their digests.
    covers : (2, 2 * (nodes + EXTRAS) + 1) int64
        For each target, the literals that are 1 on all of its rows.
    covered : (2,) int64
        For each target, the number of literals in ``covers``.
    literals, others : (2 * (nodes + EXTRAS) + 1,) int64
        Literals, or places in the pool, from which a gate could be built.
    literal_values : (2 * (nodes + EXTRAS), words) uint64
        The truth tables of the literals in the list that is searched at present, with 0 on all
        rows that the search ignores.
    extras : (EXTRAS, 5) int64
        The new gates: kind, polarity and the three nodes that each reads.
    care : (words,) uint64
        The rows on which the gate's value matters.
    target : (2, words) uint64
        The rows of ``care`` where the gate is 0, and those where it is 1.
    rest : (words,) uint64
        For a candidate ``(a & b) | c``: the rows where it must be 1 although ``c`` is 0.
    candidates : (KEPT, 5) int64
        Kind, polarity and three places in the pool; the first ``counts[CANDIDATES]`` are used.
    counts : (4,) int64
        Counters with the indices :data:`ORDERED`, :data:`POOLED`, :data:`OFFERED`,
        :data:`CANDIDATES`.
    """

    words: Any
    order: Any
    mark: Any
    stack: Any
    uses: Any
    values: Any
    downstream: Any
    pool: Any
    pool_values: Any
    digests: Any
    covers: Any
    covered: Any
    literals: Any
    others: Any
    literal_values: Any
    extras: Any
    care: Any
    target: Any
    rest: Any
    candidates: Any
    counts: Any


@inner_jit
def fan_in_count(kind: int) -> int:
    """The number of nodes that a gate of a kind reads."""
    if kind <= NOT:
        return 1
    return 2 if kind <= XOR2 else 3


def scratch(nodes: int, sources: np.ndarray) -> Scratch:
    """Working arrays for a network with this number of nodes.

    ``sources`` are the truth tables of inputs and constants, (inputs, words) uint64.
    """
    pool, words = nodes + EXTRAS, sources.shape[1]
    values = np.zeros((2 * nodes, words), np.uint64)
    values[: len(sources)] = sources
    return Scratch(
        words=(0,) * words,
        order=np.zeros(nodes, np.int64),
        mark=np.zeros(nodes, np.int64),
        stack=np.zeros(6 * nodes, np.int64),
        uses=np.zeros(nodes, np.int64),
        values=values,
        downstream=np.zeros(nodes, np.int64),
        pool=np.zeros(pool, np.int64),
        pool_values=np.zeros((pool, words), np.uint64),
        digests=np.zeros(pool, np.uint64),
        covers=np.zeros((2, 2 * pool + 1), np.int64),
        covered=np.zeros(2, np.int64),
        literals=np.zeros(2 * pool + 1, np.int64),
        others=np.zeros(2 * pool + 1, np.int64),
        literal_values=np.zeros((2 * pool, words), np.uint64),
        extras=np.zeros((EXTRAS, 5), np.int64),
        care=np.zeros(words, np.uint64),
        target=np.zeros((2, words), np.uint64),
        rest=np.zeros(words, np.uint64),
        candidates=np.zeros((KEPT, 5), np.int64),
        counts=np.zeros(4, np.int64),
    )


@inner_jit
def refresh(inputs: int, net: Any, work: Any, cost: Any) -> float:
    """Sort the gates that outputs depend on, count readers, and compute truth tables.

    Returns the total cost of these gates.
    """
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
        a, b, c = net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2]
        compute(work.words, work.values, node, net.kind[node], net.polarity[node], a, b, c)
    work.counts[ORDERED] = count
    return total


@inner_jit
def compute(
    words: Any, values: Any, row: int, kind: int, polarity: int, a: int, b: int, c: int
) -> None:
    """Write a gate's truth table to ``values[row]``; its fan-ins have the indices a, b and c.

    ``words`` has as many entries as a truth table has words (:class:`Scratch`).
    """
    invert_a = NONE - np.uint64(polarity & 1)
    invert_b = NONE - np.uint64(polarity >> 1 & 1)
    invert_c = NONE - np.uint64(polarity >> 2 & 1)
    invert = NONE - np.uint64(polarity >> 3 & 1)
    if kind == NOT:
        for word in range(len(words)):
            values[row, word] = ~values[a, word]
    elif kind == AND2:
        for word in range(len(words)):
            both = (values[a, word] ^ invert_a) & (values[b, word] ^ invert_b)
            values[row, word] = both ^ invert
    elif kind == XOR2:
        for word in range(len(words)):
            values[row, word] = values[a, word] ^ values[b, word] ^ invert_a ^ invert_b ^ invert
    elif kind == AND3:
        for word in range(len(words)):
            both = (values[a, word] ^ invert_a) & (values[b, word] ^ invert_b)
            values[row, word] = both & (values[c, word] ^ invert_c) ^ invert
    elif kind == AO21:
        for word in range(len(words)):
            both = (values[a, word] ^ invert_a) & (values[b, word] ^ invert_b)
            values[row, word] = (both | values[c, word] ^ invert_c) ^ invert
    else:
        for word in range(len(words)):
            select = values[c, word] ^ invert_c
            high, low = values[a, word] ^ invert_a, values[b, word] ^ invert_b
            values[row, word] = (select & high | ~select & low) ^ invert


@borrowing_jit
def evaluate(net: Any, node: int) -> None:
    """Compute the truth table of a gate of a network from those of its fan-ins."""
    a, b, c = net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2]
    compute(net.values[0], net.values, node, net.kind[node], net.polarity[node], a, b, c)


@inner_jit
def flip(net: Any, work: Any, position: int) -> None:
    """Compute the truth tables that the nodes after a gate would have if the gate were inverted."""
    order, downstream, values = work.order, work.downstream, work.values
    nodes = net.kind.shape[0]
    for place in range(position):
        downstream[order[place]] = 0
    node = order[position]
    downstream[node] = 1
    for word in range(len(work.words)):
        values[nodes + node, word] = ~values[node, word]
    for place in range(position + 1, work.counts[ORDERED]):
        node = order[place]
        a, b, c = net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2]
        from_a, from_b, from_c = downstream[a], downstream[b], downstream[c]
        downstream[node] = from_a | from_b | from_c
        if downstream[node]:
            a, b, c = a + nodes * from_a, b + nodes * from_b, c + nodes * from_c
            compute(work.words, values, nodes + node, net.kind[node], net.polarity[node], a, b, c)


@inner_jit
def find_care(net: Any, work: Any, allowed: Any, position: int) -> None:
    """Find the rows on which a gate must keep its value for the outputs to stay allowed.

    On each row, the outputs must all have the values in ``allowed[0]``, or all those in
    ``allowed[1]``.
    """
    flip(net, work, position)
    node, nodes = work.order[position], net.kind.shape[0]
    for word in range(len(work.words)):
        first, second = NONE, NONE
        for place in range(net.outputs.shape[0]):
            output = net.outputs[place]
            value = work.values[output + nodes * work.downstream[output], word]
            first |= value ^ allowed[0, place, word]
            second |= value ^ allowed[1, place, word]
        care, value = first & second, work.values[node, word]
        work.care[word] = care
        work.target[1, word] = value & care
        work.target[0, word] = ~value & care
