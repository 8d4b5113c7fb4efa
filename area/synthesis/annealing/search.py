"""The annealing of a network: how hot, how long, and what is checked afterwards."""

from dataclasses import replace

import numpy as np

from halfbyte.area.synthesis.annealing.functions import GateSet
from halfbyte.area.synthesis.annealing.kernel import run
from halfbyte.area.synthesis.annealing.network import Network
from halfbyte.area.synthesis.annealing.state import Nodes

__all__ = ["anneal"]

# In typical gates; found by trial on the multipliers of 4-bit formats, where most of what is found
# is found between 0.2, above which they only grow, and 0.1.
HOT, COLD = 0.18, 0.1


def anneal(
    network: Network,
    gates: GateSet,
    moves: int,
    *,
    alternative: np.ndarray | None = None,
    seed: int = 1,
    hot: float = HOT,
    cold: float = COLD,
) -> Network:
    """A network that costs at most as much, after so many moves; the same for the same input.

    Parameters
    ----------
    network : Network
        Where to start; its gates must all be in ``gates``.
    gates : GateSet
        What the result may consist of.
    moves : int
        Gates that are tried to be replaced.
    alternative : ndarray, optional
        (outputs, words) uint64: truth tables that the outputs may have instead; on each row either
        all outputs are those of ``network`` or all are these.
    seed : int
        Of the random numbers.
    hot, cold : float
        First and last temperature, in typical gates.
    """
    tables = network.tables()
    allowed = np.stack([tables, tables if alternative is None else alternative])
    current, best = _copy(network.nodes), _copy(network.nodes)
    unit = gates.typical
    run(network.sources, current, best, gates.cost, allowed, moves, hot * unit, cold * unit, seed)
    result = replace(network, nodes=best)
    found = result.tables()
    differs = np.bitwise_or.reduce(found ^ allowed[0]) & np.bitwise_or.reduce(found ^ allowed[1])
    if differs.any():
        raise AssertionError("Annealing changed the function of a network")
    return result


def _copy(nodes: Nodes) -> Nodes:
    return Nodes(*(array.copy() for array in nodes))
