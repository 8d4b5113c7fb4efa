"""Anneals a network, and checks that the result still has the right function."""

from dataclasses import replace

import numpy as np

from halfbyte.area.synthesis.annealing.functions import GateSet
from halfbyte.area.synthesis.annealing.kernel import run
from halfbyte.area.synthesis.annealing.network import Network
from halfbyte.area.synthesis.annealing.state import MIN_WORDS, Nodes, scratch

__all__ = ["anneal"]

# First and last temperature, in units of the cost of a typical gate (`GateSet.typical`), found by
# trial on the multipliers of 4-bit formats. At temperatures above 0.2 the multipliers only grow.
# Most improvements come between 0.2 and 0.1.
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
    """The cheapest network found with the outputs of ``network``, or with alternative outputs.

    It never costs more than ``network``. The same arguments give the same result. Raises
    AssertionError if the outputs are wrong.

    Parameters
    ----------
    network : Network
        The start; all its gates must be in ``gates``.
    gates : GateSet
        The gates that the result may have.
    moves : int
        Number of attempts to replace a gate.
    alternative : ndarray, optional
        (outputs, words) uint64: truth tables that the outputs may have instead. On each row (one
        combination of input values), all outputs come either from ``network`` or from
        ``alternative``.
    seed : int
        Seed of the random numbers.
    hot, cold : float
        First and last temperature, in units of the cost of a typical gate.
    """
    tables = network.tables()
    allowed = np.stack([tables, tables if alternative is None else alternative])
    current, best = _copy(network.nodes), _copy(network.nodes)
    # Short truth tables are repeated up to MIN_WORDS words, so that most networks share one
    # compiled loop. Repeated rows do not change the result.
    repeats = (1, -(-MIN_WORDS // tables.shape[1]))
    work = scratch(len(current.kind), np.tile(current.values[: network.sources], repeats))
    limits = hot * gates.typical, cold * gates.typical
    wide = np.tile(allowed, repeats)
    run(network.sources, current, best, work, gates.cost, wide, moves, *limits, seed)
    result = replace(network, nodes=best)
    found = result.tables()
    differs = np.bitwise_or.reduce(found ^ allowed[0]) & np.bitwise_or.reduce(found ^ allowed[1])
    if differs.any():
        raise AssertionError("Annealing changed the function of a network")
    return result


def _copy(nodes: Nodes) -> Nodes:
    return Nodes(*(array.copy() for array in nodes))
