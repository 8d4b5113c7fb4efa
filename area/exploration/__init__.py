"""Synthesizes all designs of a space in parallel, and stores their records.

A space has one design for every possible combination of chosen formats, architectures, synthesis
recipes and so on. A trial is one of these designs, with everything that its record depends on.
"""

from halfbyte.area.exploration.proof import prove_trial
from halfbyte.area.exploration.run import Exploration, Failure, explore
from halfbyte.area.exploration.space import Space, load_space, parse_space, space_names
from halfbyte.area.exploration.store import ResultStore
from halfbyte.area.exploration.trials import AnyTrial, DotTrial, ExploredRecord, MacTrial

__all__ = [
    "AnyTrial",
    "DotTrial",
    "Exploration",
    "ExploredRecord",
    "Failure",
    "MacTrial",
    "ResultStore",
    "Space",
    "explore",
    "load_space",
    "parse_space",
    "prove_trial",
    "space_names",
]
