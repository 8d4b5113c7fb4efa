"""Exploration: spaces of many designs, run in parallel, with results that are kept."""

from halfbyte.area.exploration.points import AnyPoint, ExploredRecord, Point, UnitPoint
from halfbyte.area.exploration.proof import prove_point
from halfbyte.area.exploration.run import Exploration, Failure, explore
from halfbyte.area.exploration.space import Space, load_space, parse_space, space_names
from halfbyte.area.exploration.store import ResultStore

__all__ = [
    "AnyPoint",
    "Exploration",
    "ExploredRecord",
    "Failure",
    "Point",
    "ResultStore",
    "Space",
    "UnitPoint",
    "explore",
    "load_space",
    "parse_space",
    "prove_point",
    "space_names",
]
