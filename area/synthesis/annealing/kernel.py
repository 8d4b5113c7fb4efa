"""The compiled loop of the annealing: each move tries to replace one gate.

The truth tables of a network are known completely (:mod:`.state`). A gate may be replaced by
anything that has the same value on the rows where this value matters: a *candidate*
(:mod:`.candidates`). The value does not matter on rows where other gates mask it, or where both
values give outputs that are allowed. Candidates read from the *pool*, a list of existing nodes and
a few new gates.

In all functions, ``inputs`` is the number of nodes before the gates, ``net`` the network
(:class:`.state.Nodes`), ``work`` the working arrays (:class:`.state.Scratch`), and ``cost`` the
cost of a gate by kind and polarity.
"""

from typing import Any

import numpy as np

from halfbyte.area.synthesis.annealing.candidates import collect
from halfbyte.area.synthesis.annealing.state import (
    CANDIDATES,
    IMPOSSIBLE,
    ORDERED,
    WIRE,
    fan_in_count,
    find_care,
    refresh,
)
from halfbyte.base.compiled import borrowing_jit, inner_jit

__all__ = ["run"]

# Smaller changes of the cost are rounding errors and count as 0.
SMALLEST = 1e-9


@inner_jit
def release(inputs: int, net: Any, work: Any, cost: Any, node: int) -> float:
    """Take back one use of a node; returns the cost of the gates that thereby become unused."""
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


@inner_jit
def retain(inputs: int, net: Any, work: Any, node: int) -> None:
    """Undo :func:`release` of a node."""
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


@inner_jit
def use(work: Any, cost: Any, place: int, step: int) -> float:
    """Count a use of the node at a place of the pool; with ``step`` -1, take the use back.

    Returns the cost of the node if it is a new gate, which would have to be built; else 0.
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


@inner_jit
def rise(inputs: int, net: Any, work: Any, cost: Any, node: int, candidate: int) -> float:
    """The rise of the total cost if a candidate replaces the gate ``node``.

    IMPOSSIBLE if the candidate equals the gate.
    """
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


@inner_jit
def built(inputs: int, net: Any, work: Any, place: int, node: int) -> int:
    """The node at a place of the pool. A new gate is built first, in a free node.

    Returns -1 if no node is free for a new gate.
    """
    found: int = work.pool[place]
    if found >= 0:
        return found
    for free in range(inputs, net.kind.shape[0]):
        if work.uses[free] == 0 and free != node:
            net.kind[free] = work.extras[-1 - found, 0]
            net.polarity[free] = work.extras[-1 - found, 1]
            for source in range(3):
                net.fan_ins[free, source] = work.extras[-1 - found, 2 + source]
            work.uses[free] = 1
            return free
    return -1


@inner_jit
def replace(inputs: int, net: Any, work: Any, node: int, candidate: int) -> None:
    """Replace a gate by a candidate, or keep the gate if there is no free node for a new gate."""
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
        net.fan_ins[node, 0], net.fan_ins[node, 1], net.fan_ins[node, 2] = a, b, c
        return
    for place in range(work.counts[ORDERED]):
        for source in range(3):
            if net.fan_ins[work.order[place], source] == node:
                net.fan_ins[work.order[place], source] = a
    for place in range(net.outputs.shape[0]):
        if net.outputs[place] == node:
            net.outputs[place] = a


@inner_jit
def choose(inputs: int, net: Any, work: Any, cost: Any, node: int) -> tuple[int, float]:
    """The number of the cheapest candidate, and by how much it raises the total cost.

    Ties are broken at random. The number is -1 if no candidate is possible.
    """
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


@inner_jit
def move(inputs: int, net: Any, work: Any, cost: Any, allowed: Any, temperature: float) -> bool:
    """Try to replace a random gate; returns False only if the network has not changed."""
    position = np.random.randint(work.counts[ORDERED])
    node = work.order[position]
    find_care(net, work, allowed, position)
    collect(inputs, net, work, cost)
    chosen, change = choose(inputs, net, work, cost, node)
    if chosen < 0:
        return False
    if change > SMALLEST and np.random.random() >= np.exp(-change / temperature):
        return False
    replace(inputs, net, work, node, chosen)
    return True


@inner_jit
def keep(net: Any, best: Any) -> None:
    """Copy the gates and outputs of ``net`` to ``best``."""
    for node in range(net.kind.shape[0]):
        best.kind[node] = net.kind[node]
        best.polarity[node] = net.polarity[node]
        for place in range(3):
            best.fan_ins[node, place] = net.fan_ins[node, place]
    for place in range(net.outputs.shape[0]):
        best.outputs[place] = net.outputs[place]


@borrowing_jit
def run(
    inputs: int,
    net: Any,
    best: Any,
    work: Any,
    cost: Any,
    allowed: Any,
    moves: int,
    hot: float,
    cold: float,
    seed: int,
) -> float:
    """Anneal ``net``; writes the cheapest network found to ``best`` and returns its cost.

    Parameters
    ----------
    inputs : int
        Number of input nodes; the last two are the constants 0 and 1.
    net, best : Nodes
        The network, which is changed, and a second one of the same shapes for the result.
    work : Scratch
        Working arrays for a network of these shapes, with the truth tables of the inputs.
    cost : (KINDS, 16) float64
        Cost of a gate by kind and polarity.
    allowed : (2, outputs, words) uint64
        Two sets of truth tables for the outputs. On each row, all outputs must come from the same
        set.
    moves : int
        Number of attempts to replace a gate.
    hot, cold : float
        First and last temperature, in the unit of ``cost``.
    seed : int
        Seed of the random numbers.
    """
    np.random.seed(seed)
    lowest = IMPOSSIBLE
    changed = True
    for step in range(moves + 1):
        if changed:
            total = refresh(inputs, net, work, cost)
            if total < lowest - SMALLEST:
                lowest = total
                keep(net, best)
        if step == moves or work.counts[ORDERED] == 0:
            break
        temperature = hot * (cold / hot) ** (step / moves)
        changed = move(inputs, net, work, cost, allowed, temperature)
    return lowest
